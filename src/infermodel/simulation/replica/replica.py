"""One scheduled copy of a model: a routine that composes batches and leaps over their steps."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Literal

from infermodel.cost.step import DecodeLine, Ramp, StepModel
from infermodel.simulation.alarm import COMPLETE, START, Alarm, Routine, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.decoding import Decoding
from infermodel.simulation.replica.leap import Leap
from infermodel.simulation.replica.receiving import Receiving
from infermodel.simulation.replica.scheduler import Scheduler

Stepping = Literal["leap", "every"]

NO_RAMP = Ramp(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "latency")


class Replica:
    """Runs engine steps on its running requests.

    Between changes of the batch all steps follow one ramp, anchored where the batch changed. A leap goes to its last
    step at once, `stepping: every` stops at each; both compute times, tokens and joules from the anchor, which makes
    their tables identical to the bit.

    Attributes:
        index: among the replicas of its pool; `place` before it among those of the service.
        scheduler: composes its batches.
        members: of the batch, with their memory.
        up: whether it has power.
        idle: whether it waits for work.
        busy_s: in which steps ran that are settled.
    """

    def __init__(
        self,
        clock: Clock,
        index: int,
        service: int,
        step_model: StepModel,
        scheduler: Scheduler,
        recorder: Recorder,
        receiving: Receiving,
        stepping: Stepping,
        place: int,
    ) -> None:
        self.index = index
        self.scheduler, self.members = scheduler, scheduler.members
        self.up = True
        self.idle = False
        self.busy_s = 0.0
        self._clock = clock
        self._leaps, self._gaps, self._totals = recorder.leaps, recorder.gaps, recorder.totals
        self._line_of, self._ramp_of = step_model.decode_line, step_model.ramp
        self._completes = order_of(COMPLETE, service, place + index)
        self._starts = order_of(START, service, place + index)
        self._every = stepping == "every"
        self._receiving = receiving
        self._halted = False
        self._in_leap = False
        self._knocked = self._looks_up = False
        # The leap under way, on _line or _ramp, looked at after _rings_at of its steps.
        self._leap = Leap()
        self._line: DecodeLine | None = None
        self._ramp = NO_RAMP
        self._context = 0
        self._rings_at_s = 0.0
        self._rings_at = 0
        # Output tokens of settled steps: of those that ended before `_settled_at_s`, and of the one that ended then.
        self._tokens = self._latest_tokens = 0
        self._settled_at_s = 0.0
        self._alarm = Alarm(clock.agenda)

    # ---- what the service sees ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Its system has power: from now on it serves."""
        self._alarm.start(self.serve())

    @property
    def kv_blocks(self) -> int:
        """Blocks of its memory."""
        return self.members.memory.capacity

    @property
    def kv_blocks_used(self) -> int:
        """Blocks that requests hold."""
        return self.members.memory.used

    @property
    def running(self) -> int:
        """Requests that it reads prompts of or decodes."""
        return sum([len(each.members) for each in self.schedulers])

    @property
    def awaited(self) -> int:
        """Requests for which blocks are set aside, and which have no seat yet."""
        transits = [each.members.transit for each in self.schedulers]
        return sum([len(each) for each in transits if each is not None and not each.sends])

    @property
    def requests(self) -> int:
        """Requests that it runs, that wait in its queues, or that hold memory of it and no seat."""
        kept = [each.members.transit for each in self.schedulers]
        waiting = sum([len(each.waiting.queue) for each in self.schedulers])
        return self.running + waiting + sum([len(each) for each in kept if each is not None])

    def busy_s_by(self, time: float) -> float:
        """Seconds in which steps ran by `time`, which is now."""
        return self.busy_s + (time - self._leap.anchor_s if self._in_leap else 0.0)

    def take(self, request: int) -> None:
        """A request comes to its queue."""
        self.scheduler.waiting.queue.push(request)
        self.notice()

    def let_go(self) -> None:
        """No further step is composed: who has all its tokens leaves."""
        self.members.let_go()
        self.members.let_released_go()

    def drain(self) -> list[int]:
        """Take everybody out of its queue."""
        queue = self.scheduler.waiting.queue
        return [queue.take() for _ in range(len(queue))]

    def notice(self, *, later: bool = False) -> None:
        """The queue has got a new head at this instant: wake up, or let it join at the next step boundary.

        Args:
            later: this replica has already started what it starts at this instant.
        """
        if self.idle:
            self.idle = False
            self._alarm.set(self._clock.now, self._starts)  # after all that completes and arrives in this instant
        elif self._in_leap and not self._knocked and self.scheduler.admits_newcomers():
            self._knock(later)

    def _look_up(self) -> None:
        """Something came that changes the next step: wake up, or compose anew at the end of the one under way."""
        if self.idle:
            self.notice()
        elif self._in_leap:
            self._looks_up = True
            if not self._knocked:
                self._knock(later=False)

    def arrive(self, request: int) -> None:
        """All keys and values of a request that holds blocks here have come from another pool."""
        rank = self.schedulers[self.rank_of(request)]
        assert rank.members.transit is not None
        rank.members.transit.arrive(request, self._clock.now)
        if self.idle or rank.has_seat():
            self._look_up()

    def release(self, request: int) -> None:
        """What a request holds here, and no seat, is needed no more."""
        transit = self.schedulers[self.rank_of(request)].members.transit
        assert transit is not None
        transit.released.append(request)
        self._look_up()

    def rank_of(self, request: int) -> int:
        """The number of the scheduler in whose memory a request holds blocks, and no seat."""
        return 0

    def _knock(self, later: bool) -> None:
        """Look at the end of the step under way whether the head of the queue joins."""
        self._knocked = True
        if self._rings_at > 1:
            steps = self._leap.steps_by(self._clock.now)
            steps += later and self._leap.boundary(steps) == self._clock.now
            if steps < self._rings_at:
                self._rings_at, self._rings_at_s = steps, self._leap.boundary(steps)
                self._alarm.set(self._rings_at_s, self._completes)

    def tokens_before(self, time: float) -> int:
        """Output tokens of the steps that ended before `time`, whatever else has been looked at in that instant."""
        tokens = self._tokens
        if self._settled_at_s < time:
            tokens += self._latest_tokens
        if self._in_leap:
            steps = self._leap.steps_by(time)
            tokens += self._tokens_a_step() * (steps - (self._leap.boundary(steps) >= time))
        return tokens

    def waited_s(self) -> float:
        """Seconds that sequences which wait for a prompt to be read have had no token, all together."""
        return self.members.waited_s()

    def _tokens_a_step(self) -> int:
        """Output tokens of each step of the leap, but for those of prompts that end in its last."""
        return self.members.active

    @property
    def schedulers(self) -> Sequence[Scheduler]:
        """Each with a queue and a memory."""
        return (self.scheduler,)

    def tokens_by(self, time: float) -> int:
        """Output tokens of the steps that ended by `time`, which is now."""
        tokens = self._tokens + self._latest_tokens
        return tokens + self._tokens_a_step() * self._leap.done_by(time) if self._in_leap else tokens

    def decoding_by(self, time: float) -> list[tuple[Decoding, int]]:
        """What decodes, scheduler by scheduler, and the steps of each that ended by `time`, which is now."""
        done = self._leap.done_by(time) if self._in_leap else 0
        found = [each.members for each in self.schedulers]
        return [(each.decoding, each.decoding.step + (0 if each.held else done)) for each in found]

    def next_step_at(self, time: float) -> float:
        """When the first step after `time` ends if nothing happens before; infinity between leaps."""
        return self._leap.boundary(self._leap.done_by(time) + 1) if self._in_leap else inf

    def fail(self) -> tuple[list[int], list[int]]:
        """Power is gone: the KV memory and the step under way are lost; completed steps stand.

        Returns:
            the requests of the batch in order of admission, another replica can go on from the tokens they have; and
            those that held memory and no seat.
        """
        self.up = False
        self._stop()
        return self._lose_memory()

    def _lose_memory(self) -> tuple[list[int], list[int]]:
        self.scheduler.waiting.joins_until = inf
        return self.members.lose_memory()

    def repair(self) -> None:
        """Power is back; the replica starts empty."""
        self.up, self.idle = True, False
        self._alarm.set(self._clock.now, self._starts)

    def halt(self) -> None:
        """Nothing more is of interest: stop for good."""
        self._halted = True
        self._stop()

    def _stop(self) -> None:
        """End the leap under way here; its completed steps stand."""
        self.idle = False
        if self._in_leap:
            done = self._leap.steps_by(self._clock.now)
            if self._leap.boundary(done) > self._clock.now:
                done -= 1
            self._in_leap = False
            if done > 0:
                self._settle(done, self._leap.boundary(done))
        self._alarm.unset()

    # ---- the routine ----------------------------------------------------------------------------------------------

    def serve(self) -> Routine:
        """Run engine steps while there is work; sleep until a request arrives when there is none."""
        clock, waiting, alarm, agenda = self._clock, self.scheduler.waiting, self._alarm, self._clock.agenda.entries
        leap, now = self._leap, clock.now
        while not self._halted:
            most = self._plan(now)
            if most:
                leap.steps = steps = self._ask(most)
                leap.anchor_s = now
                self._in_leap, self._knocked, self._looks_up = True, False, False
                self._rings_at = steps = 1 if self._every else steps
                self._rings_at_s = leap.boundary(steps)
            else:
                self.idle = True
                waiting.joins_until = inf
                yield alarm
                now = clock.now
            while self._in_leap:
                if self._every or (agenda and agenda[0][0] <= self._rings_at_s):
                    alarm.set(self._rings_at_s, self._completes)
                    yield alarm
                    now = clock.now
                    if not self._in_leap:  # power came back meanwhile
                        break
                else:
                    clock.now = now = self._rings_at_s  # nothing else happens until then
                if self._rings_at == leap.steps or self._ends_for_newcomer():
                    self._settle(self._rings_at, now)
            # Others may complete or arrive at this very instant: let them, before the next step starts.
            if most and agenda and agenda[0][0] == now and not self._halted:
                alarm.set(now, self._starts)
                yield alarm
                now = clock.now

    def _plan(self, now: float) -> int:
        """Compose the next steps; returns how many, 0 if there is nothing to do, even when all who leave have left and
        those who gave way have come back.
        """
        scheduler, left = self.scheduler, bool(self.members.leaving)
        most = scheduler.plan(now)
        while not most and (left or scheduler.giving_way.happened):
            most, left = scheduler.plan(now), False
        return most

    def _ask(self, most: int) -> int:
        """Ask what the planned steps take; returns for how many of them, at most so many, the answer holds."""
        members, leap, steps, line = self.members, self._leap, most, None
        decoding, chunks = members.decoding, members.prompts.chunks
        if not chunks:
            sequences = decoding.sequences
            self._context = context = decoding.offsets + sequences * decoding.step
            line = self._line_of(sequences, context)
        self._line = line
        if line is not None:
            leap.first_s, leap.slope_s = line.first_s + line.more_s * context, line.slope_s
            if line.until < inf:
                steps = min(steps, int((line.until - context) / sequences) + 1)
            return steps
        self._ramp = ramp = self._ramp_of(self.scheduler.batch())
        leap.first_s, leap.slope_s = ramp.first_s, ramp.slope_s
        if ramp.steps < steps:
            steps = ramp.steps
        return self.scheduler.steps_that_fit(steps) if steps > 1 and chunks else steps

    def _ends_for_newcomer(self) -> bool:
        """A step has ended, but not the leap: whether it ends here for the head of the queue; if not, it goes on."""
        steps = self._rings_at
        if self._knocked and (self._looks_up or self._lets_in(steps)):
            return True
        self._rings_at = steps = steps + 1 if self._every or self._knocked else self._leap.steps
        self._rings_at_s = self._leap.boundary(steps)
        return False

    def _lets_in(self, steps: int) -> bool:
        """Whether a newcomer joins after `steps` steps; one who came too late for that knocks on."""
        known_until = self._known_until(steps) if self._receiving.late else inf
        fits, self._knocked = self.scheduler.next_one_joins(steps, known_until)
        return fits

    def _reads_prompts(self) -> bool:
        """Whether the steps under way do."""
        return bool(self.members.prompts.chunks)

    def _known_until(self, steps: int) -> float:
        """Until when requests came that the step after `steps` of the leap may take."""
        before = self.scheduler.waiting.joins_until
        return self._receiving.known_until(self._leap, steps, reads_prompts=self._reads_prompts(), before=before)

    def _settle(self, steps: int, end: float) -> None:
        """Account for `steps` completed steps of the leap, which ends here, at `end`."""
        self._in_leap = False
        members, memory, line, begin = self.members, self.members.memory, self._line, self._leap.anchor_s
        if self._receiving.late:
            self.scheduler.waiting.joins_until = self._known_until(steps)
            self._receiving.settle(steps, reads_prompts=self._reads_prompts())
        short_of = self.scheduler.admission.short_of
        if short_of:
            self._totals.waited(self.index, short_of, end - begin)
        sequences, waiting = members.decoding.sequences, 0
        if members.held:
            sequences, waiting = 0, sequences
        elif members.waits.runs:
            members.waits.end(begin, self._leap.first_s, self._gaps)
        self.busy_s += end - begin
        free, before = memory.free, (steps - 1) * sequences
        self._tokens += self._latest_tokens + before
        self._latest_tokens, self._settled_at_s = 0, end
        produced, prompt_tokens = members.advance(steps, end)
        self._latest_tokens = produced - before
        blocks = memory.capacity - (free + memory.free) / 2
        if line is not None:
            self._leaps.record(self.index, begin, end, steps, sequences, blocks, self._context, line)
        else:
            self._leaps.record_ramp(
                self.index, begin, end, steps, sequences, waiting, blocks, produced, prompt_tokens, self._ramp
            )
        members.finish_due(end)
