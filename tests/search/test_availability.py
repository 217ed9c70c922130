"""Months of a fleet whose systems fail: each state's share by births and deaths, times a run of it."""

from __future__ import annotations

from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pytest

from infermodel import api
from infermodel.metrics.birth_death import in_racks

SCENARIO = """
title: T
duration: 30 s
warm_up: 5 s
capacity: false
traffic:
  arrivals: {kind: poisson, rate: 4 /s}
  prompt_tokens: {kind: fixed, tokens: 200}
  output_tokens: {kind: fixed, tokens: 50}
objectives: {ttft_p95: 500 ms}
services:
  - name: A
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 2, tensor_parallel: 8}
    limits: {max_context: 4096}
    price: {rental: 2 USD/h}
    failures: {mtbf: 30 day, mttr: 1 day}
"""


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> api.Answer:
    path = tmp_path_factory.mktemp("months") / "months.yaml"
    path.write_text(SCENARIO)
    return api.availability(path)


def test_one_of_two_carries_the_load_and_none_carries_nothing(months: api.Answer) -> None:
    up = 30 / 31
    states = months.rows["states"]
    assert [row["share"] for row in states] == pytest.approx([up**2, 2 * up * (1 - up), (1 - up) ** 2])
    assert [row["objectives_met"] for row in states] == [True, True, False]
    assert [row["attainment"] for row in states] == [1, 1, 0]
    (row,) = months.rows["months"]
    assert row["availability"] == pytest.approx(up)
    assert row["holds"] == row["attainment"] == pytest.approx(1 - (1 - up) ** 2)
    assert row["failures_a_month"] == pytest.approx(2 * up * 730 / 24 / 30)
    assert row["usd_per_h"] == 2 * 8 * 2
    assert row["usd_per_h_lost"] == pytest.approx(32 * (1 - up) ** 2)
    assert row["missed_min_a_month"] == pytest.approx(730 * 60 * (1 - up) ** 2)


def in_pools(folder: Path, *pools: str) -> Path:
    """The scenario with such pools of DGX H100."""
    path, listed = folder / "pools.yaml", [f"{{system: dgx-h100, tensor_parallel: 8, {pool}}}" for pool in pools]
    fleet = f"{{pools: [{', '.join(listed)}]}}"
    path.write_text(SCENARIO.replace("{system: dgx-h100, systems: 2, tensor_parallel: 8}", fleet))
    return path


def test_pools_fail_each_by_itself(tmp_path: Path) -> None:
    reader = "name: r, role: prefill, failures: {mtbf: 90 day, mttr: 10 day}"
    answer = api.availability(in_pools(tmp_path, reader, "name: w, role: decode, systems: 2"))
    up, reads = 30 / 31, 0.9
    writes = [up**2, 2 * up * (1 - up), (1 - up) ** 2]
    states = answer.rows["states"]
    assert [row["by_pool"] for row in states] == [f"r {r}, w {w}" for r in (0, 1) for w in (0, 1, 2)]
    assert [row["share"] for row in states] == pytest.approx([*(reads * w for w in writes), *(0.1 * w for w in writes)])
    assert [row["played"] for row in states] == [True, True, False, False, False, False]
    (row,) = answer.rows["months"]
    assert row["availability"] == pytest.approx((reads + 2 * up) / 3)
    assert row["holds"] == pytest.approx(reads * (1 - (1 - up) ** 2))
    assert row["failures_a_month"] == pytest.approx((reads / 90 + 2 * up / 30) * 730 / 24)


def test_another_pool_takes_what_comes_where_any_can(tmp_path: Path) -> None:
    """Each pool is down a tenth of the time, and either carries the load; by the length of prompts each is needed."""
    pools = [f"name: p{number}, role: both, failures: {{mtbf: 90 day, mttr: 10 day}}" for number in range(2)]
    path = in_pools(tmp_path, *pools)
    (row,) = api.availability(path).rows["months"]
    assert row["holds"] == pytest.approx(1 - 0.1**2)
    by_length = path.read_text().replace("{pools:", "{first_router: {kind: prompt_length, bounds: [100]}, pools:")
    path.write_text(by_length)
    (row,) = api.availability(path).rows["months"]
    assert row["holds"] == pytest.approx(0.9**2)


def test_too_many_states_are_refused(tmp_path: Path) -> None:
    pools = [f"name: p{number}, role: both, systems: 2" for number in range(11)]
    with pytest.raises(api.InputError, match="A: 177,147 states of its pools, at most 100,000"):
        api.availability(in_pools(tmp_path, *pools))


def test_a_rack_takes_both_of_its_systems(tmp_path: Path) -> None:
    path = tmp_path / "rack.yaml"
    path.write_text(SCENARIO.replace("mttr: 1 day", "mttr: 1 day, rack: {systems: 2, mtbf: 90 day, mttr: 10 day}"))
    answer, up, power = api.availability(path), 30 / 31, 0.9
    shares = [row["share"] for row in answer.rows["states"]]
    one = 2 * up * (1 - up) * power
    assert shares == pytest.approx([up**2 * power, one, 1 - up**2 * power - one])
    (row,) = answer.rows["months"]
    assert row["availability"] == pytest.approx(up * power)
    assert row["failures_a_month"] == pytest.approx((2 * up / 30 + power / 90) * 730 / 24)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [2, 2, 1], [3, 2], [5]])
def test_places_with_power_and_a_system_are_counted_one_by_one(sizes: list[int]) -> None:
    """Every set of racks that are up and of systems that work, each with its share."""
    places, up = sum(sizes), 0.7
    own = [comb(places, n) * 0.6**n * 0.4 ** (places - n) for n in range(places + 1)]
    rack_of = np.repeat(np.arange(len(sizes)), sizes)
    expected = np.zeros(places + 1)
    for racks in product((False, True), repeat=len(sizes)):
        for systems in product((False, True), repeat=places):
            serving = sum(works and racks[rack_of[i]] for i, works in enumerate(systems))
            chance = np.prod([up if each else 1 - up for each in racks])
            expected[serving] += chance * np.prod([0.6 if each else 0.4 for each in systems])
    np.testing.assert_allclose(in_racks(own, sizes, up), expected)


def test_it_is_told_in_words(months: api.Answer) -> None:
    assert "99.8959 %" in months.answer  # 1 - 1/31^2


def test_what_cannot_fail_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "steady.yaml"
    path.write_text(SCENARIO.replace("    failures: {mtbf: 30 day, mttr: 1 day}\n", ""))
    with pytest.raises(api.InputError, match="no service with failures and objectives"):
        api.availability(path)
