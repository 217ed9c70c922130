"""Failures and scaling against what queueing and reliability theory say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.kit.drawn_services import bits
from tests.kit.few_requests import requests
from tests.kit.toy_models import AffineModel

from infermodel.metrics.confidence import of_independent
from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, Outage, ServiceSpec, one_pool, simulate
from infermodel.simulation.lifetimes import DrawnTime, FailureSpec, RackSpec, TimeLaw
from infermodel.simulation.pool.shared_queue import SharedQueue
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.queues import QUEUES
from infermodel.simulation.scaling import ScalingSpec
from infermodel.simulation.spec import FrontEndSpec
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed, Geometric
from infermodel.workload.traffic import OpenTraffic, TraceTraffic

STEP_S = 2.0**-8
FIRST_RACK_FAILS = 2
"""A seed by which the first of two racks fails, and the other does not."""
ONE_SEAT = Limits(1, 100_000, 100_000)


def queue(
    arrival_rate: float,
    service_s: float,
    replicas: int = 1,
    systems: int = 1,
    router: str = "least_outstanding",
    outages: tuple[Outage, ...] = (),
    failures: FailureSpec | None = None,
    scaling: ScalingSpec | None = None,
) -> ServiceSpec:
    """Servers of one seat: an answer ends after each step with the same probability."""
    traffic = OpenTraffic(Poisson(arrival_rate), Fixed(1), Geometric(service_s / STEP_S))
    return one_pool(
        "queue", AffineModel(STEP_S, kv_tokens=1 << 20), traffic, ONE_SEAT, replicas, systems, router=router,
        outages=outages, failures=failures, scaling=scaling,
    )  # fmt: skip


def played(spec: ServiceSpec, count: int, seed: int = 1) -> ServiceRecord:
    (record,) = simulate([spec], seed, Horizon(requests=count))
    check_laws(record)
    return record


def is_the_mean_time(spec: ServiceSpec, expected_s: float, count: int = 1_200, runs: int = 6) -> None:
    """Means of independent runs, started empty, enclose what theory says, and tell it from 15 % more or less."""
    means = []
    for seed in range(runs):
        table = played(spec, count, seed).requests
        later = slice(count // 10, count)
        means.append(float((table.finished_at - table.arrived_at)[later].mean()))
    interval = of_independent(means, 0.99)
    assert interval.low < expected_s < interval.high
    assert interval.half_width < 0.15 * expected_s


@pytest.mark.slow
def test_one_server_with_breakdowns_is_that_of_avi_itzhak_and_naor() -> None:
    """M/M/1 whose server fails also when idle and resumes (Avi-Itzhak and Naor, 1963, model A). With failures at rate
    f and repairs at rate r, a = r / (f + r), the balance equations of both states give
    E[T] = (1/a + f l / r^2) / (m - l/a) + a f / r^2.
    """
    arrivals, service, fails, repairs = 0.3, 1.0, 1 / 8, 1 / 2
    up = repairs / (fails + repairs)
    expected_s = (1 / up + fails * arrivals / repairs**2) / (service - arrivals / up) + up * fails / repairs**2
    failures = FailureSpec(DrawnTime(1 / fails), DrawnTime(1 / repairs))
    is_the_mean_time(queue(arrivals, 1 / service, failures=failures), expected_s)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["fixed", "exponential"])
def test_one_server_that_is_set_up_is_that_of_welch(law: TimeLaw) -> None:
    """M/G/1 whose server stops when idle and takes D to start (Welch, 1964):
    E[T] = E[T without] + (2 E[D] + l E[D^2]) / (2 (1 + l E[D])).
    """
    arrivals, mean_s = 0.3, 4.0
    square = mean_s**2 * (2 if law == "exponential" else 1)
    expected_s = 1 / (1 - arrivals) + (2 * mean_s + arrivals * square) / (2 * (1 + arrivals * mean_s))
    scaling = ScalingSpec(0, 1, "in_flight", 1.0, 0.0, 0.0, DrawnTime(mean_s, law), 0.0)
    is_the_mean_time(queue(arrivals, 1.0, scaling=scaling), expected_s)


def chain_of_servers_that_are_set_up(arrivals: float, starts: float, servers: int, most: int) -> tuple[float, float]:
    """M/M/k with set-up (Gandhi, Doroudi, Harchol-Balter and Scheller-Wolf, 2013), service rate 1: mean time in the
    system and mean number of servers that are on, from the balance equations of the chain of (servers on, jobs).
    """
    number = {}
    for on in range(servers + 1):
        for jobs in range(on, most + 1):
            number[on, jobs] = len(number)
    rates = np.zeros((len(number), len(number)))
    for (on, jobs), row in number.items():
        if jobs < most:
            rates[row, number[on, jobs + 1]] += arrivals
        if on:
            rates[row, number[min(on, jobs - 1), jobs - 1]] += on
        if on < servers and jobs > on:
            rates[row, number[on + 1, jobs]] += starts * (min(jobs, servers) - on)
    balance = (rates - np.diag(rates.sum(axis=1))).T
    balance[-1] = 1.0
    shares = np.linalg.solve(balance, np.eye(len(number))[-1])
    mean_jobs = sum(shares[row] * jobs for (_, jobs), row in number.items())
    return mean_jobs / arrivals, sum(shares[row] * on for (on, _), row in number.items())


@pytest.mark.slow
def test_servers_that_are_set_up_are_those_of_gandhi() -> None:
    expected_s, on = chain_of_servers_that_are_set_up(1.5, 0.25, 4, 80)
    assert on == pytest.approx(1.5)  # every job takes a second of one of them
    scaling = ScalingSpec(0, 4, "in_flight", 1.0, 0.0, 0.0, DrawnTime(4.0), 0.0)
    spec = queue(1.5, 1.0, replicas=4, router="shared_queue", scaling=scaling)
    is_the_mean_time(spec, expected_s)


FAILS_S, REPAIR_S = 40.0, 10.0


def shares_up(spec: ServiceSpec, seed: int) -> np.ndarray:
    """Shares of a long time in which so many replicas were up."""
    record = played(spec, 300, seed)
    states = record.pool.states
    assert states is not None
    up = states.state == "up"
    moments = np.concatenate([[0.0], states.start_s[up], states.end_s[up], [record.ended_at]])
    change = np.concatenate([[0], np.repeat([1, -1], up.sum()), [0]])
    order = np.argsort(moments, kind="stable")
    count, lasted = np.cumsum(change[order])[:-1], np.diff(moments[order])
    count = count[lasted > 0]
    lasted = lasted[lasted > 0]
    return np.bincount(count, lasted, minlength=record.pool.replicas + 1) / lasted.sum()


def is_the_share(spec: ServiceSpec, expected: Sequence[float]) -> None:
    """Shares of time with none, one and more replicas up, of independent runs, enclose what theory says."""
    found = np.array([shares_up(spec, seed) for seed in range(6)])
    for column, share in zip(found.T, expected, strict=True):
        interval = of_independent(column.tolist(), 0.995)
        assert interval.low < share < interval.high
    middle = len(expected) - 1
    assert of_independent(found[:, middle].tolist()).half_width < 0.03


@pytest.mark.slow
def test_systems_are_up_as_long_as_they_last_over_that_and_the_repair() -> None:
    failures = FailureSpec(DrawnTime(FAILS_S, "weibull", 2.0), DrawnTime(REPAIR_S, "fixed"))
    spec = queue(0.02, 0.02, replicas=3, systems=3, failures=failures)
    up = FAILS_S / (FAILS_S + REPAIR_S)  # 0.8
    is_the_share(spec, [(1 - up) ** 3, 3 * (1 - up) ** 2 * up, 3 * (1 - up) * up**2, up**3])


@pytest.mark.slow
def test_spares_are_births_and_deaths() -> None:
    """Two places and a cold spare: with n systems under repair min(2, 3 - n) work and fail, and n are repaired."""
    failures = FailureSpec(DrawnTime(FAILS_S), DrawnTime(REPAIR_S), spares=1)
    spec = queue(0.02, 0.02, replicas=2, systems=2, failures=failures)
    # shares of n = 0, 1, 2, 3: 1, 2 x 1/4, 2 x 1/4 x 2/4 / 2, that x 1/4 / 3; together 1.6354
    weights = np.array([1, 0.5, 0.125, 0.125 / 12])
    shares = weights / weights.sum()
    is_the_share(spec, [shares[3], shares[2], shares[0] + shares[1]])


@pytest.mark.slow
def test_racks_are_up_as_long_as_they_last_whatever_their_systems_do() -> None:
    rack = RackSpec(2, DrawnTime(FAILS_S), DrawnTime(REPAIR_S))
    failures = FailureSpec(DrawnTime(FAILS_S), DrawnTime(REPAIR_S), rack=rack)
    up = 0.8
    both, one = up**3, 2 * up**2 * (1 - up)  # the rack is up, and so are its systems, or one of them
    is_the_share(queue(0.02, 0.02, replicas=2, systems=2, failures=failures), [1 - both - one, one, both])


def test_a_rack_goes_down_with_all_its_systems() -> None:
    """Racks of two and of one fail 40 s after they were repaired, for 20 s; systems every 130 s, for 10 s."""
    rack = RackSpec(2, DrawnTime(40.0, "fixed"), DrawnTime(20.0, "fixed"))
    failures = FailureSpec(DrawnTime(130.0, "fixed"), DrawnTime(10.0, "fixed"), rack=rack)
    states = played(queue(0.5, 0.02, replicas=3, systems=3, failures=failures), 120).pool.states
    assert states is not None
    for replica in range(3):
        down = (states.replica == replica) & (states.state == "down")
        assert states.start_s[down][:4].tolist() == [40, 100, 130, 160]
        assert states.end_s[down][:4].tolist() == [60, 120, 140, 180]


def test_what_a_rack_loses_is_sent_to_another_at_once() -> None:
    """A request of 400 steps of a second on the first of four replicas, whose rack fails: it passes one API server, an
    eighth of a second, and goes on from the tokens that it has in the other rack.
    """
    rack = RackSpec(2, DrawnTime(300.0), DrawnTime(1e6))
    spec = one_pool(
        "s", AffineModel(1.0), TraceTraffic(requests([0.0], [1], [400])), Limits(8, 1000, 1000), replicas=4, systems=4,
        failures=FailureSpec(DrawnTime(1e9), DrawnTime(1.0), rack=rack), front_end=FrontEndSpec(1, 0.125, 0.0, 0.0),
    )  # fmt: skip
    record = played(spec, 1, FIRST_RACK_FAILS)
    states = record.pool.states
    assert states is not None
    down = states.state == "down"
    assert states.replica[down].tolist() == [0, 1]
    failed_at, together = states.start_s[down].tolist()
    assert failed_at == together
    had = int(failed_at - 0.125)
    assert record.requests.finished_at.tolist() == pytest.approx([failed_at + 0.125 + 400 - had])


def test_a_spare_takes_over_when_it_is_told_to() -> None:
    """Systems fail every 100 s, are repaired in 1,000 s, and two spares take 5 s to take over."""
    failures = FailureSpec(DrawnTime(100.0, "fixed"), DrawnTime(1000.0, "fixed"), 1, 2, DrawnTime(5.0, "fixed"))
    states = played(queue(0.5, 0.02, failures=failures), 800).pool.states
    assert states is not None
    down = states.state == "down"
    # both spares are used at 100 and 205 s; at 310 s the first repaired one, back at 1,100 s, is waited for
    assert states.start_s[down][:4].tolist() == pytest.approx([100, 205, 310, 1205])
    assert states.end_s[down][:4].tolist() == pytest.approx([105, 210, 1105, 1210])


def test_a_failure_during_an_outage_does_not_end_with_it() -> None:
    """Down for an outage from 90 to 130 s, and failed from 100 to 150 s: works again at 150 s."""
    failures = FailureSpec(DrawnTime(100.0, "fixed"), DrawnTime(50.0, "fixed"))
    spec = queue(0.5, 0.02, failures=failures, outages=(Outage(0, 90.0, 40.0),))
    states = played(spec, 100).pool.states
    assert states is not None
    assert list(zip(states.state, states.start_s, states.end_s, strict=True))[:2] == [
        ("up", 0.0, 90.0), ("down", 90.0, 150.0)
    ]  # fmt: skip


@pytest.mark.parametrize(("law", "shape"), [("exponential", 1.0), ("weibull", 2.0), ("weibull", 0.7), ("fixed", 1.0)])
def test_the_first_of_four_systems_fails_when_the_law_says(law: TimeLaw, shape: float) -> None:
    failures, random = FailureSpec(DrawnTime(100.0, law, shape), DrawnTime(1.0), systems=4), np.random.default_rng(1)
    interval = of_independent([failures.lasts_s(random) for _ in range(2000)], 0.999)
    assert interval.low <= failures.mean_lasts_s <= interval.high
    assert interval.half_width < 0.2 * failures.mean_lasts_s


def tables(spec: ServiceSpec) -> dict[str, bytes]:
    """All but the states, which only a fleet whose replicas come and go has."""
    return {name: values for name, values in bits(played(spec, 500)).items() if not name.startswith("states")}


def test_as_many_replicas_as_there_are_is_a_fixed_fleet_to_the_bit() -> None:
    spec = queue(2.0, 1.0, replicas=4)
    scaled = replace(spec, pools=(replace(spec.pool, scaling=ScalingSpec(4, 4, "utilisation", 0.5)),))
    assert tables(scaled) == tables(spec)


def test_failures_that_never_come_change_no_bit() -> None:
    spec = queue(2.0, 1.0, replicas=4, systems=2)
    failing = replace(spec, pools=(replace(spec.pool, failures=FailureSpec(DrawnTime(1e9), DrawnTime(1.0))),))
    assert tables(failing) == tables(spec)


def test_replicas_start_and_stop_as_the_rule_says() -> None:
    """Six answers of 100 s come at once to one of two replicas; one look every 10 s, 25 s to start, a cooldown of 30 s.
    At 10 s two are wanted; the second serves from 35 s, when nothing comes any more. It is wanted up to the look at
    90 s, the one at 100 s finds the last step just done: so at 120 s one is enough, and the idle one stops.
    """
    traffic = TraceTraffic(requests([0.0] * 6 + [200.0], [1] * 7, [100] * 7))
    scaling = ScalingSpec(1, 2, "in_flight", 3.0, 0.0, 10.0, DrawnTime(25.0, "fixed"), 30.0)
    spec = one_pool("s", AffineModel(1.0), traffic, Limits(8, 100, 1000), replicas=2, scaling=scaling)
    (record,) = simulate([spec], 1, Horizon())
    states = record.pool.states
    assert states is not None
    rows = list(zip(states.replica, states.state, states.start_s, states.end_s, strict=True))
    assert rows == [
        (0, "up", 0.0, 300.0),
        (1, "off", 0.0, 10.0),
        (1, "starting", 10.0, 35.0),
        (1, "up", 35.0, 120.0),
        (1, "off", 120.0, 300.0),
    ]
    assert record.requests.replica.tolist() == [0] * 7


def test_who_waits_for_a_replica_that_has_left_the_queue_of_all_is_counted() -> None:
    replicas = [SimpleNamespace(scheduler=SimpleNamespace(waiting=SimpleNamespace(queue=None))) for _ in range(2)]
    shared = SharedQueue(lambda: QUEUES["fcfs"].queue(RequestLog()), replicas)
    shared.let_in(0)
    shared.leave(1)
    shared.queue.push(5)
    replicas[1].scheduler.waiting.queue.push(6)  # it gave way there
    assert shared.waiting == 2


def test_who_gives_way_on_a_replica_that_leaves_the_queue_of_all_is_answered_there() -> None:
    """Two seats on each of two replicas, and memory for two answers up to 32 tokens of context: at 17 s one gives way
    on each. The second has been draining since 10 s, so its own goes on there, when the other has its 40 tokens: a
    prompt of 16 + 17 tokens is read and 22 more follow.
    """
    traffic = TraceTraffic(requests([0.0] * 4, [16] * 4, [40] * 4))
    scaling = ScalingSpec(1, 2, "in_flight", 100.0, 0.0, 5.0, cooldown_s=0.0, schedule=((0.0, 2), (8.0, 1)))
    model, limits = AffineModel(1.0, kv_tokens=64), Limits(2, 100, 1000)
    spec = one_pool("s", model, traffic, limits, replicas=2, router="shared_queue", scaling=scaling)
    (record,) = simulate([spec], 1, Horizon(drain_s=1000.0))
    assert record.requests.replica.tolist() == [0, 0, 1, 1]
    assert record.requests.preemptions.tolist() == [0, 1, 0, 1]
    assert record.requests.finished_at.tolist() == [40.0, 63.0, 40.0, 63.0]
