"""Clients that do not wait for answers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import inf

from simpy.events import Event

from infermodel.simulation.alarm import Alarm, Routine
from infermodel.simulation.clients.way import Generator, Way
from infermodel.workload.requests import Requests


def open_generator(blocks: Iterator[Requests], way: Way) -> Generator:
    """Send requests whether or not earlier ones are answered, to the last one."""
    yield from send_all(blocks, way)
    way.tally.close_window(more=False)


def send_all(blocks: Iterator[Requests], way: Way) -> Generator:
    """Send one block after the other."""
    for block in blocks:
        sent = way.clock.event()
        way.start(partial(send_block, block=block, way=way, sent=sent))
        yield sent


def send_block(alarm: Alarm, block: Requests, way: Way, sent: Event) -> Routine:
    """Send each request when its time comes. None overtakes another on its way to the scheduler."""
    tally, door, clock, order = way.tally, way.door, way.clock, way.order
    duration_s, most = tally.horizon.duration_s, tally.horizon.requests
    number = tally.log.extend(block)
    comes_at = block.arrived_at + (way.ingress_s + way.tokenise_s * block.prompt_tokens)
    for arrived_at, at in zip(block.arrived_at.tolist(), comes_at.tolist(), strict=True):
        if tally.measured == inf and (arrived_at >= duration_s or (number >= most and arrived_at > tally.first_at)):
            tally.close_window(more=True)
        if at > clock.now:
            alarm.set(at, order)
            yield alarm
        if tally.ended:
            return
        tally.count_in(number)
        door(number)
        number += 1
    sent.succeed()
