"""API servers in front of replicas: requests and tokens wait for their processes."""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel

from infermodel.cost.deployment import Deployment
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.simulation.pool.front_end import FrontEnd
from infermodel.simulation.spec import FrontEndSpec
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Offline, Poisson
from infermodel.workload.lengths import Fixed, Uniform
from infermodel.workload.traffic import OpenTraffic

WIDE = Limits(max_sequences=4096, max_batched_tokens=1 << 20, max_context=4096)
QUICK = AffineModel(base_s=1e-9, kv_tokens=1 << 24)
"""A replica that nobody waits for."""


def play(traffic, front_end: FrontEndSpec | None, model: AffineModel = QUICK, **options) -> ServiceRecord:
    spec = one_pool("service", model, traffic, WIDE, front_end=front_end, **options)
    (record,) = simulate([spec], 1, Horizon(requests=2000))
    return record


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_requests_wait_as_in_a_queue_with_so_many_servers(processes: int) -> None:
    # Each takes whichever server is free first (Kiefer, Wolfowitz, 1955), 10 ms and 10 us a token of its prompt.
    traffic = OpenTraffic(Poisson(80.0 * processes), Uniform(10, 400), Fixed(1))
    record = play(traffic, FrontEndSpec(processes, 0.01, 1e-5, 0.0))
    free_at, seen_at = [0.0] * processes, []
    for arrived_at, prompt in zip(record.requests.arrived_at, record.requests.prompt_tokens, strict=True):
        done_at = max(arrived_at, heappop(free_at)) + 0.01 + 1e-5 * prompt
        heappush(free_at, done_at)
        seen_at.append(done_at)
    assert record.requests.admitted_at[:2000] == pytest.approx(np.array(seen_at[:2000]), abs=1e-9)
    assert record.front_end_processes == processes
    work_s = 0.01 * len(record.requests) + 1e-5 * record.requests.prompt_tokens.sum()
    assert record.front_end_busy_s == pytest.approx(work_s)


def test_poisson_arrivals_at_one_process_wait_as_pollaczek_and_khinchine_say() -> None:
    # M/D/1 at a load of 0.8: mean wait 0.8 / (2 x 0.2) x 10 ms = 20 ms. Of 40,000 requests the mean is within 10 %.
    spec = one_pool(
        "service", QUICK, OpenTraffic(Poisson(80.0), Fixed(10), Fixed(1)), WIDE, front_end=FrontEndSpec(1, 0.01, 0, 0)
    )
    (record,) = simulate([spec], 2, Horizon(requests=40_000))
    waits_s = record.requests.admitted_at - record.requests.arrived_at - 0.01
    assert waits_s[:40_000].mean() == pytest.approx(0.020, rel=0.1)


class Streaming:
    """A replica that puts out ten tokens a second."""

    def tokens_before(self, time: float) -> int:
        return int(time) * 10


def test_tokens_wait_for_each_other() -> None:
    # A step a second. At 1 s the first request has a token, at 2 s, 3 s and 4 s three more, 0.25 s of a process each.
    # A process that nobody else uses has done them long before the next: no token is late.
    alone = play(OpenTraffic(Offline(1), Fixed(10), Fixed(4)), FrontEndSpec(1, 0.0, 0.0, 0.25), AffineModel(base_s=1.0))
    assert (alone.requests.first_token_at[0], alone.requests.last_token_at[0]) == (1.0, 4.0)
    # Eight together: 8 x 0.25 s = 2 s of work a step of 1 s. Tokens that left before 4 s: 3 x 8, 6 s of work, of which
    # the seconds from 1 s on (work comes evenly between looks: at 0 s, 1 s and 4 s) did 3 s: the last are 3 s late.
    eight = play(OpenTraffic(Offline(8), Fixed(10), Fixed(4)), FrontEndSpec(1, 0.0, 0.0, 0.25), AffineModel(base_s=1.0))
    assert eight.requests.first_token_at.tolist() == [1.0] * 8
    assert eight.requests.last_token_at == pytest.approx([7.0] * 8)
    assert eight.front_end_stretch_s == pytest.approx(8 * 3.0)
    # Two processes share the work: 6 s of it, 3 s each, all done by 4 s.
    two = play(OpenTraffic(Offline(8), Fixed(10), Fixed(4)), FrontEndSpec(2, 0.0, 0.0, 0.25), AffineModel(base_s=1.0))
    assert two.requests.last_token_at == pytest.approx([4.0] * 8)


