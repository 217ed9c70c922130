"""Who starts and stops replicas: a process that looks at its pool every so often, or at each request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence

import numpy as np
from simpy.events import Event

from infermodel.simulation.alarm import ARRIVE, LAST, Alarm, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.pool.standing import Standing
from infermodel.simulation.replica.replica import Replica
from infermodel.simulation.scaling import ScalingSpec, Seen, wanted
from infermodel.simulation.tally import Tally


class Scaler:
    """Keeps as many replicas of a pool as its rule asks for.

    Args:
        spec: the rule.
        standing: whose replicas.
        replicas: by number.
        waiting: how many requests wait for them.
        random: what start-up times are drawn from.
        clock, tally: of the simulation.
        service: its number.
    """

    def __init__(
        self,
        spec: ScalingSpec,
        standing: Standing,
        replicas: Sequence[Replica],
        waiting: Callable[[], int],
        random: np.random.Generator,
        clock: Clock,
        tally: Tally,
        service: int,
    ) -> None:
        self._spec, self._standing, self._replicas, self._waiting = spec, standing, replicas, waiting
        self._random, self._clock, self._tally = random, clock, tally
        self._asked: deque[tuple[float, int]] = deque()  # of a cooldown: when most was wanted, after that, and so on
        self._busy_s = [0.0] * len(replicas)  # of each, at the last look
        self._looked_at = 0.0
        self._starts: dict[int, int] = {}  # replicas that are starting, in order, with the number of the start-up
        self._started = 0
        self._alarm = Alarm(clock.agenda)
        self._alarm.resume = self._settle
        self._order = order_of(ARRIVE, service, LAST)  # after all arrivals of the service
        if spec.interval_s:
            clock.process(self.looks())

    def looks(self) -> Generator[Event, None, None]:
        """Look at the pool every so often."""
        number = 0
        while True:
            number += 1
            yield self._clock.at(number * self._spec.interval_s, self._order)
            if self._tally.ended:
                return
            self._adjust()

    def changed(self) -> None:
        """A request has come or ended: look when all else of this instant has happened."""
        if not self._spec.interval_s or self._standing.count("draining"):
            self._alarm.set(self._clock.now, self._order)

    def _settle(self) -> None:
        self._standing.stop_empty()
        if not self._spec.interval_s:
            self._adjust()

    # ---- what is wanted -------------------------------------------------------------------------------------------

    def _seen(self) -> Seen:
        """The pool as it is now."""
        now, standing, replicas = self._clock.now, self._standing, self._replicas
        lasted_s, waiting = now - self._looked_at, self._waiting()
        busy_s = [each.busy_s_by(now) for each in replicas]
        gained_s = sum([max(0.0, new - old) for new, old in zip(busy_s, self._busy_s, strict=True)])
        self._busy_s, self._looked_at = busy_s, now
        return Seen(
            replicas=standing.count("up", "starting"),
            busy=gained_s / lasted_s if lasted_s else 0.0,
            in_flight=waiting + sum([each.running + each.awaited for each in replicas]),
            waiting=waiting,
            kv_used=sum([each.kv_blocks_used / each.kv_blocks for each in replicas]),
        )

    def _adjust(self) -> None:
        """Start and stop replicas until there are as many as wanted; fewer only if fewer were for a cooldown."""
        now, seen = self._clock.now, self._seen()
        asked, kept = wanted(self._spec, seen, now), self._asked
        self._starts = {each: n for each, n in self._starts.items() if self._standing.state[each] == "starting"}
        while kept and kept[0][0] <= now - self._spec.cooldown_s:
            kept.popleft()
        while kept and kept[-1][1] <= asked:
            kept.pop()
        kept.append((now, asked))
        if asked > seen.replicas:
            for number in self._standing.startable()[: asked - seen.replicas]:
                self._start(number)
            return
        for _ in range(seen.replicas - kept[0][1]):
            if self._starts:
                self._standing.give_up(self._starts.popitem()[0])
            else:
                self._standing.drain(self._standing.fewest_requests())
        self._standing.stop_empty()

    # ---- starting -------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        """A replica starts; it serves when its start-up is over, unless it is not wanted any more."""
        self._standing.start(number)
        self._started += 1
        self._starts[number] = start = self._started
        ready_at = self._clock.now + self._spec.start_up.draw(self._random)
        self._clock.call_at(ready_at, self._order, lambda: self._ready(number, start))

    def _ready(self, number: int, start: int) -> None:
        is_wanted = self._standing.state[number] == "starting" and self._starts.get(number) == start
        if is_wanted and not self._tally.ended:
            del self._starts[number]
            self._standing.serve(number)
