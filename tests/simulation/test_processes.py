"""What is a process of SimPy: each system, each generator of requests, each outage, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from types import GeneratorType
from typing import Any

import pytest
from simpy.events import Event, Process
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, Outage, one_pool, simulate
from infermodel.simulation.clock import Clock
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed
from infermodel.workload.sessions import Chain, SessionTraffic
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime, Traffic

LIMITS = Limits(8, 256, 4096)

Routine = Generator[Event, Any, None]


@pytest.mark.parametrize(
    ("traffic", "generator"),
    [
        (OpenTraffic(Poisson(20.0), Fixed(50), Fixed(10)), "open_generator"),
        (ClosedTraffic(12, Fixed(50), Fixed(10), ThinkTime(0.1)), "generator"),
        (SessionTraffic(Poisson(8.0), Fixed(50), Chain(Fixed(2), Fixed(10), Fixed(5), ThinkTime(0.5))), "generator"),
    ],
)
def test_one_process_a_system_one_a_generator_one_an_outage(
    traffic: Traffic | SessionTraffic, generator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: Counter[str] = Counter()

    def counted(clock: Clock, routine: GeneratorType[Event, Any, None]) -> Process:
        name = getattr(routine, "__name__", type(routine).__name__)  # the latter compiled: generator_Users_gen
        started[next(each for each in ("system", generator, "outage") if name.startswith(each))] += 1
        return Process(clock, routine)

    monkeypatch.setattr(Clock, "process", counted)
    outages = Outage(0, 0.5, 0.2), Outage(0, 0.6, 0.2), Outage(2, 0.1, 0.3)
    fleet = one_pool("a", AffineModel(0.001), traffic, LIMITS, replicas=5, systems=3, outages=outages)
    lone = one_pool("b", AffineModel(0.001), traffic, LIMITS)
    simulate([fleet, lone], 3, Horizon(requests=100))
    assert started == {"system": 3 + 1, generator: 2, "outage": 3}


def test_a_failed_process_ends_the_run_with_its_error() -> None:
    clock = Clock()

    def fails() -> Routine:
        yield clock.timeout(1.5)
        raise ZeroDivisionError("of a process")

    clock.process(fails())
    with pytest.raises(ZeroDivisionError, match="of a process"):
        clock.run(clock.event())
    assert clock.now == 1.5


def test_events_come_before_alarms_of_their_instant_and_at_their_exact_time() -> None:
    clock, order = Clock(), []

    def waits() -> Routine:
        yield clock.at(0.1 + 0.2, 7)
        order.append(("process", clock.now))
        yield clock.timeout(0.0)
        order.append(("timeout", clock.now))

    clock.process(waits())
    clock.call_at(0.1 + 0.2, 8, lambda: order.append(("later alarm", clock.now)))
    clock.call_at(0.1 + 0.2, 6, lambda: order.append(("earlier alarm", clock.now)))
    clock.run_to(1.0)
    at = 0.30000000000000004
    assert order == [("earlier alarm", at), ("process", at), ("timeout", at), ("later alarm", at)]
    assert (clock.now, clock.peek()) == (1.0, float("inf"))
