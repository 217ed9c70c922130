"""What routines wait for: alarms at exact absolute times, on one agenda with SimPy's events."""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any, Final

COMPLETE, ARRIVE, START = 1, 2, 3
"""Phases of an instant: replicas complete steps, then requests arrive, then replicas start steps."""

NUMBERS: Final = 20
"""Bits for the number of a service, and as many for that of a replica: a million of each."""

LAST: Final = (1 << NUMBERS) - 1
"""The last number there is, and so the last place of a service within a phase."""

SIMPYS_OWN: Final = 1
"""Events with at most this order are SimPy's own: a process begins, or goes on."""

Routine = Generator["Alarm", None, None]
"""A generator that waits for its alarm and for nothing else: what goes on for each step, or for each request."""


def order_of(phase: int, service: int = 0, replica: int = 0) -> int:
    """Order within an instant: by phase, then by service, then by replica, so that ties never depend on who asked
    first. SimPy's own events (0 and 1) come before.

    Raises:
        ValueError: a number has no room, so that orders would mix.

    >>> order_of(COMPLETE, 0, 99_999) < order_of(COMPLETE, 1, 0) < order_of(ARRIVE, 0, 0)
    True
    """
    if service >> NUMBERS or replica >> NUMBERS:
        raise ValueError(f"service {service}, replica {replica}: at most {1 << NUMBERS} of each have an order")
    return (phase << 2 * NUMBERS) + (service << NUMBERS) + replica


class Agenda:
    """What is to come, SimPy's own events among it, and a number for each entry in order of asking.

    Attributes:
        entries: heap of (time, order within the instant, number, alarm or event).
        scheduled: entries put on it so far, superseded ones included.
    """

    __slots__ = ("entries", "scheduled")

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.scheduled = 0

    def put(self, time: float, order: int, event: object) -> int:
        """Something more is to come; returns its number."""
        self.scheduled = number = self.scheduled + 1
        heappush(self.entries, (time, order, number, event))
        return number


class Alarm:
    """The event that a routine waits for, again and again; setting it anew replaces the earlier time.

    Times are absolute: a delay would be added to now and rounded once more, and a leap over a hundred steps would then
    end an ulp beside the hundredth step. And SimPy makes an event for each wait and goes on through its list of
    callbacks, which costs four times as much.
    """

    __slots__ = ("_agenda", "resume", "ticket")

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self.ticket = -1  # of the one entry on the agenda that rings; earlier ones have been superseded

    def start(self, routine: Routine) -> None:
        """From now on `routine` waits for this alarm; it runs up to its first wait at once."""
        self.resume: Callable[[], object] = routine.__next__
        next(routine, None)

    def set(self, time: float, order: int) -> None:
        """Ring at `time` (not before now) instead of any other time; alarms of one time ring by ascending `order`."""
        agenda = self._agenda
        agenda.scheduled = self.ticket = ticket = agenda.scheduled + 1
        heappush(agenda.entries, (time, order, ticket, self))

    def unset(self) -> None:
        """Do not ring."""
        self.ticket = -1


def ring_in_turn(agenda: list[Any], clock: Any) -> None:
    """Let alarms ring one after the other, and set the clock to each, until the agenda has one of SimPy's own events.

    Raises:
        StopIteration: a routine has ended; the others can go on.
    """
    while agenda:
        next_one: tuple[float, int, int, Any] = heappop(agenda)
        time, order, ticket, event = next_one
        if order <= SIMPYS_OWN:
            heappush(agenda, next_one)
            return
        alarm: Alarm = event
        if alarm.ticket == ticket:
            clock.now = time
            alarm.resume()
