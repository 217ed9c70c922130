"""What questions of several calls come to on average: for guesses of a load, and for how long a run has to be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from infermodel.workload.sessions import PlannedCall, SessionTraffic

QUESTIONS = 512
"""Looked at: with lengths that vary as much as their mean, means are right within a few percent."""


@dataclass(frozen=True)
class TypicalCalls:
    """Means over questions.

    Attributes:
        calls: of a question.
        prompt_tokens, output_tokens: of a call.
        new_tokens: of its prompt, those that no earlier call has read or written.
        in_a_row: calls that wait for each other, on the longest way through a question.
        waits_s: seconds of tools at work, on the way with most of them.
    """

    calls: float
    prompt_tokens: float
    new_tokens: float
    output_tokens: float
    in_a_row: float
    waits_s: float


@lru_cache(maxsize=64)
def typical_calls(traffic: SessionTraffic) -> TypicalCalls:
    """Means over plans drawn from a generator of their own, the same ones every time."""
    generator = np.random.default_rng(0)
    tokens = traffic.question.draw(generator, QUESTIONS).tolist()
    plans = [traffic.pattern.plan(traffic.system_tokens + int(each), generator) for each in tokens]
    calls = [call for plan in plans for call in plan]
    ways = np.array([longest_way(plan) for plan in plans])
    in_a_row, waits_s = ways.mean(axis=0).tolist()
    return TypicalCalls(
        calls=len(calls) / QUESTIONS,
        prompt_tokens=sum(call.prompt_tokens for call in calls) / len(calls),
        new_tokens=sum(map(new_tokens, calls)) / len(calls),
        output_tokens=sum(call.output_tokens for call in calls) / len(calls),
        in_a_row=in_a_row,
        waits_s=waits_s,
    )


def new_tokens(call: PlannedCall) -> int:
    """Tokens of a call's prompt that no earlier call has computed: all of it where none was earlier."""
    return call.prompt_tokens - call.prefix_tokens if call.after else call.prompt_tokens


def longest_way(plan: tuple[PlannedCall, ...]) -> tuple[int, float]:
    """Most calls that wait for each other, and most seconds of tools between them.

    >>> first, tool = PlannedCall((), 0.0, None, 9, 9, 1), PlannedCall((0,), 2.0, 0, 10, 12, 1)
    >>> longest_way((first, tool, PlannedCall((0,), 5.0, 0, 10, 12, 1), PlannedCall((1,), 2.0, 1, 13, 15, 1)))
    (3, 5.0)
    """
    calls, waits_s = list[int](), list[float]()
    for call in plan:
        calls.append(1 + max((calls[earlier] for earlier in call.after), default=0))
        waits_s.append(call.wait_s + max((waits_s[earlier] for earlier in call.after), default=0.0))
    return max(calls), max(waits_s)
