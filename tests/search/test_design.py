from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import qmc

from infermodel.scenario import ScenarioErrors
from infermodel.search.design import latin_hypercube, points, shifted_sobol, sobol
from infermodel.search.sweep_schema import load_sweep

BASE = """
title: base
requests: 50
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: fixed, tokens: 100}
  output_tokens: {kind: fixed, tokens: 10}
services:
  - {name: GPU, model: llama-3.1-8b, fleet: {system: dgx-h100}}
"""


def sweep_file(folder: Path, text: str) -> Path:
    (folder / "base.yaml").write_text(BASE)
    path = folder / "sweep.yaml"
    path.write_text("title: what if\nbase: base.yaml\n" + text)
    return path


def values(folder: Path, text: str) -> list[tuple[object, ...]]:
    return [point.values for point in points(load_sweep(sweep_file(folder, text)))]


def refusals(folder: Path, text: str) -> str:
    with pytest.raises(ScenarioErrors) as refused:
        load_sweep(sweep_file(folder, text))
    return str(refused.value)


def test_crossed_axes_are_all_combinations_after_the_base(tmp_path: Path) -> None:
    found = values(
        tmp_path,
        """
axes:
  - {path: services.GPU.limits.max_sequences, values: [1, 2, 4]}
  - {path: services.GPU.fleet.tensor_parallel, values: [1, 8]}
""",
    )
    assert found == [(), *product([1, 2, 4], [1, 8])]


def test_axes_that_go_together_are_zipped_and_crossed_with_others(tmp_path: Path) -> None:
    found = values(
        tmp_path,
        """
axes:
  - {path: services.GPU.limits.max_sequences, values: [1, 2], together: size}
  - {path: seed, values: [7, 8]}
  - {path: services.GPU.fleet.tensor_parallel, values: [4, 8], together: size}
""",
    )
    assert found == [(), (1, 7, 4), (1, 8, 4), (2, 7, 8), (2, 8, 8)]


def test_ranges_are_linear_or_log_and_keep_units(tmp_path: Path) -> None:
    found = values(
        tmp_path, "axes: [{path: traffic.arrivals.rate, range: {from: 10 /min, to: 1000 /min, points: 3, scale: log}}]"
    )
    assert found == [(), ("10.0 /min",), ("100.0 /min",), ("1000.0 /min",)]
    found = values(tmp_path, "axes: [{path: services.0.limits.max_sequences, range: {from: 1, to: 4, points: 4}}]")
    assert found == [(), (1,), (2,), (3,), (4,)]


def test_changes_are_written_as_for_set(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, "axes: [{path: [seed, services.0.name], values: [5]}]")
    assert points(load_sweep(path))[1].changes == ("seed=5", "services.0.name=5")


def test_latin_hypercubes_have_one_point_in_every_row_and_column() -> None:
    shares = latin_hypercube(20, 3, np.random.default_rng(1))
    assert [sorted(column) for column in (shares * 20).astype(int).T.tolist()] == [list(range(20))] * 3


@pytest.mark.parametrize("dimensions", range(1, 11))
def test_sobol_is_scipys(dimensions: int) -> None:
    assert np.array_equal(sobol(128, dimensions), qmc.Sobol(dimensions, scramble=False).random(128))


def test_a_shifted_sobol_sequence_fills_the_cube_more_evenly_than_chance() -> None:
    shares = shifted_sobol(64, 4, np.random.default_rng(3))
    assert qmc.discrepancy(shares) < 0.5 * qmc.discrepancy(np.random.default_rng(3).random((64, 4)))


def test_sampled_designs_depend_on_their_seed_alone(tmp_path: Path) -> None:
    text = "axes: [{path: seed, range: {from: 1, to: 1000}}]\nsamples: 8\ndesign: latin_hypercube\n"
    assert values(tmp_path, text) == values(tmp_path, text)
    assert values(tmp_path, text) != values(tmp_path, text + "seed: 2\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("axes: [{path: seed, values: []}]", "sweep.yaml:3:29: axes.0.values: the list is empty"),
        ("axes: [{path: seed}]", "axes.0: an axis has either 'values' or a 'range'"),
        ("axes: [{path: seed, value: [1]}]", "no key named 'value' here; did you mean 'values'?"),
        (
            "axes: [{path: sed, values: [1]}]",
            "sweep.yaml:3:15: axes.0.path: sed=1: no key named 'sed' here; did you mean",
        ),
        ("axes: [{path: services.CPU.name, values: [x]}]", "axes.0.path: services.CPU.name=x: no item 'CPU'"),
        ("axes: [{path: duration, range: {from: 1 min, to: 5 h}}]", "axes.0.range.to: is in h, 'from' in min"),
        ("axes: [{path: seed, range: {from: 0, to: 5, scale: log}}]", "a log scale needs ends above zero"),
        ("axes: [{path: seed, values: [1]}, {path: seed, values: [2]}]", "two axes are called 'seed'; name it"),
        (
            "axes: [{path: seed, values: [1, 2], together: a}, {path: services.0.name, values: [x], together: a}]",
            "axes.1.together: 1 values beside the 2 of 'seed'",
        ),
        ("ask: everything\naxes: [{path: seed, values: [1]}]", "no question named 'everything'"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusals(tmp_path, text)


def test_a_wrong_base_is_refused_as_itself(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, "axes: [{path: seed, values: [1]}]")
    (tmp_path / "base.yaml").write_text(BASE.replace("dgx-h100", "dgx-h10"))
    with pytest.raises(ScenarioErrors, match=r"base.yaml:9:.*no system named 'dgx-h10'"):
        load_sweep(path)
