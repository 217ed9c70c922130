"""The requests that a replica runs: prompts in progress, decoding sequences, and what steps do to them."""

from __future__ import annotations

from collections.abc import Iterable

from infermodel.cost.step import StepModel
from infermodel.simulation.memory.memory import Memory
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.answer_share import AnswerRoom
from infermodel.simulation.replica.decoding import Decoding
from infermodel.simulation.replica.endings import Endings
from infermodel.simulation.replica.owner import Owner
from infermodel.simulation.replica.prompts import Prefill, Prompts
from infermodel.simulation.replica.transit import Kept, Transit
from infermodel.simulation.replica.waits import Waits
from infermodel.simulation.spec import Limits


class Members:
    """Running requests, their memory, and who of them has all its tokens.

    Attributes:
        memory: of the replica.
        decoding: the sequences that get a token in each step.
        prompts: in progress.
        endings: which sequences have all their tokens when.
        leaving: tokens in memory, and blocks in windows, of those who have all their tokens but keep seat and memory
            for now: where steps are composed ahead, the one to come is composed before their last token is there.
        settled_at: end of the last step.
        held: those who decode wait in the planned steps, which read prompts only.
        waits: since when.
        just_read: requests whose prompts the last step completed.
        steps_on: steps after those that are done, before the one that is being composed.
        lookahead: tokens for which each decoding sequence needs room in a step: 1, and the drafts that are verified.
        room: that is kept free for their answers; None: nothing is.
        admissions: how many were let in.
        transit: those who hold memory and no seat; None: the pool does all of a request.
    """

    def __init__(
        self,
        step_model: StepModel,
        limits: Limits,
        log: RequestLog,
        recorder: Recorder,
        owner: Owner,
        transit: Transit | None,
    ) -> None:
        room = step_model.kv_memory
        handovers = log.handovers if transit is not None and not transit.sends else None
        self.memory = Memory(
            room.of_rank,
            log,
            limits=limits,
            scheduled=self.scheduled,
            computed=self.computed,
            holding=None if handovers is None else handovers.holding,
        )
        self.decoding = Decoding(step_model.windows, room.block_tokens, room.whole, room.windows)
        self.prompts = Prompts(self.memory, log.images, ahead=limits.schedules_ahead)
        self.endings = Endings()
        self.leaving: dict[int, tuple[int, int]] = {}
        self.settled_at = 0.0
        self.held = False
        self.waits = Waits()
        self.just_read: list[int] = []
        self.steps_on, self.lookahead, self.admissions = 0, 1, 0
        self.room: AnswerRoom | None = None
        self.transit = transit
        self._log, self._gaps, self._owner = log, recorder.gaps, owner
        self._resumed = log.resumed
        self._reserves, self._ahead = limits.reserves_output, limits.schedules_ahead

    def __len__(self) -> int:
        return self.decoding.sequences + len(self.prompts.prefills)

    @property
    def seated(self) -> int:
        """Seats that are taken, also by those who leave."""
        return self.decoding.sequences + len(self.prompts.prefills) + len(self.leaving)

    @property
    def active(self) -> int:
        """Sequences that get a token in each of the planned steps."""
        return 0 if self.held else self.decoding.sequences

    def waited_s(self) -> float:
        """Seconds that those who wait have had no token, all together."""
        return self.waits.so_far_s(self.settled_at)

    # ---- steps ----------------------------------------------------------------------------------------------------

    def advance(self, steps: int, end: float) -> tuple[int, int]:
        """Every member has done `steps` steps, the last of which ended at `end`; prompts that are complete begin to
        decode. Returns output tokens and prompt tokens of the steps; `finish_due` says who has all its tokens.
        """
        memory, sequences, produced = self.memory, self.decoding.sequences, 0
        if self.room is not None:
            self.room.pass_steps(steps)
        if not self.held:
            produced = steps * sequences
            memory.grow(self.decoding.advance(steps))
            if memory.windows:
                memory.turn_over(self.decoding.turned_over)
        elif not self.waits.runs:
            self.waits.join(self.settled_at, sequences)
        self.settled_at = end
        if self.just_read:
            self.just_read.clear()
        if not self.prompts.prefills:
            return produced, 0
        prompt_tokens, complete = self.prompts.advance(steps)
        thrown_away = 0
        for prefill in complete:
            if self.transit is not None and self.transit.sends and self._more_to_come(prefill):
                self._hand_over(prefill, end, self.transit)
                thrown_away += self.transit.first_token == "decode"
            else:
                self._first_token(prefill, end)
        if self.held:
            self.waits.join(end, self.decoding.sequences - sequences)
        return produced + len(complete) - thrown_away, prompt_tokens

    def _more_to_come(self, prefill: Prefill) -> bool:
        """Whether the token that a complete prompt makes is not the last of its answer."""
        log, request = self._log, prefill.request
        return prefill.target + 1 < log.prompt_tokens[request] + log.output_tokens[request]

    def _hand_over(self, prefill: Prefill, end: float, transit: Transit) -> None:
        """A prompt is complete, and another pool decodes: the request leaves, and what it holds is kept for a copy."""
        request = prefill.request
        if transit.first_token == "prefill":
            self._resumed[request] = self._give_token(request, end), end
        transit.handed.add(request)
        self.leaving[request] = prefill.done, prefill.windowed
        self._owner.on_prefilled(request, prefill.chunk)

    def join_read(self, request: int, kept: Kept, now: float) -> None:
        """A request whose prompt was read elsewhere, and whose keys and values are here, decodes from its second token
        on."""
        transit, handovers = self.transit, self._log.handovers
        assert transit is not None
        assert handovers is not None
        if not self.decoding.sequences:
            self.settled_at = now
        if transit.first_token == "arrival":
            produced = self._give_token(request, now)
        else:
            produced, _ = self._resumed.pop(request)
        if transit.first_token == "prefill" or self.waits.runs:
            if not self.waits.runs:
                self.waits.join(self.settled_at, self.decoding.sequences)
            self.waits.join(now if transit.first_token == "arrival" else handovers.prefilled_at[request], 1)
        self.just_read.append(request)
        self._decode(request, kept.tokens, produced)

    def _decode(self, request: int, tokens: int, produced: int) -> None:
        """A request that has so many tokens in memory, and of its answer, decodes from the next step on."""
        self.decoding.join(request, tokens + 1)
        self.endings.expect(request, self.decoding.step + self._log.output_tokens[request] - produced)
        if self.room is not None:
            self.room.begin(request, produced, self.decoding.step)

    def _first_token(self, prefill: Prefill, end: float) -> None:
        """A prompt is complete: its step has sampled a token."""
        request = prefill.request
        produced = self._give_token(request, end)
        self.just_read.append(request)
        if produced == self._log.output_tokens[request]:
            self.leaving[request] = prefill.done, prefill.windowed
            self._end(request, end)
            return
        if self.memory.windows:
            self.memory.slide(prefill.windowed - self.memory.held_in_windows(prefill.target))
        self._decode(request, prefill.target, produced)

    def _give_token(self, request: int, at: float) -> int:
        """The token that reading a prompt has made is the first of its answer, or the next where some were given before
        its memory was lost; returns the number of tokens with it.
        """
        if self._resumed and request in self._resumed:
            had, last_at = self._resumed.pop(request)
            self._gaps.single(at - last_at)
            return had + 1
        log = self._log
        log.first_token_at[request] = log.last_token_at[request] = self._owner.streams_from(request, at)
        return 1

    def finish_due(self, end: float) -> None:
        """Those whose last token came with the step that ended at `end` are answered, and leave; prompts answered with
        one token are leaving already.
        """
        decoding, leaving, memory = self.decoding, self.leaving, self.memory
        due = self.endings.due(decoding)
        if due:
            for request in due:
                tokens = decoding.leave(request) - 1
                leaving[request] = tokens, memory.held_in_windows(tokens) if memory.windows else 0
            for request in due:
                self._end(request, end)
        if leaving and not self._ahead:
            self.let_go()

    def _end(self, request: int, end: float) -> None:
        """A request has all its tokens."""
        if self.room is not None:
            self.room.end(request)
        self._log.last_token_at[request] = out_at = self._owner.streams_until(request, end)
        self._owner.on_finished(request, out_at)

    def let_go(self) -> None:
        """Who leaves gives back seat and memory, first who was admitted first."""
        memory, leaving = self.memory, self.leaving
        if self.room is not None and leaving:
            self.room.full = False
        in_order: Iterable[int] = leaving
        if memory.caches and len(leaving) > 1:
            in_order = sorted(leaving, key=self._log.admission.__getitem__)
        for request in in_order:
            tokens, windowed = leaving[request]
            if self.transit is not None and request in self.transit.handed:
                self.transit.kept[request] = Kept(tokens, windowed, tokens)
                continue
            memory.give_back(request, tokens, windowed, ended=True)
            if self._reserves:
                memory.reserve(-self.blocks_at_end(request))
        leaving.clear()

    def let_released_go(self) -> None:
        """What was kept for others, and nobody needs any more, is given back."""
        transit = self.transit
        if transit is None or not transit.released:
            return
        for request in transit.released:
            transit.handed.discard(request)
            self._owner.on_released(request)
            kept = transit.kept.pop(request, None)
            if kept is None:
                continue  # it is leaving, and now gives back what it holds with the others
            self.memory.give_back(request, kept.tokens, kept.windowed, named_tokens=kept.named, ended=True)
            if self._reserves:
                self.memory.reserve(-self.blocks_at_end(request))
        transit.released.clear()

    # ---- losing memory --------------------------------------------------------------------------------------------

    def stop_decoding(self, request: int) -> None:
        """A decoding request gives way; it can go on from the tokens it has."""
        last_at = self.settled_at
        if self.waits.runs:
            position = next(i for i, each in enumerate(self.decoding.offset) if each == request)
            last_at = self.waits.since(position)
            self.waits.leave(position)
            self._gaps.open_s += self.settled_at - last_at
        context = self.decoding.leave(request)  # its next token would have attended to so many
        self.endings.forget(request, self.decoding.step + self.context_at_end(request) - context)
        produced = context - self._log.prompt_tokens[request]
        self._resumed[request] = (produced, last_at)
        if self.room is not None:
            self.room.end(request)

    def lose_memory(self) -> tuple[list[int], list[int]]:
        """Power is gone and all KV memory with it: the requests of the batch in order of admission, and those that held
        memory and no seat.
        """
        sequences, prefills = list(self.decoding.offset), self.prompts.prefills
        lost = [*sequences, *(prefill.request for prefill in prefills)]
        self.let_go()
        for request in sequences:
            tokens = self.computed(request)
            self.stop_decoding(request)
            self.memory.give_back(request, tokens, self.memory.held_in_windows(tokens))
        for prefill in prefills:
            self.memory.give_back(prefill.request, prefill.done, prefill.windowed)
        prefills.clear()
        self.waits = Waits()
        kept = self._lose_kept()
        self.memory.lose()
        return lost, kept

    def _lose_kept(self) -> list[int]:
        """Whoever held memory and no seat holds none; returns those who needed it still."""
        transit = self.transit
        if transit is None:
            return []
        self.let_released_go()
        lost = list(transit.kept)
        for request, kept in transit.kept.items():
            self.memory.give_back(request, kept.tokens, kept.windowed, named_tokens=kept.named, ended=True)
        transit.kept.clear()
        transit.handed.clear()
        transit.arrived.clear()
        return lost

    # ---- tokens of a request --------------------------------------------------------------------------------------

    def computed(self, request: int) -> int:
        """Tokens that a running request has in memory, when the steps before the one that is composed are done."""
        offset = self.decoding.offset.get(request)
        if offset is not None:
            return offset + self.decoding.step + self.steps_on - 1
        if request in self.leaving:
            return self.leaving[request][0]
        if self.transit is not None and request in self.transit.kept:
            return self.transit.kept[request].named
        prefill = self.prompts.of(request)
        return min(prefill.target, prefill.done + prefill.chunk * self.steps_on)

    def scheduled(self, request: int) -> int:
        """Tokens that a running request has in memory when the step that is being composed is done, too."""
        self.steps_on += 1
        tokens = self.computed(request)
        self.steps_on -= 1
        return tokens

    def context_at_end(self, request: int) -> int:
        """Prompt and output tokens: the context that the request would have one step after its last."""
        return self._log.prompt_tokens[request] + self._log.output_tokens[request]

    def blocks_at_end(self, request: int) -> int:
        """KV blocks that the request will hold at its last token."""
        return self.memory.held(self.context_at_end(request) - 1)
