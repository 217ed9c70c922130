"""Preemption, priorities, routers and outages: every request against an engine that plays step by step.

All constants are multiples of a power of two, so that sums are exact in any order and times must be equal, not close.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel
from tests.oracles.played import Row, assert_same, jobs, rows_of, simulated
from tests.oracles.step_engine import Fleet, Job

from infermodel.simulation import Horizon, Limits, Outage, one_pool, simulate
from infermodel.simulation.replica.replica import Stepping
from infermodel.tables import REJECTED
from infermodel.workload.lengths import Fixed, Table
from infermodel.workload.traffic import ClosedTraffic, ThinkTime

BASE, SEQUENCE, CONTEXT, TOKEN, PAIR = 2.0**-6, 2.0**-10, 2.0**-20, 2.0**-14, 2.0**-22

OFF_GRID = 2.0**-18


def step_s(contexts: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
    """The toy law, written out: a base, and so much a sequence, a token of context, of prompt, and a pair of them."""
    prompt = sum(new * (TOKEN + PAIR * before) for new, before in chunks)
    return BASE + SEQUENCE * len(contexts) + CONTEXT * sum(contexts) + prompt


def one_base(contexts: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
    """Every step takes the same: arrivals, outages' ends and the steps of all replicas meet on one grid."""
    return BASE


def model(fleet: Fleet) -> AffineModel:
    costs = (BASE,) if fleet.step_s is one_base else (BASE, SEQUENCE, CONTEXT, TOKEN, PAIR)
    return AffineModel(*costs, kv_tokens=fleet.blocks * fleet.block, block_tokens=fleet.block)


# Gaps that are multiples of a step's base meet step boundaries exactly; zero gaps are bursts.
gaps = st.integers(0, 24).map(lambda steps: steps * BASE / 4) | st.sampled_from([0.0, 0.0, BASE])
tight_fleets = st.builds(
    Fleet,
    st.sampled_from([step_s, one_base]),
    seats=st.integers(1, 8),
    budget=st.integers(8, 60),
    blocks=st.integers(20, 40),
    block=st.just(4),
    queue=st.sampled_from(["fcfs", "priority"]),
    chunked=st.booleans(),
    ahead=st.booleans(),
    reserves=st.booleans(),
)


def check(rows: list[Row], fleet: Fleet, stepping: Stepping = "leap", **more: object) -> list[Job]:
    """Play both. With a shared queue, a request that comes in the instant in which an idle and a busy replica could
    both take it may go to either: there, no request comes on the grid of steps.
    """
    if fleet.router == "shared_queue":
        rows = [(at + OFF_GRID * number, *rest) for number, (at, *rest) in enumerate(rows, 1)]
    served = jobs(rows)
    fleet.play(served)
    assert_same(simulated(rows, model(fleet), fleet, stepping=stepping, **more), served)
    return served


@settings(max_examples=150, deadline=None)
@given(rows_of(gaps, 40, priorities=2), tight_fleets, st.sampled_from(["leap", "every"]))
def test_preemption_by_recomputation(rows: list[Row], fleet: Fleet, stepping: Stepping) -> None:
    check(rows, fleet, stepping)


def test_the_draws_do_preempt() -> None:
    """Twelve requests of 8 + 40 tokens on 20 blocks of 4: the test above would prove nothing without preemptions."""
    fleet = Fleet(step_s, seats=8, budget=60, blocks=20, block=4)
    served = check([(0.0, 8, 40, 0)] * 12, fleet)
    assert sum(job.preemptions for job in served) >= 8


@settings(max_examples=100, deadline=None)
@given(
    rows_of(gaps, 40, priorities=2),
    tight_fleets,
    st.integers(2, 5),
    st.sampled_from(["round_robin", "least_outstanding", "shared_queue"]),
    st.sampled_from(["leap", "every"]),
)
def test_several_replicas(rows: list[Row], fleet: Fleet, replicas: int, router: str, stepping: Stepping) -> None:
    check(rows, replace(fleet, replicas=replicas, router=router), stepping)


