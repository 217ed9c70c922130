"""One scheduled copy of a model: a SimPy process that composes batches and leaps over their steps."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isnan, sqrt
from typing import Literal, Protocol

from simpy.events import Event

from infermodel.cost.step import BOUNDS, Batch, Chunk, Ramp, StepModel
from infermodel.simulation.batching import Discipline, Prefill, WaitingQueue, assign_chunks, blocks
from infermodel.simulation.clock import COMPLETE, START, Clock, Moment
from infermodel.simulation.contexts import Contexts
from infermodel.simulation.kv_cache import KvCache
from infermodel.simulation.recorder import RequestLog, StepRecorder

Stepping = Literal["leap", "every"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine allows on one replica.

    Attributes:
        max_sequences: running requests, prefilling ones included.
        max_batched_tokens: tokens of a step, decode and prefill together.
        max_context: prompt and output tokens of a request; longer ones are rejected.
        chunked_prefill: whether a prompt may be split over steps.
        prefix_caching: whether a prompt may use blocks that an earlier one with the same beginning left.
    """

    max_sequences: int
    max_batched_tokens: int
    max_context: int
    chunked_prefill: bool = True
    prefix_caching: bool = False


class Client(Protocol):
    """Whom a replica tells about requests."""

    def on_finished(self, request: int, at: float) -> None:
        """The last token of `request` left the replica at `at`."""
        ...


