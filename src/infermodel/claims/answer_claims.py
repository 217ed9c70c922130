"""Every claim of a scenario, answered and judged."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from infermodel.claims.answers import ask
from infermodel.claims.evidence import BadClaim, Evidence
from infermodel.claims.verdict import NOT_SIMULATED, RELATIONS, Relation, judge
from infermodel.experiment import Capacity, Result, Verdict
from infermodel.scenario.schema.scenario import Claim
from infermodel.units import scale

COUNTS = frozenset({"", "x", "GPU", "systems", "requests", "share", "tokens", "parameters"})
"""Units of claims that are plain numbers."""


def answer_claims(result: Result, capacities: Mapping[str, Capacity]) -> tuple[Verdict, ...]:
    """Answer the scenario's claims in their order.

    Raises:
        BadClaim: a claim asks for something that is not there.
    """
    evidence = Evidence(result, capacities)
    return tuple(answer_claim(evidence, claim) for claim in result.scenario.claims)


def answer_claim(evidence: Evidence, claim: Claim) -> Verdict:
    """One claim. Beside its question an answer may hold `relation`, `within`, `group` and `because`, a sentence."""
    question = dict(claim.answer or {})
    group, because = str(question.pop("group", "")), str(question.pop("because", ""))
    relation, within = str(question.pop("relation", "about")), float(question.pop("within", 0.15))
    if relation not in RELATIONS:
        raise BadClaim(f"claim {claim.id}: relation is one of {', '.join(RELATIONS)}, not {relation!r}")
    if not question:
        return _verdict(claim, None, NOT_SIMULATED, because or "no result answers it", group)
    try:
        answer = ask(evidence, question)
    except BadClaim as bad:
        raise BadClaim(f"claim {claim.id}: {bad}") from None
    unit = unit_size(claim.unit)
    named: Relation = next(each for each in RELATIONS if each == relation)
    published = None if claim.published is None else claim.published * unit
    words = judge(published, answer, named, within) if published is not None else "follows"
    reason = "; ".join(filter(None, (answer.reason, because)))
    return Verdict(
        id=claim.id,
        statement=claim.statement,
        published=claim.published,
        unit=claim.unit,
        modelled=None if isnan(answer.value) else answer.value / unit,
        ratio=None if published is None or isnan(answer.value) else answer.value / published,
        used_to_fit=claim.used_to_fit,
        verdict=words,
        reason=reason,
        source=claim.source,
        group=group,
        low=answer.low / unit,
        high=answer.high / unit,
        bounds={name: value / unit for name, value in answer.bounds.items()},
    )


def _verdict(claim: Claim, modelled: float | None, words: str, reason: str, group: str) -> Verdict:
    return Verdict(
        id=claim.id,
        statement=claim.statement,
        published=claim.published,
        unit=claim.unit,
        modelled=modelled,
        ratio=None,
        used_to_fit=claim.used_to_fit,
        verdict=words,
        reason=reason,
        source=claim.source,
        group=group,
    )


def unit_size(unit: str) -> float:
    """One of the claim's unit in SI.

    >>> unit_size("TB/s"), unit_size("x")
    (1000000000000.0, 1.0)
    """
    return 1.0 if unit in COUNTS else float(scale(unit)[0])
