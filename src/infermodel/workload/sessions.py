"""Questions that take many dependent calls: tool-using chains, best-of-n, tree search.

A pattern plans all calls of a question when it arrives, from a generator of its own: which calls wait for which, how
much of an earlier call's text each prompt begins with, and how long it is. So the numbers of a question depend neither
on how fast its calls are answered nor on what other questions draw. The simulation asks a `Session` for its
`first_calls()` and, whenever a call has its last token, for the `next_calls(...)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np

from infermodel.workload.arrivals import Arrivals, require_positive
from infermodel.workload.bodies import Streams
from infermodel.workload.lengths import Lengths
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import NO_PAUSE, ThinkTime

_IDS_OF_A_SESSION = 1 << 24  # block ids reserved for each session; those of number 0 are the shared system prompt's
_SESSIONS_AT_ONCE = 256  # arrival times drawn at once


@dataclass(frozen=True)
class PlannedCall:
    """A call of a plan; calls are numbered by their place in it.

    Attributes:
        after: the calls that must be answered first.
        wait_s: from the last of their answers until this call is sent (a tool at work).
        prefix_of: the call whose text (prompt, then output) the prompt begins with; None: the question's text.
        prefix_tokens: how many tokens of that text.
        prompt_tokens: length of the prompt, prefix included.
        output_tokens: length of the answer.
    """

    after: tuple[int, ...]
    wait_s: float
    prefix_of: int | None
    prefix_tokens: int
    prompt_tokens: int
    output_tokens: int


class Pattern(Protocol):
    """How a question is worked on."""

    def plan(self, question_tokens: int, generator: np.random.Generator) -> tuple[PlannedCall, ...]:
        """The calls of one question whose first prompt has `question_tokens`, earlier calls before later ones."""


@dataclass(frozen=True)
class Chain:
    """Calls one after the other, each reading everything before it: an agent with tools, or a chat of several turns.

    Attributes:
        calls: how many.
        output: tokens of each answer.
        added: tokens that a tool or the user adds to the text before each further call; None for nothing.
        wait: how long that takes.
    """

    calls: Lengths
    output: Lengths
    added: Lengths | None = None
    wait: ThinkTime = NO_PAUSE

    def plan(self, question_tokens: int, generator: np.random.Generator) -> tuple[PlannedCall, ...]:
        """The prompt of call k is the prompt and output of call k - 1 and what was added."""
        count = int(self.calls.draw(generator, 1)[0])
        outputs = self.output.draw(generator, count).tolist()
        added = self.added.draw(generator, count).tolist() if self.added else [0] * count
        waits = self.wait.draw(generator, count).tolist()
        planned = [PlannedCall((), 0.0, None, question_tokens, question_tokens, outputs[0])]
        for k in range(1, count):
            text = planned[-1].prompt_tokens + planned[-1].output_tokens
            planned.append(PlannedCall((k - 1,), waits[k], k - 1, text, text + added[k], outputs[k]))
        return tuple(planned)


@dataclass(frozen=True)
class BestOf:
    """n answers to the same prompt at once; then, if asked for, one call that reads them all and decides.

    Attributes:
        answers: n.
        output: tokens of each answer.
        verdict: tokens of the deciding call's answer; None where deciding takes no call (majority, a checker).
    """

    answers: int
    output: Lengths
    verdict: Lengths | None = None

    def __post_init__(self) -> None:
        require_positive("answers", self.answers)

    def plan(self, question_tokens: int, generator: np.random.Generator) -> tuple[PlannedCall, ...]:
        """The deciding prompt is the question followed by all answers."""
        outputs = self.output.draw(generator, self.answers).tolist()
        planned = [PlannedCall((), 0.0, None, question_tokens, question_tokens, tokens) for tokens in outputs]
        if self.verdict:
            verdict = int(self.verdict.draw(generator, 1)[0])
            prompt = question_tokens + sum(outputs)
            planned.append(PlannedCall(tuple(range(self.answers)), 0.0, None, question_tokens, prompt, verdict))
        return tuple(planned)


@dataclass(frozen=True)
class TreeSearch:
    """Partial answers grown level by level: each kept one is continued `width` times, then the best are kept.

    A level starts when the whole level before it is answered, since keeping the best needs them all (beam search over
    thoughts, Yao et al., 2023). Which are best is random here: their lengths are all that matters.

    Attributes:
        depth: levels.
        width: continuations of each kept answer; the first level has `width` calls.
        keep: answers kept of each level.
        output: tokens of each continuation.
    """

    depth: int
    width: int
    keep: int
    output: Lengths

    def __post_init__(self) -> None:
        for name, value in (("depth", self.depth), ("width", self.width), ("keep", self.keep)):
            require_positive(name, value)

    def plan(self, question_tokens: int, generator: np.random.Generator) -> tuple[PlannedCall, ...]:
        """The prompt of a continuation is the prompt and output of the answer it continues."""
        outputs = self.output.draw(generator, self.width).tolist()
        planned = [PlannedCall((), 0.0, None, question_tokens, question_tokens, tokens) for tokens in outputs]
        level = range(len(planned))
        for _ in range(1, self.depth):
            kept = sorted(generator.choice(level, size=min(self.keep, len(level)), replace=False).tolist())
            outputs = iter(self.output.draw(generator, len(kept) * self.width).tolist())
            first, after = len(planned), tuple(level)
            for parent in kept:
                text = planned[parent].prompt_tokens + planned[parent].output_tokens
                planned += [
                    PlannedCall(after, 0.0, parent, text, text, tokens) for tokens in islice(outputs, self.width)
                ]
            level = range(first, len(planned))
        return tuple(planned)


@dataclass(frozen=True)
class Call:
    """A call that is to be sent.

    Attributes:
        session: number of its question, from 1.
        number: its place in the plan.
        sent_at: seconds; when the client sends it.
        prompt_tokens: length of the prompt.
        output_tokens: length of the answer.
        block_hashes: ids of the full blocks of prompt and output: a later prompt that begins with this text has the
            same ids, so what was computed for it can be reused.
    """

    session: int
    number: int
    sent_at: float
    prompt_tokens: int
    output_tokens: int
    block_hashes: tuple[int, ...]


@dataclass
class _Barrier:
    """Calls that are sent when certain others are all answered.

    Attributes:
        waits_for: of those others, how many are not.
        ready_at: when the latest of the answers so far came.
        followers: the calls that wait.
    """

    waits_for: int
    ready_at: float
    followers: list[int] = field(default_factory=list)


class Session:
    """A question under way."""

    def __init__(
        self,
        number: int,
        arrived_at: float,
        question_tokens: int,
        plan: Sequence[PlannedCall],
        *,
        system_tokens: int = 0,
        block_tokens: int = 16,
    ) -> None:
        """A session of the given plan.

        Args:
            number: from 1, different for each session.
            arrived_at: when the question was asked, seconds.
            question_tokens: length of the question's text, system prompt included.
            plan: its calls.
            system_tokens: leading tokens of the question's text that all sessions have in common.
            block_tokens: tokens of a block that has an id.
        """
        self.number, self.arrived_at, self.plan = number, arrived_at, tuple(plan)
        self._block_tokens = block_tokens
        self._barriers_of: list[list[_Barrier]] = [[] for _ in self.plan]
        barriers: dict[int, _Barrier] = {}  # by the tuple of calls: all that wait for a level share the level's
        for call, planned in enumerate(self.plan):
            if id(planned.after) not in barriers:
                barriers[id(planned.after)] = barrier = _Barrier(len(planned.after), arrived_at)
                for earlier in planned.after:
                    self._barriers_of[earlier].append(barrier)
            barriers[id(planned.after)].followers.append(call)
        self._next_id = number * _IDS_OF_A_SESSION
        shared = system_tokens // block_tokens
        self._question_ids: tuple[int, ...] = (*range(shared), *self._fresh(question_tokens // block_tokens - shared))
        self._ids: dict[int, tuple[int, ...]] = {}
        self._unanswered = len(self.plan)

    @property
    def answered(self) -> bool:
        """Every call has been."""
        return self._unanswered == 0

    def first_calls(self) -> list[Call]:
        """The calls that wait for no other; sent when the question arrives."""
        return [self._call(number, self.arrived_at) for number, planned in enumerate(self.plan) if not planned.after]

    def next_calls(self, call: Call, finished_at: float) -> list[Call]:
        """The calls that may be sent now that `call` has its last token; to be told once for each call."""
        self._unanswered -= 1
        due: list[tuple[int, float]] = []
        for barrier in self._barriers_of[call.number]:
            barrier.waits_for -= 1
            barrier.ready_at = max(barrier.ready_at, finished_at)
            if barrier.waits_for == 0:
                due += [(number, barrier.ready_at) for number in barrier.followers]
        ready = [self._call(number, ready_at) for number, ready_at in sorted(due)]
        if self.answered:  # nothing will read the text again
            self._question_ids = ()
            self._ids.clear()
        return ready

    def _call(self, number: int, ready_at: float) -> Call:
        planned = self.plan[number]
        source = self._question_ids if planned.prefix_of is None else self._ids[planned.prefix_of]
        known = source[: planned.prefix_tokens // self._block_tokens]
        blocks = (planned.prompt_tokens + planned.output_tokens) // self._block_tokens
        self._ids[number] = (*known, *self._fresh(blocks - len(known)))
        return Call(
            self.number,
            number,
            ready_at + planned.wait_s,
            planned.prompt_tokens,
            planned.output_tokens,
            self._ids[number],
        )

    def _fresh(self, count: int) -> range:
        first, self._next_id = self._next_id, self._next_id + count
        return range(first, self._next_id)


@dataclass(frozen=True)
class SessionTraffic:
    """Questions that arrive, each worked on by a pattern of calls.

    Attributes:
        arrivals: law of the questions' arrival times, stream `arrivals`.
        question: tokens of a question, system prompt not included.
        pattern: how it is worked on.
        system_tokens: a system prompt that all questions begin with.
        block_tokens: tokens of a block that can be reused; the engine's own block size, or a multiple of it.
    """

    arrivals: Arrivals
    question: Lengths
    pattern: Pattern
    system_tokens: int = 0
    block_tokens: int = 16

    def __post_init__(self) -> None:
        require_positive("block_tokens", self.block_tokens)
        if self.system_tokens < 0:
            raise ValueError(f"system_tokens must not be negative, not {self.system_tokens}")

    def sessions(self, streams: Streams) -> Iterator[Session]:
        """Questions in order of arrival; each draws from a generator of its own, children of the stream `session`.

        The question's length is its first draw, so another pattern is given the same questions.
        """
        parent = streams("session")
        number = 0
        for arrived_at in self.arrivals.blocks(streams("arrivals"), _SESSIONS_AT_ONCE):
            for at, generator in zip(arrived_at.tolist(), parent.spawn(len(arrived_at)), strict=True):
                number += 1
                tokens = self.system_tokens + int(self.question.draw(generator, 1)[0])
                yield Session(
                    number,
                    at,
                    tokens,
                    self.pattern.plan(tokens, generator),
                    system_tokens=self.system_tokens,
                    block_tokens=self.block_tokens,
                )


def requests_of_calls(calls: Sequence[Call], block_tokens: int) -> Requests:
    """Calls as columns, in the order given; `block_tokens` is the session traffic's."""
    count = len(calls)
    return Requests(
        arrived_at=np.array([call.sent_at for call in calls], dtype=np.float64),
        prompt_tokens=np.array([call.prompt_tokens for call in calls], dtype=np.int64),
        output_tokens=np.array([call.output_tokens for call in calls], dtype=np.int64),
        priority=np.zeros(count, dtype=np.int64),
        prompt_id=np.full(count, -1, dtype=np.int64),
        block_hashes=tuple(call.block_hashes for call in calls),
        hash_block_tokens=block_tokens,
    )
