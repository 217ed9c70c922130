"""From a modelled figure and a published one to a verdict: one rule for all claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isnan
from typing import Literal

Relation = Literal["about", "at least", "at most"]
RELATIONS: tuple[Relation, ...] = ("about", "at least", "at most")

FOLLOWS = "follows"
ONLY_IF = "follows only if"
DOES_NOT_FOLLOW = "does not follow"
UNKNOWN = "cannot be known"
NOT_SIMULATED = "cannot be simulated"


@dataclass(frozen=True)
class Answer:
    """What the model says, in the unit of the claim.

    Attributes:
        value: the figure; NaN where public figures do not determine one.
        low, high: where the uncertain constants put it; equal to `value` where nothing is uncertain.
        reason: a sentence with the figures behind it.
        condition: what has to be so for the figure to be reached, completing "follows only if ...".
        bounds: other readings by name.
    """

    value: float
    low: float
    high: float
    reason: str
    condition: str = ""
    bounds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def exactly(cls, value: float, reason: str) -> Answer:
        """A figure that follows from sourced ones by arithmetic."""
        return cls(value, value, value, reason)

    @classmethod
    def from_worst_to_best(cls, cases: Mapping[str, float], reason: str, condition: str) -> Answer:
        """Several cases, of which more is better: the claim follows if the worst will do.

        `{case}` in the condition stands for the best one's name.

        >>> Answer.from_worst_to_best({"8B": 109, "70B": 11}, "", "requests are short and of {case}").condition
        'requests are short and of 8B'
        """
        best = max(cases, key=lambda case: cases[case])
        return cls(min(cases.values()), min(cases.values()), cases[best], reason, condition.format(case=best), cases)


def judge(published: float, answer: Answer, relation: Relation = "about", within: float = 0.15) -> str:
    """Hold a published figure against the model.

    `about`: the modelled figure lies within the share `within` of the published one. `at least`, `at most`: the
    modelled figure is that or better. Where only one end of the uncertainty agrees, it follows under a condition.

    >>> judge(450, Answer(472, 400, 500, ""))
    'follows'
    >>> judge(0.10, Answer(0.22, 0.10, 0.52, "", "a system costs 0.45 MUSD"), "at most")
    'follows only if a system costs 0.45 MUSD'
    >>> judge(2100, Answer(472, 400, 500, ""))
    'does not follow'
    """
    if isnan(answer.value):
        return UNKNOWN
    lowest, highest = {
        "about": (published * (1 - within), published * (1 + within)),
        "at least": (published, inf),
        "at most": (-inf, published),
    }[relation]
    slack = 1e-9 * abs(published)
    if lowest - slack <= answer.value <= highest + slack:
        return FOLLOWS
    if answer.low <= highest + slack and answer.high >= lowest - slack:
        return f"{ONLY_IF} {answer.condition or 'uncertain constants are at one end of their ranges'}"
    return DOES_NOT_FOLLOW