def test_requests_wait_for_tokens_and_tokens_not_for_requests() -> None:
    # Ten at once, a second of a process each: they reach the scheduler 1 s, 2 s ... 10 s after, and each has its only
    # token a step of half a second later, whoever still waits at the door (vLLM's pull request 23696: first tokens of
    # 1,000 requests sent at once to one process come evenly over 6.8 s, 3.4 s on average).
    record = play(OpenTraffic(Offline(10), Fixed(10), Fixed(1)), FrontEndSpec(1, 1.0, 0.0, 0.0), AffineModel(0.5))
    assert record.requests.first_token_at == pytest.approx(np.arange(1, 11) + 0.5)
    # Tokens of 0.5 s each: the first one leaves at 1.5 s, while the second request is half done, which so comes through
    # at 2.5 s and has its token at 3 s; each further one a second and a half later.
    held_up = play(OpenTraffic(Offline(10), Fixed(10), Fixed(1)), FrontEndSpec(1, 1.0, 0.0, 0.5), AffineModel(0.5))
    assert held_up.requests.first_token_at == pytest.approx(1.5 * np.arange(1, 11))
    # 20 tokens of 0.2 s, 4 s of work in 2 s: the next token waits 2 s for them, and a request too, before its own 1 s.
    streaming = FrontEnd(FrontEndSpec(1, 1.0, 0.0, 0.2), [Streaming()])
    assert streaming.delay_s(2.0) == pytest.approx(2.0)
    assert streaming.take(2.0, 100) == pytest.approx(5.0)
    assert streaming.delay_s(2.0) == pytest.approx(2.0)  # and not 3 s


def test_no_time_is_no_front_end_to_the_bit() -> None:
    traffic = OpenTraffic(Poisson(20.0), Uniform(10, 400), Uniform(1, 40))
    model = AffineModel(base_s=0.01, per_context_s=1e-6)
    without, nothing = (
        play(traffic, each, model, replicas=3, systems=2, ingress_s=0.004)
        for each in (None, FrontEndSpec(1, 0.0, 0.0, 0.0))
    )
    for name in ("admitted_at", "first_scheduled_at", "first_token_at", "last_token_at", "replica"):
        assert getattr(without.requests, name).tobytes() == getattr(nothing.requests, name).tobytes()


def test_a_lone_request_pays_what_ingress_says_and_no_more() -> None:
    # 4 ms of ingress and 1,000 x 3 us, of which the front end has 3 ms and the 3 ms of the prompt; then a step of 1 s.
    edges = {"ingress_s": 0.004, "tokenise_s": 3e-6, "egress_s": 0.001}
    record = play(
        OpenTraffic(Offline(1), Fixed(1000), Fixed(1)),
        FrontEndSpec(1, 0.003, 3e-6, 15e-6),
        AffineModel(base_s=1.0, kv_tokens=1 << 12),
        **edges,
    )
    assert record.requests.first_token_at[0] == pytest.approx(0.004 + 0.003 + 1.0 + 0.001, abs=1e-12)


@pytest.mark.parametrize(("of_system", "together"), [(True, 4), (False, 8)])
def test_replicas_have_a_server_each_or_share_that_of_their_system(of_system: bool, together: int) -> None:
    # Eight requests at once on two systems of four replicas each, a second of a process for each: with a server a
    # replica all are through after 1 s, with one a system the four of a system come 1, 2, 3 and 4 s later.
    record = play(
        OpenTraffic(Offline(8), Fixed(10), Fixed(1)), FrontEndSpec(1, 1.0, 0, 0, of_system), replicas=8, systems=2
    )
    expected = [1.0] * 8 if together == 8 else [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]
    assert sorted(record.requests.admitted_at) == pytest.approx(expected)


def test_tokens_are_counted_as_they_leave_whoever_looks_first_in_an_instant() -> None:
    front_end = FrontEnd(FrontEndSpec(1, 0.0, 0.0, 0.05), [Streaming()])
    assert front_end.delay_s(2.0) == 0.0  # 20 tokens, 1 s of work in 2 s
    assert front_end.take(2.0, 100) == 2.0


def test_defaults_follow_the_engine() -> None:
    from infermodel.catalog import load_engine
    from infermodel.simulation.spec import front_end_of

    ranks = Deployment(data_parallel=8)
    old, new, other = (front_end_of(load_engine(name), ranks) for name in ("vllm-0.10", "vllm-0.33", "sglang"))
    assert old is not None
    assert (old.processes, old.of_system) == (1, True)
    assert new is not None
    assert (new.processes, new.of_system) == (8, False)
    assert other is not None
    assert (other.processes, other.of_system) == (1, False)
    assert front_end_of(load_engine("cerebras"), Deployment()) is None
