"""Clients that do not wait for answers."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from infermodel.simulation.alarm import Alarm, Routine
from infermodel.simulation.clients.way import Way
from infermodel.workload.requests import Requests


def arrivals(requests: Iterator[Requests], way: Way, alarm: Alarm) -> Routine:
    """Send requests whether or not earlier ones are answered. None overtakes another on its way to the scheduler."""
    tally, door, clock, order = way.tally, way.door, way.clock, way.order
    horizon = tally.horizon
    for block in requests:
        number = tally.log.extend(block)
        ways_s = way.ingress_s + way.tokenise_s * block.prompt_tokens
        for arrived_at, way_s in zip(block.arrived_at.tolist(), ways_s.tolist(), strict=True):
            if tally.measured == inf and (
                arrived_at >= horizon.duration_s or (number >= horizon.requests and arrived_at > tally.first_at)
            ):
                tally.close_window(more=True)
            at = arrived_at + way_s
            if at > clock.now:
                alarm.set(at, order)
                yield alarm
            if tally.ended:
                return
            tally.count_in(number)
            door(number)
            number += 1
    if tally.measured == inf:
        tally.close_window(more=False)
