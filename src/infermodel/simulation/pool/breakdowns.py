"""Failures by chance: a process a system, which takes its power when it fails and gives it back when it is replaced,
and one a rack, which does so with all of its systems.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from simpy.events import Event
from simpy.resources.container import Container

from infermodel.simulation.alarm import ARRIVE, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.lifetimes import FailureSpec, RackSpec
from infermodel.simulation.pool.system import System
from infermodel.simulation.streams import Streams
from infermodel.simulation.tally import Tally


def breakdowns(
    spec: FailureSpec, system: System, spares: Container | None, random: np.random.Generator, clock: Clock, tally: Tally
) -> Generator[Event, None, None]:
    """A system works until it fails, and again once it is repaired or a spare has its place, over and over.

    Args:
        spec: how long what takes.
        system: whose power goes.
        spares: that stand by, None: there are none.
        random: this system's own stream.
        clock: of the simulation.
        tally: says when nothing more is of interest.
    """
    while True:
        yield clock.at(clock.now + spec.lasts_s(random), order_of(ARRIVE))
        if tally.ended:
            return
        system.lose_power()
        repaired_at = clock.now + spec.repair.draw(random)
        if spares is None:
            yield clock.at(repaired_at, order_of(ARRIVE))
        else:
            clock.process(repair(repaired_at, spares, clock))
            yield spares.get(1)
            yield clock.at(clock.now + spec.take_over.draw(random), order_of(ARRIVE))
        if tally.ended:
            return
        system.get_power()


def rack_breakdowns(
    spec: RackSpec, systems: Sequence[System], random: np.random.Generator, clock: Clock, tally: Tally
) -> Generator[Event, None, None]:
    """A rack works until it fails with all of its systems, and again once it is repaired, over and over.

    Args:
        spec: how long what takes.
        systems: in the rack.
        random: this rack's own stream.
        clock, tally: of the simulation.
    """
    while True:
        yield clock.at(clock.now + spec.lasts.draw(random), order_of(ARRIVE))
        if tally.ended:
            return
        for system in systems:
            system.cut_off()
        for system in systems:
            system.lose_power()
        yield clock.at(clock.now + spec.repair.draw(random), order_of(ARRIVE))
        if tally.ended:
            return
        for system in systems:
            system.get_power()


def repair(until_s: float, spares: Container, clock: Clock) -> Generator[Event, None, None]:
    """A failed system is repaired, and stands by from then on."""
    yield clock.at(until_s, order_of(ARRIVE))
    yield spares.put(1)


def start_breakdowns(
    spec: FailureSpec | None, systems: Sequence[System], streams: Streams, of: str, clock: Clock, tally: Tally
) -> None:
    """A process for each system, and one for each rack of them.

    Args:
        spec: how long what takes; None: nothing fails.
        systems: of a pool.
        streams: one for each system is drawn from.
        of: which pool, in the names of the streams.
        clock, tally: of the simulation.
    """
    if spec is None:
        return
    spares = Container(clock, init=spec.spares) if spec.spares else None
    for number, system in enumerate(systems):
        random = streams(f"failures of system {number}{of}")
        clock.process(breakdowns(spec, system, spares, random, clock, tally))
    if spec.rack is None:
        return
    first = 0
    for number, size in enumerate(spec.rack.sizes(len(systems))):
        random = streams(f"failures of rack {number}{of}")
        clock.process(rack_breakdowns(spec.rack, systems[first : first + size], random, clock, tally))
        first += size
