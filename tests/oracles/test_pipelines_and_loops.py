"""Cases whose answer is a formula of one line: deterministic pipelines, closed loops, slots."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.dataflow_cases import ring_of
from tests.kit.toy_models import AffineModel
from tests.oracles.played import Row, rows_of, simulated
from tests.oracles.step_engine import Fleet

from infermodel.cost.stages import Stage
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import ClosedTraffic

BASE = 2.0**-6


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 16)), min_size=1, max_size=4), st.integers(1, 45))
@settings(max_examples=60, deadline=None)
def test_a_deterministic_pipeline(stages: list[tuple[int, int]], sequences: int) -> None:
    """Stages that hold a token for fixed times: latency is their sum, throughput min(n / sum, 1 / slowest).

    At least one prompt of one token joins a round, so all have after 45 rounds; the next 100 tokens are compared.
    """
    ring = ring_of(*(Stage(layers, hold / 16, 0.0) for layers, hold in stages))
    total_s, slowest_s = sum(layers * hold / 16 for layers, hold in stages), max(hold / 16 for _, hold in stages)
    fleet = Fleet(lambda contexts, chunks, finishing: 0.0, seats=100, budget=1000)
    alone = simulated([(0.0, 1, 10, 0)], ring, fleet)
    assert alone.finished_at[0] - alone.first_token_at[0] == 9 * total_s
    short, long = (simulated([(0.0, 1, output, 0)] * sequences, ring, fleet).finished_at[0] for output in (100, 200))
    throughput = min(sequences / total_s, 1 / slowest_s)
    assert 100 * sequences / (long - short) == pytest.approx(throughput, rel=1e-12)


@given(st.integers(1, 30), st.integers(1, 50), st.integers(1, 50), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_closed_loop_runs_at_users_over_cycle(users: int, prompt: int, output: int, cycles: int) -> None:
    """N users without pauses stay in step: T(N) = a prefill step of N prompts and output - 1 decode steps of N."""
    sequence_s, token_s = 2.0**-10, 2.0**-14
    model = AffineModel(BASE, sequence_s, per_prompt_token_s=token_s)
    spec = one_pool("s", model, ClosedTraffic(users, Fixed(prompt), Fixed(output)), Limits(64, 4096, 4096))
    (record,) = simulate([spec], 1, Horizon(requests=users * cycles))
    cycle_s = BASE + users * prompt * token_s + (output - 1) * (BASE + users * sequence_s)
    finished = record.requests.finished_at[: users * cycles]
    assert finished.tolist() == [cycle_s * (1 + number // users) for number in range(users * cycles)]


def slotted(rows: list[Row], seats: int, slot_s: float) -> list[float]:
    """Ends of requests of `output` slots each; at every boundary free seats are taken in order of arrival."""
    free_at, ends, start = [0.0] * seats, [], 0.0
    for arrived, _, output, _ in rows:
        busy = [end for end in free_at if end > arrived]
        if not busy:  # idle: the slots begin anew with this request
            start = arrived
        boundary = start + slot_s * -((start - arrived) // slot_s)
        seat = min(range(seats), key=lambda each: free_at[each])
        ends.append(max(boundary, free_at[seat]) + output * slot_s)
        free_at[seat] = ends[-1]
    return ends


@given(rows_of(st.integers(0, 40).map(lambda parts: parts * BASE / 8), 20), st.integers(1, 5))
def test_slotted_batching(rows: list[Row], seats: int) -> None:
    fleet = Fleet(lambda contexts, chunks, finishing: BASE, seats, budget=10_000)
    for stepping in ("leap", "every"):
        table = simulated(rows, AffineModel(BASE), fleet, stepping=stepping)
        assert table.finished_at.tolist() == slotted(rows, seats, BASE)
