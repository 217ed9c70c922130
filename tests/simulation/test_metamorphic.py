"""What must not change, or must change in a known way, when the question is asked differently."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_queueing_recursions import draws, requests
from toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, ServiceSpec, simulate
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
    spec = ServiceSpec("s", model, TraceTraffic(trace), SCARCE, replicas=replicas)
    return simulate([spec], 1, Horizon())[0].requests


def columns(table: RequestTable) -> dict[str, bytes]:
    return {f.name: np.asarray(getattr(table, f.name)).tobytes() for f in dataclasses.fields(table)}


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
    spec = ServiceSpec("s", AffineModel(*COSTS, kv_tokens=16 * 20), traffic, SCARCE, replicas=2)
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
    spec = ServiceSpec("ours", AffineModel(*COSTS), ours, SCARCE)
    other = ServiceSpec("theirs", AffineModel(*COSTS), theirs, SCARCE)
    (alone,) = simulate([spec], 1, Horizon())
    _, together = simulate([other, spec], 1, Horizon())
    assert columns(alone.requests) == columns(together.requests)


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
