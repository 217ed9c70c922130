from __future__ import annotations

from pathlib import Path

import pytest
from tests.fidelity.measured_rows import row

from infermodel.fidelity.accuracy import KNEE
from infermodel.fidelity.calibrate import fitted_to
from infermodel.fidelity.crossing import ablation, leave_one_group_out
from infermodel.fidelity.engines import HOST, INGRESS, EngineFit, fit_engine, observations, play_with, reaching, rows_of

HERE = Path(__file__).parent
TRUE = {"host_step_s": 1.3e-3, "ingress_s": 20e-3}
LOADS = (
    {"model": "llama-3.1-8b", "concurrency": 1.0, "prompt_tokens": 200.0},
    {"model": "llama-3.1-8b", "concurrency": 1.0, "prompt_tokens": 2000.0},
    {"model": "qwen2.5-7b", "concurrency": 1.0, "prompt_tokens": 200.0},
    {"model": "qwen2.5-7b", "concurrency": 1.0, "prompt_tokens": 2000.0},
)
"""One user each: with several, times jump where a request joins a step earlier, and a fit has many optima."""


@pytest.fixture(scope="module")
def rows():
    """Rows that a server with the constants `TRUE` would have produced."""
    found = []
    for load in LOADS:
        asked = row(engine="sglang", engine_version="", **load)
        played = play_with(asked, HERE, TRUE)
        measured = {metric: played[metric] for metric in ("tpot_mean_ms", "ttft_mean_ms")}
        found.append(row(engine="sglang", engine_version="", measured=measured, **load))
    return found


@pytest.fixture(scope="module")
def fitted(rows) -> EngineFit:
    return fit_engine("sglang", rows, HERE, parameters=(HOST[0], INGRESS), iterations=8)


def test_a_fit_finds_the_engine_that_made_the_rows(fitted) -> None:
    fit = fitted.fit
    assert fit.values["host_step_s"] == pytest.approx(TRUE["host_step_s"], rel=0.05)
    assert fit.values["ingress_s"] == pytest.approx(TRUE["ingress_s"], rel=0.05)
    assert fit.median_error < 0.01


def test_a_group_left_out_is_predicted_by_the_others(fitted) -> None:
    table = leave_one_group_out(fitted, "sglang")
    assert [line[0] for line in table] == [
        "left out of sglang",
        "ours h100-sxm sglang llama-3.1-8b",
        "ours h100-sxm sglang qwen2.5-7b",
    ]
    for line in table[1:]:
        share, count = line[1].split(" % ")
        assert count == "(2)"
        assert float(share) < 1.0


def test_what_is_in_front_of_an_engine_does_not_reach_a_row_inside_it() -> None:
    load = {"load": "offline", "length_spread": "fixed", "requests": 20.0, "prompt_tokens": 200.0}
    inside, served = row(**load), row(prompt_tokens=200.0)
    slow = {"host_step_s": 1e-3, "host_sequence_s": 50e-6, "ingress_s": 0.2, "tokenise_s": 50e-6}
    quick = {"host_step_s": 1e-3, "host_sequence_s": 0.0, "ingress_s": 0.0, "tokenise_s": 0.0}
    assert reaching(inside, slow) == reaching(inside, quick) == {"host_step_s": 1e-3}
    assert reaching(served, slow) == slow
    for metric in ("output_tok_s", "tpot_mean_ms", "ttft_mean_ms"):
        assert play_with(inside, HERE, slow)[metric] == play_with(inside, HERE, quick)[metric]


def test_without_a_constant_the_errors_grow(fitted) -> None:
    table = ablation(fitted, "sglang", HERE, jobs=1)
    errors = {line[0]: float(line[2].split(" ")[0]) for line in table[1:]}
    assert errors["ingress_s"] > errors["nothing: all constants"] + 10


def test_rows_past_the_knee_say_nothing_of_constants() -> None:
    below = row(prompt_tokens=511.0, measured={"ttft_mean_ms": 59.0, "tpot_mean_ms": 10.0})
    past = row(prompt_tokens=512.0, measured={"ttft_mean_ms": 61.0, "tpot_mean_ms": 10.0})
    seen = observations([below, past], [59.5 / KNEE] * 2)
    assert [(each.row, each.metric) for each in seen] == [(0, "tpot_mean_ms"), (0, "ttft_mean_ms"), (1, "tpot_mean_ms")]
    # Two rows of one group: each weighs 2^(-1/4).
    assert seen[0].weight == pytest.approx(0.8409, rel=1e-3)


def test_rows_go_to_their_generation() -> None:
    old, new = row(engine_version="0.10.2"), row(engine_version="0.18.0")
    assert rows_of("vllm-0.10", [old, new]) == (old,)
    assert rows_of("vllm-0.14", [old, new, row(model="gpt-7")]) == (new,)
    with pytest.raises(ValueError, match="no row was served by sglang"):
        fit_engine("sglang", [old, new], HERE)


def test_gpus_with_borrowed_constants_of_another_architecture_are_only_predicted() -> None:
    own, kin, stranger = row(gpu="h100-sxm"), row(gpu="h200-sxm"), row(gpu="rtx-pro-6000")
    assert fitted_to([own, kin, stranger]) == [own, kin]
    assert fitted_to([stranger]) == [stranger]  # a user's own rows are all that there is
