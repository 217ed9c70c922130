"""The gate of engines that keep memory free for a share of the answers that are still to come (SGLang 0.5.23).

Whoever waits is let in if all of its prompt, all of its answer as far as it is asked for, and a share of what the
running requests may still produce fit the memory together. The share sinks with every step of decoding; when memory
runs out all the same, it is set to what would have been right (`NewTokenRatioTracker`, `PrefillAdder`).
"""

from __future__ import annotations

from heapq import heappop, heappush

from infermodel.simulation.memory.ledger import blocks
from infermodel.simulation.memory.memory import Memory
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.spec import AnswerShare


class AnswersToCome:
    """Tokens that the running requests may still produce together, none of them reckoned beyond `longest`.

    A request that has `rest` tokens to go at some step has one less at the next, so what is kept of it is the step at
    which it has none: the sum needs no visit to anybody.

    >>> answers = AnswersToCome(longest=10)
    >>> answers.join(0, rest=4, step=0); answers.join(1, rest=25, step=0)
    >>> answers.total(0), answers.total(3), answers.total(20)  # 4 + 10, 1 + 10, and 25 - 20 of the second alone
    (14, 11, -11)
    >>> answers.leave(0); answers.total(20)
    5
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._ends: dict[int, int] = {}  # of each request: the step at which it would have no tokens to go
        self._long: dict[int, int] = {}  # of those that have more to go than `longest`: until which step
        self._heap: list[tuple[int, int]] = []
        self._sum = 0  # of the ends of the others

    def join(self, request: int, rest: int, step: int) -> None:
        """A request begins to decode at `step` and has so many tokens to go."""
        self._ends[request] = end = step + rest
        if rest > self._longest:
            self._long[request] = end - self._longest
            heappush(self._heap, (end - self._longest, request))
        else:
            self._sum += end

    def leave(self, request: int) -> None:
        """It decodes no more; nothing where it never did."""
        end = self._ends.pop(request, None)
        if end is None:
            return
        if self._long.pop(request, None) is None:
            self._sum -= end

    def hurry(self, request: int, tokens: int, step: int) -> None:
        """It has got further tokens, beside the one of each step."""
        rest = self._ends[request] - tokens - step
        self.leave(request)
        self.join(request, rest, step)

    def total(self, step: int) -> int:
        """Tokens to go, at `step`."""
        heap, long = self._heap, self._long
        while heap and heap[0][0] <= step:
            until, request = heappop(heap)
            if long.get(request) == until:
                del long[request]
                self._sum += self._ends[request]
        return self._sum - step * (len(self._ends) - len(long)) + self._longest * len(long)


class AnswerRoom:
    """Memory that is kept free for answers, and so whether the head of the queue is let in.

    Attributes:
        full: somebody was turned away; nobody is let in until somebody leaves.
        decodes_alone: the planned steps are decoding alone, and nobody had to give way for them.

    Args:
        figures: of the share.
        requested_output: tokens that each request asks for at least, all that the scheduler knows of its answer.
        memory: of the replica.
        log: columns of the requests.
    """

    def __init__(self, figures: AnswerShare, requested_output: int, memory: Memory, log: RequestLog) -> None:
        self.full = self.decodes_alone = False
        self._to_come = AnswersToCome(figures.longest)
        self._figures, self._requested_output, self._memory, self._log = figures, requested_output, memory, log
        self._sinks = (figures.first - figures.least) / figures.steps
        self._share, self._sunk = figures.first, 0  # as it was set last, and steps of decoding since
        self._spoken_for = 0.0  # tokens that nobody else may count on in the step that is composed

    def share(self) -> float:
        """Of the answers to come that is kept free now."""
        return max(self._share - self._sunk * self._sinks, self._figures.least) if self._sunk else self._share

    # ---- what the running requests do -----------------------------------------------------------------------------

    def asked(self, request: int) -> int:
        """Tokens that a request asks for: as many as its answer has, or what all ask for."""
        return max(self._log.output_tokens[request], self._requested_output)

    def begin(self, request: int, produced: int, step: int) -> None:
        """A request decodes from `step` on and has got so many tokens of its answer."""
        self._to_come.join(request, self.asked(request) - produced, step)

    def hurry(self, request: int, tokens: int, step: int) -> None:
        """A request has got further tokens, beside the one of each step."""
        self._to_come.hurry(request, tokens, step)

    def end(self, request: int) -> None:
        """A request decodes no more."""
        self._to_come.leave(request)

    def pass_steps(self, steps: int) -> None:
        """So many of the planned steps have been done: the share sinks with those of decoding alone."""
        if self.decodes_alone:
            self._sunk += steps

    # ---- the share ------------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Nobody runs and nobody waits: the share is as at first."""
        self._share, self._sunk = self._figures.first, 0

    def gave_way(self, produced: int, asked: int, requests: int) -> None:
        """Memory ran out; those who stay have produced so many tokens together of those that they asked for."""
        self._share = min(1.0, (produced + self._figures.steps_ahead * requests) / (asked + 1))
        self._sunk = 0

    def compose(self, step: int, decoding: int) -> None:
        """A step is composed after `step` steps of decoding; `decoding` sequences may get a token in it as well."""
        self._spoken_for = decoding + self._to_come.total(step) * self.share()

    def left(self) -> float:
        """Tokens of memory that nobody counts on."""
        return self._tokens(self._memory.free) - self._spoken_for

    def take(self, chunk: int, answer: int) -> None:
        """The step takes so many tokens of a prompt, and with its last ones its answer counts."""
        block = self._memory.block_tokens
        self._spoken_for += (blocks(chunk, block) + 1) * block + min(answer, self._figures.longest)

    def admits(self, held: int, rest: int, to_come: int) -> bool:
        """Whether a request may come in that needs `rest` tokens of its prompt computed and has `to_come` of its answer
        to go; holding what it finds takes `held` blocks that are free."""
        tokens = rest + min(to_come, self._figures.longest) + self._memory.block_tokens
        return tokens < self.left() - self._tokens(held)

    def _tokens(self, count: int) -> int:
        """Of so many blocks, where every group of layers takes one."""
        return count // self._memory.groups * self._memory.block_tokens
