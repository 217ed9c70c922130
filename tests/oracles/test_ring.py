"""The ring through the simulator: mixed contexts, prompts in idle slots, request by request against its recursion."""

from __future__ import annotations

from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.dataflow_cases import ring_of
from tests.oracles.played import Row, assert_same, jobs, rows_of, simulated
from tests.oracles.step_engine import Fleet

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment
from infermodel.cost.stages import Stage


def ring_fleet(layers: int, turns: float, fixed_s: float, per_context_s: float, share: float, seats: int) -> Fleet:
    """Layers alike: a token with context c holds each for t(c) = fixed + per_context x c, and turns x layers in all.

    A round takes the longer of T(longest) and the slots of all tokens in it. Where nobody decodes, prompts follow each
    other without waiting; the end of one waits for its last token: the slots before it, and then T.
    """

    def token_s(context: int) -> float:
        return fixed_s + per_context_s * context

    def round_s(contexts: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
        busy_s = sum(map(token_s, contexts))
        busy_s += sum(token_s(before + i) for new, before in chunks for i in range(1, new + 1))
        if not contexts and not finishing:
            return busy_s
        longest = max(contexts, default=0)
        if finishing:
            longest = max([longest, *(before + new for new, before in chunks)])
        total_s = turns * layers * token_s(longest)
        return max(total_s, busy_s) if contexts else total_s + busy_s

    def idle_slots(sequences: int, longest: int) -> int:
        slots = floor(turns * layers + 1e-9)
        return max(1, floor(max(0, slots - sequences) + share * max(slots, sequences) + 1e-9))

    return Fleet(round_s, seats, budget=1 << 20, slots=idle_slots)


gaps = st.integers(0, 64).map(lambda parts: parts / 4) | st.just(0.0)


@settings(max_examples=120, deadline=None)
@given(rows_of(gaps, 40), st.integers(1, 12), st.sampled_from([0, 1, 7]), st.integers(1, 40))
def test_every_request_of_a_ring(rows: list[Row], layers: int, per_context: int, seats: int) -> None:
    """Times are multiples of 1/1024 s, so equal means equal."""
    fixed_s, per_context_s = 0.25, per_context / 1024
    fleet = ring_fleet(layers, 1.0, fixed_s, per_context_s, 0.0, seats)
    served = jobs(rows)
    fleet.play(served)
    assert_same(simulated(rows, ring_of(Stage(layers, fixed_s, per_context_s)), fleet), served)


@settings(max_examples=25, deadline=None)
@given(rows_of(st.floats(0, 0.02), 400, most=60))
def test_every_request_of_a_cs_3(rows: list[Row]) -> None:
    """Llama 3.1 8B on one wafer of the catalog; a layer's seconds are asked of the model, the rest is here."""
    deployment = Deployment(devices=1, max_context=8192, max_sequences=256)
    model = step_model(load_model("llama-3.1-8b"), load_system("cs-3"), deployment, load_engine("cerebras"))
    (stage,), share = model.stages, model.prefill_share
    fleet = ring_fleet(32, 33 / 32, stage.fixed_s, stage.per_context_s, share, 256)
    served = jobs(rows)
    fleet.play(served)
    table = simulated(rows, model, fleet)
    assert table.first_token_at == pytest.approx([job.first for job in served], rel=1e-9)
    assert table.finished_at == pytest.approx([job.last for job in served], rel=1e-9)
