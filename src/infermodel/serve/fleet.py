"""A service of a scenario in real time: requests are handed in as they come, tokens come out when the model says so."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

import numpy as np

from infermodel.experiment.run import spec_of
from infermodel.scenario.resolved import ResolvedService
from infermodel.serve.lag import Lag, Lead
from infermodel.simulation.clock import Clock
from infermodel.simulation.service import Service
from infermodel.simulation.spec import Horizon, ServiceSpec
from infermodel.simulation.streams import named_streams
from infermodel.workload.live import LiveTraffic
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import OpenTraffic, TraceTraffic


@dataclass(eq=False)
class Answer:
    """A request under way.

    Attributes:
        prompt_tokens, output_tokens: of the request.
        number: of the request in the simulation.
        sent: tokens that have left for the client; `due_at`: when it is to have the latest; `left_at`: when that was to
            set out.
        came: set when there are more of them.
    """

    prompt_tokens: int
    output_tokens: int
    number: int = -1
    sent: int = 0
    due_at: float = 0.0
    left_at: float = 0.0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    made: int = 0  # tokens that the replica has given
    behind_s: float = 0.0  # from the end of a step until the client has its token, as at the first one

    @property
    def ended(self) -> bool:
        """Whether the client has all of it."""
        return self.sent == self.output_tokens


class Fleet:
    """Plays a service up to the present moment, again and again.

    Times are seconds of the simulation, which go `speed` times as fast as the clock on the wall.

    Attributes:
        lag: by how much this server itself is late.
        service: as it is simulated.
    """

    def __init__(
        self,
        resolved: ResolvedService,
        *,
        seed: int,
        speed: float = 1.0,
        background: OpenTraffic | TraceTraffic | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._speed, self._wall = speed, now
        self._spec = spec = replace(spec_of(resolved), traffic=LiveTraffic(background))
        streams = named_streams(seed, "replication 0")
        self._clock = Clock()
        self.service = Service(self._clock, 0, spec, streams, Horizon(), "leap")
        assert self.service.callers is not None
        self._callers = self.service.callers
        self._callers.on_end = self._on_end
        self._open: dict[int, Answer] = {}
        self._tokens = [0] * spec.pool.replicas  # of each replica, at the last look
        self._due: list[tuple[float, int, int, Answer]] = []  # tokens on their way: when, order, how many then, whose
        self._puts = 0
        self._began = now()
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = math.inf
        self.lag, self._lead = Lag(now), Lead()
        self.on_answered: Callable[[int], None] = lambda request: None

    def now(self) -> float:
        """Seconds of the simulation."""
        return (self._wall() - self._began) * self._speed

    def note_written(self, answer: Answer) -> None:
        """The latest tokens of an answer have been written to its client's socket."""
        now = self.now()
        self.lag.note(max(0.0, (now - answer.due_at) / self._speed))
        self._lead.note((now - answer.left_at) / self._speed)

    @property
    def open(self) -> int:
        """Requests that are not answered yet, those of the background not counted."""
        return len(self._open)

    def start(self) -> None:
        """Time begins, once what the cost engine works out at its first steps is worked out."""
        warm_up(self._spec)
        self._began = self._wall()
        self._plan()

    def stop(self) -> None:
        """Time ends."""
        if self._timer is not None:
            self._timer.cancel()

    def ask(self, key: int, tokens: int) -> float:
        """Seconds on the wall until a key may send a request of so many tokens: 0, it is taken from its quotas;
        infinity, never.
        """
        self._play()
        return (self._callers.ask(key, tokens) - self._clock.now) / self._speed

    def send(
        self,
        prompt_tokens: int,
        output_tokens: int,
        arrived_at: float = math.inf,
        *,
        key: int = 0,
        blocks: tuple[int, ...] = (),
    ) -> Answer:
        """A client has sent a request.

        Args:
            prompt_tokens, output_tokens: its lengths.
            arrived_at: when it began to come, seconds of the simulation; now at the latest.
            key: of the API.
            blocks: ids of the full blocks of its text, where others may have the same; see `block_tokens`.
        """
        self._play()
        request = Requests(
            arrived_at=np.array([min(arrived_at, self.now())]),
            prompt_tokens=np.array([prompt_tokens]),
            output_tokens=np.array([output_tokens]),
            priority=np.zeros(1, np.int64),
            prompt_id=np.full(1, -1),
            block_hashes=(blocks,) if blocks else None,
            hash_block_tokens=self.block_tokens,
        )
        answer = Answer(prompt_tokens, output_tokens)
        answer.number = self._callers.offer(request, key)
        self._open[answer.number] = answer
        self._plan()
        return answer

    @property
    def block_tokens(self) -> int:
        """Tokens of a block that has an id."""
        return self._callers.log.hash_block_tokens or max(
            16, self.service.pools[0].replicas[0].members.memory.block_tokens
        )

    # ---- time -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Something is due."""
        self.lag.note(max(0.0, (self.now() - self._due_at) / self._speed))
        self._play()
        self._plan()

    def _play(self) -> None:
        """Bring the simulation to the present, and hand out what has come of it."""
        now = max(self.now(), self._clock.now)
        self._clock.run_to(now)
        for replica in self._working():
            tokens = self.service.pools[0].replicas[replica].tokens_by(now)
            if tokens != self._tokens[replica]:
                self._tokens[replica] = tokens
                self._look(replica, now)
        now, lead = self.now(), self._lead.seconds * self._speed
        while self._due and self._due[0][0] - lead <= now:
            due_at, _, tokens, answer = heappop(self._due)
            answer.sent, answer.due_at = max(answer.sent, tokens), due_at
            answer.left_at = min(now, max(due_at - lead, self._due_at))
            answer.came.set()

    def _plan(self) -> None:
        """Wake up when the next thing happens: an event, the end of a step that somebody waits for, a token."""
        now, agenda = self._clock.now, self._clock.agenda.entries
        due = agenda[0][0] if agenda else math.inf
        for replica in self._working():
            due = min(due, self.service.pools[0].replicas[replica].next_step_at(now))
        if self._due:
            due = min(due, self._due[0][0] - self._lead.seconds * self._speed)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due_at = due
        if due < math.inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, (due - self.now()) / self._speed), self._tick)

    def _working(self) -> set[int]:
        """Replicas that work on answers that somebody waits for."""
        replica = self._callers.log.replica
        return {replica[number] for number in self._open} - {-1}

    # ---- tokens ---------------------------------------------------------------------------------------------------

    def _look(self, replica: int, now: float) -> None:
        """A replica has given tokens: those that decode there may have further ones."""
        for decoding, steps in self.service.pools[0].replicas[replica].decoding_by(now):
            for number, offset in decoding.offset.items():
                answer = self._open.get(number)
                if answer is not None and offset + steps - answer.prompt_tokens > answer.made:
                    self._made(answer, offset + steps - answer.prompt_tokens, now)

    def _made(self, answer: Answer, tokens: int, now: float) -> None:
        """A replica has given so many tokens of an answer by now."""
        if answer.made == 0:
            first_at = self._callers.log.first_token_at[answer.number]
            answer.behind_s = max(0.0, first_at - now)
            self._put(first_at, 1, answer)
        for token in range(max(2, answer.made + 1), min(tokens, answer.output_tokens - 1) + 1):
            self._put(now + answer.behind_s, token, answer)
        answer.made = tokens

    def _on_end(self, number: int, at: float) -> None:
        """A request has all its tokens, the last one at `at`."""
        answer = self._open.pop(number, None)
        if answer is not None:
            first_at = self._callers.log.first_token_at[number]
            if answer.made == 0:
                self._put(first_at, 1, answer)
            for tokens in range(max(2, answer.made + 1), answer.output_tokens):
                self._put(at, tokens, answer)
            self._put(at, answer.output_tokens, answer)
        self.on_answered(number)

    def _put(self, at: float, tokens: int, answer: Answer) -> None:
        self._puts += 1
        heappush(self._due, (at, self._puts, tokens, answer))


def warm_up(spec: ServiceSpec) -> None:
    """Play a request on a fleet of its own, so that what the step model keeps for later is there."""
    clock = Clock()
    pool = replace(spec.pool, replicas=1, systems=1, outages=(), failures=None, scaling=None)
    lone = replace(spec, traffic=LiveTraffic(), pools=(pool,), rate_limits=None)
    service = Service(clock, 0, lone, named_streams(0), Horizon(), "leap")
    one = np.ones(1, np.int64)
    assert service.callers is not None
    service.callers.offer(Requests(np.zeros(1), 64 * one, 8 * one, 0 * one, -one))
    clock.run_to(60.0)
