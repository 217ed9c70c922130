"""What must not change, or must change in a known way, when the question is asked differently."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.kit.few_requests import bits, draws, requests
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.simulation.pool.load import LoadIndex
from infermodel.simulation.pool.router import ROUTERS
from infermodel.simulation.pool.unread import Unread
from infermodel.simulation.replica.queues import QUEUES
from infermodel.tables import RequestTable
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Uniform
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import OpenTraffic, TraceTraffic

Drawn = tuple[list[float], list[int], list[int]]
SCARCE = Limits(max_sequences=6, max_batched_tokens=40, max_context=200)
COSTS = (0.0123456789, 1e-4, 1.1e-6, 3.3e-5, 1e-8)
TIMES = ("arrived_at", "admitted_at", "first_scheduled_at", "first_token_at", "last_token_at", "finished_at")


def played(trace: Requests, scale: float = 1.0, replicas: int = 2) -> RequestTable:
    model = AffineModel(*(scale * cost for cost in COSTS), kv_tokens=16 * 20)
    spec = one_pool("s", model, TraceTraffic(trace), SCARCE, replicas=replicas)
    return simulate([spec], 1, Horizon())[0].requests


@settings(max_examples=60, deadline=None)
@given(draws)
def test_half_the_second_gives_twice_the_numbers_bit_for_bit(drawn: Drawn) -> None:
    arrivals, prompts, outputs = drawn
    once = played(requests(arrivals, prompts, outputs))
    twice = played(requests([2 * at for at in arrivals], prompts, outputs), scale=2.0)
    for name in TIMES:
        assert (2 * getattr(once, name)).tobytes() == getattr(twice, name).tobytes()
    assert once.replica.tolist() == twice.replica.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(1, 30))
@example(454, 26.0)
def test_a_run_replayed_from_its_own_requests_is_the_same_run(seed: int, rate: float) -> None:
    traffic = OpenTraffic(Poisson(rate), Uniform(1, 60), Uniform(1, 60))
    spec = one_pool("s", AffineModel(*COSTS, kv_tokens=16 * 20), traffic, SCARCE, replicas=2)
    # A run waits for its measured requests only so long, a trace as long as it takes: here both wait for all.
    first = simulate([spec], seed, Horizon(requests=40, drain_s=1e6))[0].requests
    again = played(requests(first.arrived_at.tolist(), first.prompt_tokens.tolist(), first.output_tokens.tolist()))
    measured = first.finished_at[:40]
    # A trace ends: requests after the measured ones that the first run did not wait for are finished in the second.
    assert measured.tobytes() == again.finished_at[:40].tobytes()
    assert first.first_token_at[:40].tobytes() == again.first_token_at[:40].tobytes()


@settings(max_examples=40, deadline=None)
@given(draws, draws)
def test_a_service_beside_another_changes_nothing(drawn: Drawn, beside: Drawn) -> None:
    ours, theirs = TraceTraffic(requests(*drawn)), TraceTraffic(requests(*beside))
    spec = one_pool("ours", AffineModel(*COSTS), ours, SCARCE)
    other = one_pool("theirs", AffineModel(*COSTS), theirs, SCARCE)
    (alone,) = simulate([spec], 1, Horizon())
    _, together = simulate([other, spec], 1, Horizon())
    assert bits(alone.requests) == bits(together.requests)


@settings(max_examples=60, deadline=None)
@given(draws, draws, st.integers(0, 8), st.sampled_from(["least_outstanding", "shared_queue"]))
def test_a_trace_split_where_nobody_is_there_is_two_runs(early: Drawn, late: Drawn, idle: int, router: str) -> None:
    """All times are multiples of 2^-20 s, so that a clock that starts later changes no bit."""
    model = AffineModel(2.0**-6, 2.0**-10, 2.0**-20, 2.0**-14, 2.0**-20, kv_tokens=16 * 20)

    def on_grid(times: list[float]) -> list[float]:
        return [round(at * 256) / 256 for at in times]

    def part(trace: Requests, from_s: float, to_s: float | None) -> RequestTable:
        traffic = TraceTraffic(trace, from_s=from_s, to_s=to_s)
        return simulate([one_pool("s", model, traffic, SCARCE, replicas=2, router=router)], 1, Horizon())[0].requests

    first = requests(on_grid(early[0]), *early[1:])
    ended = part(first, 0.0, None).finished_at.max()
    cut = float(np.ceil(ended * 256) / 256) + idle / 256
    arrivals = on_grid(early[0]) + [cut + at for at in on_grid(late[0])]
    whole = requests(arrivals, early[1] + late[1], early[2] + late[2])
    together, before, after = part(whole, 0.0, None), part(whole, 0.0, cut), part(whole, cut, None)
    assert (len(before), len(after)) == (len(early[0]), len(late[0]))
    for name in TIMES:
        times = np.concatenate([getattr(before, name), getattr(after, name) + cut])
        assert times.tobytes() == getattr(together, name).tobytes(), name
    assert together.preemptions.tolist() == [*before.preemptions.tolist(), *after.preemptions.tolist()]


@settings(max_examples=60, deadline=None)
@given(draws, st.integers(0, 59), st.integers(1, 30))
def test_nobody_knows_how_long_an_answer_will_be(drawn: Drawn, which: int, more: int) -> None:
    """A longer answer changes nothing that happens before the shorter one would have ended."""
    arrivals, prompts, outputs = drawn
    which %= len(outputs)
    longer = [tokens + more * (number == which) for number, tokens in enumerate(outputs)]
    short, long = played(requests(*drawn)), played(requests(arrivals, prompts, longer))
    end = short.finished_at[which]
    for name in TIMES[1:]:
        before = getattr(short, name) < end
        assert getattr(short, name)[before].tobytes() == getattr(long, name)[before].tobytes(), name


def test_queues_and_routers_are_shown_no_length_of_an_answer() -> None:
    """What their protocols name is all that they need; there is no output in it. What is shown anew stands here."""
    columns = SimpleNamespace(priority=[0, 0], prompt_tokens=[30, 4], keys={}, sessions={1: 5})
    for discipline in QUEUES.values():
        queue = discipline.queue(columns)
        for request in (0, 1):
            queue.push(request)
        assert [queue.take(), queue.take()] == [0, 1]
        queue.give_back(1)
        assert queue.head() == 1
        assert discipline.victim([0, 1], columns.priority) == 1
    view = SimpleNamespace(
        load=LoadIndex(1),
        random=np.random.default_rng(1),
        turn=7,
        unread=Unread(1),
        homes={},
        up=range(1),
        columns=columns,
        kv_used=lambda _: 0.5,
        kv_tokens=lambda _: 100,
        cached_tokens=lambda _, request: 0,
    )
    assert [router(1, view) for router in ROUTERS.values()] == [0] * len(ROUTERS)
