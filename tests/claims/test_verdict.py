"""One rule from figures to verdicts, and the questions whose answers a reader can work by hand."""

from __future__ import annotations

from math import nan

import pytest

from infermodel.claims.answers import ask
from infermodel.claims.evidence import BadClaim, Evidence, largest
from infermodel.claims.verdict import Answer, judge

NOTHING = Evidence(None, {})


@pytest.mark.parametrize(
    ("published", "value", "low", "high", "relation", "expected"),
    [
        (100, 115, 115, 115, "about", "follows"),
        (100, 116, 116, 116, "about", "does not follow"),
        (100, 85, 85, 85, "about", "follows"),
        (100, 200, 110, 300, "about", "follows only if so"),
        (100, 200, 116, 300, "about", "does not follow"),
        (4, 4, 4, 5, "at least", "follows"),
        (4, 3, 3, 5, "at least", "follows only if so"),
        (4, 3, 3, 3.9, "at least", "does not follow"),
        (0.1, 0.09, 0.05, 0.5, "at most", "follows"),
        (0.1, 0.2, 0.1, 0.5, "at most", "follows only if so"),
        (0.1, 0.2, 0.11, 0.5, "at most", "does not follow"),
        (1, nan, nan, nan, "about", "cannot be known"),
    ],
)
def test_verdicts(published: float, value: float, low: float, high: float, relation: str, expected: str) -> None:
    assert judge(published, Answer(value, low, high, "", "so"), relation) == expected


def test_weights_of_70b_and_the_bandwidth_they_ask_for() -> None:
    # 70,553,706,496 parameters (published config) x 2 bytes; ten times a second.
    assert ask(NOTHING, {"weights": {"model": "llama-3.1-70b"}}).value == 141_107_412_992
    rate = ask(NOTHING, {"weight_bandwidth": {"model": "llama-3.1-70b", "speed": 10}}).value
    assert rate == pytest.approx(1.41107412992e12)


def test_a_wafer_has_six_thousand_times_the_bandwidth_of_an_h100() -> None:
    one = {"device": {"device": "wse-3", "field": "memory_bandwidth"}}
    other = {"device": {"device": "h100-sxm", "field": "memory_bandwidth"}}
    assert ask(NOTHING, {"ratio": {"of": one, "to": other}}).value == pytest.approx(21e15 / 3.35e12)


def test_70b_needs_four_wafers_and_two_h100() -> None:
    assert ask(NOTHING, {"devices_needed": {"model": "llama-3.1-70b", "system": "cs-3"}}).value == 4
    assert ask(NOTHING, {"devices_needed": {"model": "llama-3.1-70b", "system": "dgx-h100"}}).value == 2


def test_20b_on_one_wafer_takes_91_per_cent_of_it() -> None:
    answer = ask(NOTHING, {"memory_share": {"system": "cs-3", "parameters": 20e9}})
    assert "91% of the memory" in answer.condition  # 40 / 44
    assert judge(1, answer, "at most").startswith("follows only if")


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(BadClaim, match="an answer names one of"):
        ask(NOTHING, {"velocity": {}})
    with pytest.raises(BadClaim, match="weights needs 'model'"):
        ask(NOTHING, {"weights": {}})


def test_largest() -> None:
    assert largest(100, lambda n: n * n <= 50) == 7
    assert largest(100, lambda n: False) == 0
    assert largest(100, lambda n: True) == 100