class Replica:
    """Continuous batching with chunked prefill: in each step every running sequence gets a token, and prompts get the
    rest of the budget, those in progress first, then the waiting queue.

    Between changes of the batch all steps follow one ramp, anchored where the batch changed: step i ends at
    `anchor + i x first + slope x i (i - 1) / 2`. A leap goes to the ramp's last step at once, `stepping: every` stops
    at each; both compute times, tokens and joules from the anchor, which makes their tables identical to the bit.
    """

    def __init__(
        self,
        clock: Clock,
        index: int,
        order: int,
        step_model: StepModel,
        limits: Limits,
        discipline: Discipline,
        queue: WaitingQueue,
        log: RequestLog,
        recorder: StepRecorder,
        client: Client,
        *,
        egress_s: float = 0.0,
        stepping: Stepping = "leap",
    ) -> None:
        self.index = index
        self.queue = queue
        self.halted = False
        self.up = True
        memory = step_model.kv_memory
        self.kv = KvCache(memory.tokens // memory.block_tokens, memory.block_tokens)
        self.contexts = Contexts(step_model.windows)
        self._clock, self._order = clock, order
        self._model, self._limits, self._discipline = step_model, limits, discipline
        self._log, self._recorder, self._client = log, recorder, client
        self._egress_s, self._every = egress_s, stepping == "every"
        self._prefills: list[Prefill] = []
        self._finishes: list[tuple[int, int]] = []  # heap of (decode step after which a request ends, request)
        self._resumed = log.resumed
        self._shared: dict[int, tuple[tuple[int, ...], int]] = {}  # request -> shared prefix keys, their blocks
        self._step = 0  # decode steps so far
        self._alarm: Event = Event(clock)
        self._asleep = False
        self._in_leap = False
        self._preempted = False
        self._knocked = False
        self._door_open = False
        self._budget_left = 0
        # The leap under way: steps [0, _steps) of _ramp from _anchor_s; the alarm rings after _rings_at of them.
        self._ramp = Ramp(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, "latency")
        self._anchor_s = 0.0
        self._settled_at = 0.0
        self._steps = 0
        self._rings_at = 0
        clock.process(self.serve())

    # ---- what the service sees ------------------------------------------------------------------------------------

    def notice(self) -> None:
        """The queue has got a request at this instant: wake up, or let it join at the next step boundary."""
        if self._asleep:
            self._asleep = False
            self._wake()
        elif self._in_leap and self._door_open and not self._knocked:
            self._knocked = True
            if not self._every:
                self._ring_at_step(self._steps_done_by(self._clock.now))

    @property
    def idle(self) -> bool:
        """Whether the replica waits for work."""
        return self._asleep

    @property
    def running(self) -> int:
        """Requests in the batch, prefilling ones included."""
        return len(self.contexts.offset) + len(self._prefills)

    def fail(self) -> list[int]:
        """Power is gone: the KV memory and the step under way are lost; completed steps stand.

        Returns:
            the requests of the batch in order of admission; another replica can go on from the tokens they have.
        """
        self.up = False
        if self._in_leap:
            done = self._steps_done_by(self._clock.now)
            if self._boundary(done) > self._clock.now:
                done -= 1
            self._settle(done)
        lost = [*self.contexts.offset, *(prefill.request for prefill in self._prefills)]
        for request in list(self.contexts.offset):
            self._evict_decoding(request)
        self._prefills.clear()
        self._shared.clear()
        self.kv = KvCache(self.kv.capacity, self.kv.block_tokens)
        self._asleep = self._in_leap = False
        parked = Event(self._clock)
        parked.callbacks, self._alarm.callbacks = self._alarm.callbacks, []
        self._alarm = parked
        return lost

    def repair(self) -> None:
        """Power is back; the replica starts empty."""
        self.up = True
        self._wake()

    def _wake(self) -> None:
        """Go on at this instant, after all that completes and arrives in it."""
        wake = self._clock.at(self._clock.now, START + self._order)
        wake.supersede(self._alarm)
        self._alarm = wake

    # ---- the process ----------------------------------------------------------------------------------------------

    def serve(self) -> Generator[Event, None, None]:
        """Run engine steps while there is work; sleep until a request arrives when there is none."""
        clock = self._clock
        while True:
            if not self._compose():
                self._asleep = True
                self._alarm = Event(clock)
                yield self._alarm
                if self.halted:
                    return
                continue
            self._start_leap()
            while self._in_leap:
                yield self._alarm
                if self.halted:
                    return
                if self._in_leap and (self._rings_at == self._steps or (self._knocked and self._head_fits())):
                    self._settle(self._rings_at)
                elif self._in_leap:
                    self._knocked = False
                    self._rings_at = self._rings_at + 1 if self._every else self._steps
                    self._alarm = clock.at(self._boundary(self._rings_at), COMPLETE + self._order)
            # Others may complete or arrive at this very instant: let them, before the next step starts.
            if clock.peek() == clock.now:
                self._alarm = clock.at(clock.now, START + self._order)
                yield self._alarm
                if self.halted:
                    return

    # ---- composing a batch ----------------------------------------------------------------------------------------

    def _compose(self) -> bool:
        """Choose what the next steps work on; False if there is nothing to do."""
        kv, step = self.kv, self._step
        prefills = self._prefills
        self._preempted = False
        while True:
            decoding = len(self.contexts.offset)
            budget = self._budget(decoding)
            needed = kv.growth(step, 1) if decoding else 0
            budget_left, chunk_blocks = budget, 0
            if prefills:
                budget_left, chunk_blocks = assign_chunks(prefills, budget, kv.block_tokens)
            if needed + chunk_blocks <= kv.free:
                break
            self._preempt()
        self._door_open = False
        if not self._preempted:  # as vLLM: nobody is admitted in a step that had to preempt
            budget_left = self._admit(budget_left, kv.free - needed - chunk_blocks)
        self._budget_left = budget_left
        return bool(prefills) or bool(self.contexts.offset)

    def _budget(self, decoding: int) -> int:
        """Prompt tokens that the next step may take."""
        slots = self._model.prompt_tokens_per_step(decoding, self.contexts.longest(self._step))
        return max(0, min(self._limits.max_batched_tokens - decoding, slots))

    def _admit(self, budget: int, room: int) -> int:
        """Take from the waiting queue what fits; returns the budget left."""
        queue, limits, log = self.queue, self._limits, self._log
        seats = limits.max_sequences - self.running
        blocked = False
        while queue and budget > 0 and seats > 0:
            request = queue.head()
            target, chunk, cached, cost = self._first_chunk(request, budget)
            if chunk == 0 or cost > room:
                blocked = True
                break
            queue.take()
            if cached:
                self._claim(request, cached)
            prefill = Prefill(request, target, cached)
            prefill.chunk = chunk
            self._prefills.append(prefill)
            log.replica[request] = self.index
            if isnan(log.first_scheduled_at[request]):
                log.first_scheduled_at[request] = self._clock.now
                log.cached_tokens[request] = cached
            budget -= chunk
            room -= cost
            seats -= 1
        self._door_open = budget > 0 and seats > 0 and (not blocked or self._discipline.overtakes)
        return budget

    def _first_chunk(self, request: int, budget: int) -> tuple[int, int, int, int]:
        """Of a waiting request: tokens to compute in all, first chunk, tokens found cached, KV blocks it takes."""
        resumed = self._resumed.get(request)
        target = self._log.prompt_tokens[request] + (resumed[0] if resumed else 0)
        kv = self.kv
        cached = claim = 0
        if self._limits.prefix_caching:
            chain = self._chain(request)
            cached = kv.find_prefix(chain, target - 1)
            claim = kv.claim_cost(chain, cached // kv.block_tokens)
        chunk = min(target - cached, budget)
        if chunk < target - cached and not self._limits.chunked_prefill and self.running:
            chunk = 0  # wait for a step that takes the prompt whole; an empty replica splits what no step could take
        cost = claim + blocks(cached + chunk, kv.block_tokens) - cached // kv.block_tokens
        return target, chunk, cached, cost

    def _head_fits(self) -> bool:
        """Whether the head of the queue could join now, in the middle of a leap."""
        if not self.queue:
            return False
        done = self._rings_at
        kv, prefills = self.kv, self._prefills
        _, chunk, _, cost = self._first_chunk(self.queue.head(), self._budget_left)
        taken = kv.growth(self._step, done + 1)
        for prefill in prefills:
            reached = min(prefill.target, prefill.done + prefill.chunk * (done + 1))
            taken += blocks(reached, kv.block_tokens) - blocks(prefill.done, kv.block_tokens)
        return chunk > 0 and taken + cost <= kv.free

    def _preempt(self) -> None:
        """Take the KV memory of one running request; it will compute its tokens again."""
        admitted = [*self.contexts.offset, *(prefill.request for prefill in self._prefills)]
        victim = self._discipline.victim(admitted, self._log.priority)
        if len(admitted) == 1:
            raise RuntimeError(f"request {victim} alone outgrows the KV memory of its replica")
        if victim in self.contexts.offset:
            self._evict_decoding(victim)
        else:
            position = next(i for i, prefill in enumerate(self._prefills) if prefill.request == victim)
            self._release(victim, self._prefills.pop(position).done)
        self._preempted = True
        self._log.preemptions[victim] += 1
        self.queue.give_back(victim)

    def _evict_decoding(self, request: int) -> None:
        offset = self.contexts.leave(request, self._step)
        self.kv.leave(offset)
        context = offset + self._step  # its next token would have attended to so many
        produced = context - self._log.prompt_tokens[request]
        self._resumed[request] = (produced, self._settled_at + self._egress_s)
        self._release(request, context - 1)

    # ---- leaping --------------------------------------------------------------------------------------------------

    def _start_leap(self) -> None:
        contexts, step = self.contexts, self._step
        decoding = len(contexts.offset)
        finishing = 0
        most = 1 if self._preempted else 1 << 60
        chunks: tuple[Chunk, ...] = ()
        if self._prefills:
            working = [prefill for prefill in self._prefills if prefill.chunk]
            chunks = tuple([Chunk(prefill.chunk, prefill.done) for prefill in working])
            for prefill in working:
                full = (prefill.target - prefill.done - 1) // prefill.chunk
                if full == 0:
                    finishing += 1
                most = min(most, full)
            most = max(most, 1)
        if decoding:
            heap = self._finishes
            while True:
                finish_step, request = heap[0]
                offset = contexts.offset.get(request)
                if offset is not None and self._context_at_end(request) - offset == finish_step:
                    break
                heappop(heap)
            most = min(most, finish_step - step)
            most = contexts.steps_until_full_window(step, most)
        batch = Batch(decoding, contexts.total, contexts.longest(step), contexts.windowed(), 1, chunks, finishing)
        ramp = self._model.ramp(batch)
        most = self._steps_that_fit(min(most, ramp.steps), chunks)
        self._ramp, self._steps = ramp, most
        self._anchor_s = self._clock.now
        self._in_leap, self._knocked = True, False
        self._rings_at = 1 if self._every else most
        self._alarm = self._clock.at(self._boundary(self._rings_at), COMPLETE + self._order)

    def _steps_that_fit(self, most: int, chunks: tuple[Chunk, ...]) -> int:
        """The most of `most` steps for which KV blocks suffice; at least 1, which was checked before."""
        kv = self.kv
        if most == 1:
            return 1
        room = kv.free
        for chunk in chunks:
            room -= blocks(chunk.before + chunk.new * most, kv.block_tokens) - blocks(chunk.before, kv.block_tokens)
        if room < 0:
            return 1
        return max(1, kv.steps_that_fit(self._step, most, room))

    def _boundary(self, steps: int) -> float:
        """When `steps` steps of the leap are done."""
        ramp = self._ramp
        return self._anchor_s + (steps * ramp.first_s + ramp.slope_s * (steps * (steps - 1) / 2))

    def _steps_done_by(self, time: float) -> int:
        """The number of steps, at least 1, at whose end the time is `time` or later for the first time."""
        ramp, elapsed = self._ramp, time - self._anchor_s
        linear = ramp.first_s - ramp.slope_s / 2
        steps = int(2 * elapsed / (linear + sqrt(max(0.0, linear * linear + 2 * ramp.slope_s * elapsed))))
        steps = min(max(steps, 1), self._steps)
        while steps > 1 and self._boundary(steps - 1) >= time:
            steps -= 1
        while steps < self._steps and self._boundary(steps) < time:
            steps += 1
        return steps

    def _ring_at_step(self, steps: int) -> None:
        """Let the alarm ring earlier, after `steps` steps."""
        if steps < self._rings_at:
            self._rings_at = steps
            alarm = Moment(self._clock, self._boundary(steps), COMPLETE + self._order)
            alarm.supersede(self._alarm)
            self._alarm = alarm

    def _settle(self, steps: int) -> None:
        """Account for `steps` completed steps of the leap, which ends here."""
        self._in_leap = False
        if steps == 0:
            return
        kv, contexts, ramp = self.kv, self.contexts, self._ramp
        decoding, used_before = len(contexts.offset), kv.used
        self._settled_at = end = self._boundary(steps)
        prompt_tokens, produced = 0, decoding * steps
        if decoding:
            kv.hold(kv.growth(self._step, steps))
            contexts.advance(steps)
        self._step += steps
        if self._prefills:
            finished_prompts = []
            for prefill in self._prefills:
                if prefill.chunk:
                    done = min(prefill.done + prefill.chunk * steps, prefill.target)
                    prompt_tokens += done - prefill.done
                    kv.hold(blocks(done, kv.block_tokens) - blocks(prefill.done, kv.block_tokens))
                    prefill.done = done
                    if done == prefill.target:
                        finished_prompts.append(prefill)
            if finished_prompts:
                produced += len(finished_prompts)
                self._prefills = [prefill for prefill in self._prefills if prefill.done < prefill.target]
                for prefill in finished_prompts:
                    self._first_token(prefill, end)
        pairs = steps * (steps - 1) / 2
        leaps = self._recorder.leaps
        leaps.append(
            (
                self.index,
                self._anchor_s,
                end,
                steps,
                decoding,
                ramp.first_s,
                ramp.slope_s,
                produced,
                prompt_tokens,
                steps * ramp.first_joules + ramp.slope_joules * pairs,
                steps * ramp.first_flops + ramp.slope_flops * pairs,
                steps * ramp.first_bytes + ramp.slope_bytes * pairs,
                (used_before + kv.used) / 2,
                BOUNDS.index(ramp.bound_by),
            )
        )
        if len(leaps) >= self._recorder.block:
            self._recorder.fold()
        if decoding:
            self._finish_due(end)

    def _first_token(self, prefill: Prefill, end: float) -> None:
        """A prompt is complete: its step has sampled a token."""
        request, log = prefill.request, self._log
        resumed = self._resumed.pop(request, None)
        if resumed is None:
            log.first_token_at[request] = end + self._egress_s
            produced = 1
        else:
            produced = resumed[0] + 1
            self._recorder.single_gap(end + self._egress_s - resumed[1])
        if self._limits.prefix_caching:
            self._publish(request)
        if produced == log.output_tokens[request]:
            self._release(request, prefill.done)
            self._finish(request, end)
            return
        log.last_token_at[request] = end + self._egress_s
        context = prefill.target + 1
        self.contexts.join(request, context, self._step)
        offset = context - self._step
        self.kv.join(offset)
        heappush(self._finishes, (self._context_at_end(request) - offset, request))

    def _context_at_end(self, request: int) -> int:
        """Prompt and output tokens: the context that the request would have one step after its last."""
        return self._log.prompt_tokens[request] + self._log.output_tokens[request]

    def _finish_due(self, end: float) -> None:
        heap, step, contexts = self._finishes, self._step, self.contexts
        while heap and heap[0][0] <= step:
            finish_step, request = heappop(heap)
            offset = contexts.offset.get(request)
            if offset is None or self._context_at_end(request) - offset != finish_step:
                continue  # preempted since; it has another entry or none
            contexts.leave(request, step)
            self.kv.leave(offset)
            self._release(request, offset + step - 1)
            self._finish(request, end)

    def _finish(self, request: int, end: float) -> None:
        self._log.last_token_at[request] = end + self._egress_s
        self._client.on_finished(request, end)

    # ---- KV blocks of one request ---------------------------------------------------------------------------------

    def _release(self, request: int, tokens: int) -> None:
        """Give back the blocks of a request with `tokens` tokens in the cache."""
        held = blocks(tokens, self.kv.block_tokens)
        shared = self._shared.pop(request, None)
        if shared is not None:
            self.kv.release_prefix(shared[0])
            held -= shared[1]
        self.kv.hold(-held)

    def _chain(self, request: int) -> tuple[tuple[int, int], ...]:
        """The pieces of a prompt that others may share: (key, whole blocks) each."""
        log, block = self._log, self.kv.block_tokens
        hashes = log.block_hashes.get(request)
        if hashes is not None:
            whole = log.prompt_tokens[request] // log.hash_block_tokens
            return tuple((key, log.hash_block_tokens // block) for key in hashes[:whole])
        if log.prompt_id[request] < 0:
            return ()
        return ((log.prompt_id[request], log.prompt_tokens[request] // block),)

    def _claim(self, request: int, cached: int) -> None:
        count = cached // self.kv.block_tokens
        self._shared[request] = (self.kv.claim(self._chain(request), count), count)

    def _publish(self, request: int) -> None:
        held, count = self._shared.get(request, ((), 0))
        keys, moved = self.kv.publish(self._chain(request), held)
        if keys:
            self._shared[request] = (keys, count + moved)
