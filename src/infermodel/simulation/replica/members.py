"""The requests that a replica runs: prompts in progress, decoding sequences, and what steps do to them."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

from infermodel.cost.step import Chunk, StepModel
from infermodel.simulation.memory.ledger import blocks
from infermodel.simulation.memory.memory import Memory
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.decoding import Decoding
from infermodel.simulation.replica.owner import Owner
from infermodel.simulation.replica.prompts import Prefill
from infermodel.simulation.replica.waits import Waits
from infermodel.simulation.spec import Limits

NO_CHUNKS: Final[tuple[Chunk, ...]] = ()


class Members:
    """Running requests, their memory, and who of them has all its tokens.

    Attributes:
        memory: of the replica.
        decoding: the sequences that get a token in each step.
        prefills: prompts in progress, in order of admission.
        chunks: of them that the next steps take.
        leaving: tokens in memory, and blocks in windows, of those who have all their tokens but keep seat and memory
            for now: where steps are composed ahead, the one to come is composed before their last token is there.
        settled_at: end of the last step.
        held: those who decode wait in the planned steps, which read prompts only.
        waits: since when.
    """

    def __init__(
        self,
        step_model: StepModel,
        limits: Limits,
        log: RequestLog,
        recorder: Recorder,
        owner: Owner,
    ) -> None:
        room = step_model.kv_memory
        self.memory = Memory(
            room.of_rank,
            log,
            limits=limits,
            scheduled=self._scheduled,
            computed=self._computed,
        )
        self.decoding = Decoding(step_model.windows, room.block_tokens, room.whole, room.windows)
        self.prefills: list[Prefill] = []
        self.chunks = NO_CHUNKS
        self.leaving: dict[int, tuple[int, int]] = {}
        self.settled_at = 0.0
        self.held = False
        self.waits = Waits()
        self._log, self._recorder, self._owner = log, recorder, owner
        self._finishes: list[tuple[int, int]] = []  # heap of (decode step after which a request ends, request)
        self._resumed = log.resumed
        self._reserves = limits.reserves_output
        self._ahead = limits.schedules_ahead
        self._admissions = 0
        self._just_read: list[int] = []  # requests whose prompts the last step completed
        self._steps_on = 0  # steps after those that are done, before the one that is being composed

    def __len__(self) -> int:
        return self.decoding.sequences + len(self.prefills)

    # ---- steps ----------------------------------------------------------------------------------------------------

    def advance(self, steps: int, end: float) -> tuple[int, int]:
        """Every member has done `steps` steps, the last of which ended at `end`; prompts that are complete begin to
        decode. Returns output tokens and prompt tokens of the steps; `finish_due` says who has all its tokens.
        """
        memory, sequences, produced = self.memory, self.decoding.sequences, 0
        if not self.held:
            produced = steps * sequences
            memory.grow(self.decoding.advance(steps))
            if memory.windows:
                memory.turn_over(self.decoding.turned_over)
        elif not len(self.waits):
            self.waits.join(self.settled_at, sequences)
        self.settled_at = end
        self._just_read.clear()
        if not self.prefills:
            return produced, 0
        prompt_tokens, unfinished, complete = 0, [], []
        for prefill in self.prefills:
            done, chunk = prefill.done, prefill.chunk
            if chunk:
                reached = done + chunk * steps
                if reached >= prefill.target:
                    reached = prefill.target
                    complete.append(prefill)
                else:
                    unfinished.append(prefill)
                prompt_tokens += reached - done
                memory.grow(self._prompt_growth(prefill, steps))
                if memory.windows:
                    self._slide(prefill, steps, reached)
                prefill.done = reached
            else:
                unfinished.append(prefill)
        self.prefills = unfinished
        for prefill in complete:
            self._first_token(prefill, end)
        if self.held:
            self.waits.join(end, self.decoding.sequences - sequences)
        return produced + len(complete), prompt_tokens

    def _prompt_growth(self, prefill: Prefill, steps: int) -> int:
        """KV blocks that a prompt takes in the next steps, as many as it holds in the last of them."""
        memory, done = self.memory, prefill.done
        reached = min(prefill.target, done + prefill.chunk * steps)
        grown = memory.whole * (blocks(reached, memory.block_tokens) - blocks(done, memory.block_tokens))
        return grown + self._in_windows(prefill, steps) - prefill.windowed if memory.windows else grown

    def _in_windows(self, prefill: Prefill, steps: int) -> int:
        """Blocks in windows that a prompt holds in the last of the next steps."""
        done, chunk, settled = prefill.done, prefill.chunk, prefill.settled
        if chunk == 0:
            return prefill.windowed
        if steps > 1:
            settled = done + chunk * (steps - 1 - self._ahead)
        return self.memory.in_windows(min(prefill.target, done + chunk * steps), settled)

    def _slide(self, prefill: Prefill, steps: int, reached: int) -> None:
        """A prompt has come that far: what the step after the next ones finds behind its windows is given back."""
        held = self._in_windows(prefill, steps)
        prefill.settled = prefill.done + prefill.chunk * (steps - 1) if self._ahead else reached
        prefill.windowed = self.memory.in_windows(reached, prefill.settled)
        self.memory.slide(held - prefill.windowed)

    def _first_token(self, prefill: Prefill, end: float) -> None:
        """A prompt is complete: its step has sampled a token."""
        request, log = prefill.request, self._log
        produced = 1
        if self._resumed and request in self._resumed:
            had, last_at = self._resumed.pop(request)
            produced += had
            self._recorder.gaps.single(end - last_at)
        else:
            log.first_token_at[request] = log.last_token_at[request] = self._owner.streams_from(request, end)
        self._just_read.append(request)
        to_come = log.output_tokens[request] - produced
        if to_come == 0:
            self.leaving[request] = prefill.done, prefill.windowed
            self._end(request, end)
            return
        self.decoding.join(request, prefill.target + 1)
        if self.memory.windows:
            self.memory.slide(prefill.windowed - self.memory.held_in_windows(prefill.target))
        self._expect_end(request, to_come)

    def _expect_end(self, request: int, steps: int) -> None:
        """The request will have all its tokens after so many steps."""
        heappush(self._finishes, (self.decoding.step + steps, request))

    def _expect_no_end(self, request: int, context: int) -> None:
        """The request stops before, when its next token would have had this context."""
        to_come = self._context_at_end(request) - context
        self._finishes.remove((self.decoding.step + to_come, request))
        heapify(self._finishes)

    def finish_due(self, end: float) -> None:
        """Those whose last token came with the step that ended at `end` are answered, and leave."""
        heap, decoding = self._finishes, self.decoding
        due = []
        while heap and heap[0][0] <= decoding.step:
            due.append(heappop(heap)[1])
        self._leave(due, end)

    def _leave(self, due: list[int], end: float) -> None:
        """Decoding requests have all their tokens; prompts answered with one token are leaving already."""
        for request in due:
            tokens = self.decoding.leave(request) - 1
            self.leaving[request] = tokens, self.memory.held_in_windows(tokens)
        for request in due:
            self._end(request, end)
        if not self._ahead:
            self.let_go()

    def let_go(self) -> None:
        """Who leaves gives back seat and memory, first who was admitted first."""
        memory, leaving = self.memory, self.leaving
        in_order: Iterable[int] = leaving
        if memory.caches and len(leaving) > 1:
            in_order = sorted(leaving, key=self._log.admission.__getitem__)
        for request in in_order:
            tokens, windowed = leaving[request]
            memory.give_back(request, tokens, windowed, ended=True)
            if self._reserves:
                memory.reserve(-self._blocks_at_end(request))
        leaving.clear()

    def _end(self, request: int, end: float) -> None:
        """A request has all its tokens."""
        self._log.last_token_at[request] = out_at = self._owner.streams_until(request, end)
        self._owner.on_finished(request, out_at)

    @property
    def active(self) -> int:
        """Sequences that get a token in each of the planned steps."""
        return 0 if self.held else self.decoding.sequences

    def waited_s(self) -> float:
        """Seconds that those who wait have had no token, all together."""
        return self.waits.so_far_s(self.settled_at)

    # ---- losing memory --------------------------------------------------------------------------------------------

    def _stop_decoding(self, request: int) -> None:
        """A decoding request gives way; it can go on from the tokens it has."""
        last_at = self.settled_at
        if len(self.waits):
            position = next(i for i, each in enumerate(self.decoding.offset) if each == request)
            last_at = self.waits.since(position)
            self.waits.leave(position)
            self._recorder.gaps.open_s += self.settled_at - last_at
        context = self.decoding.leave(request)  # its next token would have attended to so many
        self._expect_no_end(request, context)
        produced = context - self._log.prompt_tokens[request]
        self._resumed[request] = (produced, last_at)

    def lose_memory(self) -> list[int]:
        """Power is gone and all KV memory with it: the requests of the batch in order of admission."""
        sequences = list(self.decoding.offset)
        lost = [*sequences, *(prefill.request for prefill in self.prefills)]
        self.let_go()
        for request in sequences:
            tokens = self._computed(request)
            self._stop_decoding(request)
            self.memory.give_back(request, tokens, self.memory.held_in_windows(tokens))
        for prefill in self.prefills:
            self.memory.give_back(prefill.request, prefill.done, prefill.windowed)
        self.prefills.clear()
        self.waits = Waits()
        self.memory.lose()
        return lost

    # ---- tokens of a request --------------------------------------------------------------------------------------

    def _computed(self, request: int) -> int:
        """Tokens that a running request has in memory, when the steps before the one that is composed are done."""
        offset = self.decoding.offset.get(request)
        if offset is not None:
            return offset + self.decoding.step + self._steps_on - 1
        if request in self.leaving:
            return self.leaving[request][0]
        prefill = next(each for each in self.prefills if each.request == request)
        return min(prefill.target, prefill.done + prefill.chunk * self._steps_on)

    def _scheduled(self, request: int) -> int:
        """Tokens that a running request has in memory when the step that is being composed is done, too."""
        self._steps_on += 1
        tokens = self._computed(request)
        self._steps_on -= 1
        return tokens

    def _context_at_end(self, request: int) -> int:
        """Prompt and output tokens: the context that the request would have one step after its last."""
        return self._log.prompt_tokens[request] + self._log.output_tokens[request]

    def _blocks_at_end(self, request: int) -> int:
        """KV blocks that the request will hold at its last token."""
        return self.memory.held(self._context_at_end(request) - 1)
