"""Means over questions, by hand."""

from __future__ import annotations

import pytest

from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed, Uniform
from infermodel.workload.sessions import BestOf, Chain, SessionTraffic, TreeSearch
from infermodel.workload.traffic import ThinkTime
from infermodel.workload.typical_calls import TypicalCalls, typical_calls


def test_a_chain() -> None:
    """Prompts of 100, 130 and 160 tokens, of which 0, 110 and 140 are known; a tool of 2 s before two of the calls."""
    chain = Chain(Fixed(3), Fixed(10), Fixed(20), ThinkTime(2.0))
    assert typical_calls(SessionTraffic(Poisson(1.0), Fixed(100), chain)) == TypicalCalls(
        calls=3, prompt_tokens=130, new_tokens=pytest.approx(140 / 3), output_tokens=10, in_a_row=3, waits_s=4.0
    )


def test_answers_at_once_and_a_verdict() -> None:
    """Four prompts of 100 tokens; one of 140, which knows the question, 100 tokens whole."""
    best = BestOf(4, Fixed(10), Fixed(5))
    found = typical_calls(SessionTraffic(Poisson(1.0), Fixed(90), best, system_tokens=10))
    assert (found.calls, found.prompt_tokens, found.output_tokens) == (5, 108, 9)
    assert (found.in_a_row, found.waits_s) == (2, 0)


def test_a_tree() -> None:
    """3 calls, then 2 kept x 3: two levels."""
    found = typical_calls(SessionTraffic(Poisson(1.0), Fixed(90), TreeSearch(2, 3, 2, Fixed(10))))
    assert (found.calls, found.prompt_tokens, found.in_a_row) == (9, pytest.approx((3 * 90 + 6 * 100) / 9), 2)


def test_lengths_that_vary_are_averaged() -> None:
    found = typical_calls(SessionTraffic(Poisson(1.0), Uniform(1, 999), BestOf(8, Uniform(1, 199))))
    assert found.prompt_tokens == pytest.approx(500, rel=0.06)
    assert found.output_tokens == pytest.approx(100, rel=0.03)
