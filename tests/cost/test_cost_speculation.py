"""Speculation against hand-worked rounds, its bounds, and coin tosses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.dataflow_cases import CS_3, LLAMA_8B, LLAMA_70B, RUNTIME, WSE_3, batch_of, ring_of

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.block_pool import KvMemory
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.speculation import (
    acceptance_needed,
    expected_tokens,
    expected_tokens_by_position,
    kv_memory_beside,
    round_s,
    speed_map,
    speed_tok_s,
)
from infermodel.cost.stages import Stage
from infermodel.cost.wafer import draft_ring

RING = ring_of(Stage(10, 3.0, 0.0))  # T = 30 s, a slot of 3 s
DRAFT = ring_of(Stage(2, 0.5, 0.0))  # T = 1 s, a slot of 0.5 s


@given(st.floats(0, 1), st.integers(0, 20))
def test_the_closed_form_is_its_series(acceptance: float, drafted: int) -> None:
    series = sum(acceptance**i for i in range(drafted + 1))
    assert expected_tokens(acceptance, drafted) == pytest.approx(series, rel=1e-9)
    assert expected_tokens_by_position([acceptance] * drafted) == pytest.approx(series, rel=1e-9)


def test_the_closed_form_is_what_coins_say() -> None:
    """A round ends at the first draft that is not accepted; 200,000 rounds of 4 drafts at 0.7."""
    tosses = np.random.default_rng(1).random((200_000, 4)) < 0.7
    tokens = 1 + np.cumprod(tosses, axis=1).sum(axis=1)
    half_width = 2.576 * tokens.std() / np.sqrt(len(tokens))
    assert abs(tokens.mean() - expected_tokens(0.7, 4)) < half_width


def test_rounds_of_a_ring() -> None:
    """k = 4. One sequence: 4 x 1 s of drafts + 30 + 4 x 3 s = 46 s. Twelve: 12 x 5 slots of 3 s = 180 s."""
    assert round_s(RING, batch_of([5]), 4, DRAFT) == pytest.approx(46)
    assert round_s(RING, batch_of([5]), 4) == pytest.approx(42)
    assert round_s(RING, batch_of([5] * 12), 4, DRAFT) == pytest.approx(180)


def test_a_slow_draft_model_fills_up_first() -> None:
    """Its stages of 8 s give twelve sequences 4 drafts in 12 x 4 x 8 = 384 s; one alone waits 4 x 16 + 42 s."""
    slow = ring_of(Stage(2, 8.0, 0.0))
    assert round_s(RING, batch_of([5] * 12), 4, slow) == pytest.approx(384)
    assert round_s(RING, batch_of([5]), 4, slow) == pytest.approx(106)


def test_contexts_count_in_drafts_and_verification() -> None:
    """Ten layers of 1 s + 0.01 s a token at 100: T(102) = 20.2 s after slots of 2.00 and 2.01 s; drafts 2 x 2 s."""
    ring, draft = ring_of(Stage(10, 1.0, 0.01)), ring_of(Stage(1, 1.0, 0.01))
    assert round_s(ring, batch_of([100]), 2, draft) == pytest.approx(20.2 + 4.01 + 4.0)
    assert round_s(ring, batch_of([100]), 2) == pytest.approx(20.2 + 4.01)


def test_never_accepted_is_slower_than_none_and_always_accepted_reaches_its_bound() -> None:
    one = batch_of([5])
    plain = speed_tok_s(RING, one, 0, 0.5, DRAFT)
    assert plain == pytest.approx(1 / 30)
    for drafted in (1, 4, 10):
        assert speed_tok_s(RING, one, drafted, 0.0, DRAFT) < plain
        assert speed_tok_s(RING, one, drafted, 1.0, DRAFT) == pytest.approx(
            (drafted + 1) / (30 + 3 * drafted + drafted)
        )


def test_a_map_has_rows_of_acceptance() -> None:
    speeds = speed_map(RING, batch_of([5]), (0, 4), (0.0, 0.5, 1.0), DRAFT)
    assert speeds[0] == pytest.approx((1 / 30, 1 / 46))
    assert speeds[1] == pytest.approx((1 / 30, 1.9375 / 46))  # 1 + 1/2 + 1/4 + 1/8 + 1/16
    assert speeds[2] == pytest.approx((1 / 30, 5 / 46))


@given(st.floats(0, 1), st.integers(1, 12))
def test_the_acceptance_needed_gives_the_tokens_asked_for(acceptance: float, drafted: int) -> None:
    needed = acceptance_needed(expected_tokens(acceptance, drafted), drafted)
    assert needed is not None
    assert expected_tokens(needed, drafted) == pytest.approx(expected_tokens(acceptance, drafted), rel=1e-9)


def test_the_formula_of_the_fact_report() -> None:
    """70B on four at 0.75 GHz and a = 1, k = 10, acceptance 0.9: 6.862 tokens in T + 10 slots = 1.927 + 0.235 ms.

    The report has 1,949 tok/s with a draft of 136 us a token; without one it is 6.862 / 2.162 ms = 3,174.
    """
    ring = step_model(LLAMA_70B, CS_3, Deployment(devices=4, max_context=8192), RUNTIME)
    assert speed_tok_s(ring, batch_of([1000]), 10, 0.9) == pytest.approx(3174, rel=2e-3)
    draft = ring_of(Stage(17, 8e-6, 0.0))
    assert speed_tok_s(ring, batch_of([1000]), 10, 0.9, draft) == pytest.approx(1949, rel=2e-3)


def test_a_draft_on_cores_of_its_own() -> None:
    """8B on 10 % of a wafer: 89,306 cores, 2,425.7 a layer, side 49.25; 218.1M / 2,425.7 = 89,917 each.

    4927 + 15.41 x 49.25 + 0.889 x 0.5 x 89,917 = 45,654 cycles, 33 of them at 0.75 GHz: 2.009 ms.
    """
    draft = draft_ring(LLAMA_8B, CS_3, 0.1 * WSE_3.cores, Precision())
    assert draft.token_latency_s(0) == pytest.approx(2.009e-3, rel=1e-3)


def test_a_draft_takes_memory() -> None:
    """1,000 tokens of 100 B leave 70,000 B beside 30,000 B of draft: 70,000 / 120 = 583, 72 blocks of 8."""
    beside = kv_memory_beside(KvMemory(1000, 8, 100, 1e6), 30_000, 20)
    assert beside == KvMemory(576, 8, 120, 1_030_000)
    assert kv_memory_beside(KvMemory(1000, 8, 100, 1e6), 200_000, 20).tokens == 0


def test_gpus_verify_in_one_wider_step() -> None:
    """Drafts one after another on the same devices, then a step of 5 tokens for each sequence."""
    node, vllm = load_system("dgx-h100"), load_engine("vllm")
    model = step_model(load_model("llama-3.1-70b"), node, Deployment(tensor_parallel=8, max_context=8192), vllm)
    draft = step_model(load_model("llama-3.2-1b"), node, Deployment(tensor_parallel=8, max_context=8192), vllm)
    for batch in (batch_of([1000]), batch_of([1000] * 64)):
        wide = model.step(batch.changed(tokens_each=5)).latency_s
        assert round_s(model, batch, 4, draft) == pytest.approx(4 * draft.step(batch).latency_s + wide)
        assert round_s(model, batch, 4) > model.step(batch).latency_s