@settings(max_examples=100, deadline=None)
@given(
    rows_of(gaps, 40, priorities=2),
    tight_fleets,
    st.sampled_from(["round_robin", "least_outstanding", "shared_queue"]),
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=3),
    st.integers(1, 3),
)
def test_outages(rows: list[Row], fleet: Fleet, router: str, spans: list[tuple[int, int]], systems: int) -> None:
    """Systems of two replicas; each goes down at most once, also all at a time, at no request's arrival."""
    planned = [
        (number, at * BASE - OFF_GRID * (number + 1), length * BASE)
        for number, (at, length) in enumerate(spans[:systems])
    ]
    lines = [(at, at + length, (2 * number, 2 * number + 1)) for number, at, length in planned]
    outages = tuple(Outage(number, at, length) for number, at, length in planned)
    check(rows, replace(fleet, replicas=2 * systems, router=router, outages=lines), systems=systems, outages=outages)


def test_an_outage_by_hand() -> None:
    """One replica, steps of 1/64 s: the prompt takes step 1, tokens 2 to 5 end at 2/64 ... 5/64.

    Down at 3.5/64, up at 13.5/64: tokens 1 to 3 stand; 10 + 3 tokens are computed again in one step, which gives token
    4 at 14.5/64; token 5 at 15.5/64.
    """
    fleet = Fleet(lambda contexts, chunks, finishing: BASE, 4, 64, outages=[(3.5 * BASE, 13.5 * BASE, (0,))])
    served = jobs([(0.0, 10, 5, 0)])
    fleet.play(served)
    assert (served[0].first, served[0].last) == (1 * BASE, 15.5 * BASE)
    table = simulated([(0.0, 10, 5, 0)], AffineModel(BASE), fleet, outages=(Outage(0, 3.5 * BASE, 10 * BASE),))
    assert_same(table, served)


def test_a_preemption_by_hand() -> None:
    """Two requests of 4 + 5 tokens, three blocks of 4: each starts with one block; step 2 needs two, one is free.

    So the second gives way after its first token, at 1/64 s. The first has tokens at 1 to 5/64 and is done; the second
    computes its 4 + 1 tokens again in step 6, which gives its second token, and has its fifth at 9/64.
    """
    fleet = Fleet(lambda contexts, chunks, finishing: BASE, 4, 64, blocks=3, block=4)
    served = jobs([(0.0, 4, 5, 0)] * 2)
    fleet.play(served)
    assert [job.last for job in served] == [5 * BASE, 9 * BASE]
    assert [job.preemptions for job in served] == [0, 1]
    assert_same(simulated([(0.0, 4, 5, 0)] * 2, AffineModel(BASE, kv_tokens=12, block_tokens=4), fleet), served)


@pytest.mark.parametrize(("router", "replica"), [("round_robin", [0, 1, 0, 1]), ("least_outstanding", [0, 1, 1, 1])])
def test_routers_by_hand(router: str, replica: list[int]) -> None:
    """The first answer takes 32 steps, the others one: at 2, 4 and 6 steps only replica 0 has anything to do."""
    fleet = Fleet(lambda contexts, chunks, finishing: BASE, 4, 64, replicas=2, router=router)
    rows = [(0.0, 10, 32, 0), (2 * BASE, 10, 1, 0), (4 * BASE, 10, 1, 0), (6 * BASE, 10, 1, 0)]
    served = jobs(rows)
    fleet.play(served)
    assert [job.machine for job in served] == replica
    assert_same(simulated(rows, AffineModel(BASE), fleet), served)


def test_a_refused_user_comes_back() -> None:
    """Two users, requests of one step each, and about every other prompt too long for the 20 tokens allowed: its sender
    pauses for a second and tries the next request.
    """
    traffic = ClosedTraffic(2, Table((10, 30)), Fixed(1), ThinkTime(0.0))
    spec = one_pool("service", AffineModel(BASE), traffic, Limits(4, 64, 20))
    (record,) = simulate([spec], 3, Horizon(requests=300))
    table = record.requests
    assert len(table) >= 300
    assert (table.status == REJECTED).tolist() == (table.prompt_tokens == 30).tolist()
    answered = np.where(table.status == REJECTED, table.arrived_at + 1.0, table.finished_at)[:300]
    # whoever is free first sends next: the arrivals after the first two are the first answers, in order
    assert table.arrived_at[2:300].tolist() == sorted(answered.tolist())[:298]
