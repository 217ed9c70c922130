"""Every claim of a scenario, checked, answered and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from infermodel.claims.answers import ask, at_capacity, slips
from infermodel.claims.evidence import BadClaim, Evidence
from infermodel.claims.verdict import NOT_SIMULATED, RELATIONS, Relation, judge
from infermodel.experiment import Capacity, Result, Verdict
from infermodel.scenario import Scenario, ScenarioError, ScenarioErrors
from infermodel.scenario.errors import did_you_mean, named
from infermodel.scenario.schema.scenario import Claim
from infermodel.units import UnitError, scale

COUNTS = frozenset({"", "x", "GPU", "systems", "requests", "share", "tokens", "parameters", "bit"})
"""Units of claims that are plain numbers."""

BESIDE = ("group", "because", "relation", "within")
"""What an answer may hold beside its question."""


def check_claims(scenario: Scenario) -> None:
    """Find what cannot be asked, before anything runs.

    Raises:
        ScenarioErrors: unknown questions or arguments, units that are none, each at its place.
    """
    services = [service.name for service in scenario.services]
    document, errors = scenario.document, list[ScenarioError]()
    for i, claim in enumerate(scenario.claims):
        at = ("claims", i, "answer")
        answer = dict(claim.answer or {})
        question, beside = _parted(answer)
        relation, within = beside.get("relation", "about"), beside.get("within", 0.15)
        if relation not in RELATIONS:
            suggestion = did_you_mean(str(relation), RELATIONS)
            errors.append(document.error((*at, "relation"), f"no relation named {named(relation)}", suggestion))
        if isinstance(within, bool) or not isinstance(within, int | float) or not 0 < within < 1:
            errors.append(document.error((*at, "within"), f"expected a share below 1, got {named(within)}"))
        for slip in slips(question, services):
            errors.append(document.error((*at, *slip.path), slip.message, slip.suggestion))
        try:
            unit_size(claim.unit)
        except UnitError as error:
            errors.append(document.error(("claims", i, "unit"), str(error)))
        if question and claim.published is None:
            errors.append(document.error(("claims", i), "a question without a published figure", at_key=True))
    if errors:
        raise ScenarioErrors(errors)


def services_at_capacity(claims: Sequence[Claim]) -> frozenset[str]:
    """Names of the services whose capacity some claim asks for."""
    return frozenset(name for claim in claims for name in at_capacity(_parted(dict(claim.answer or {}))[0]))


def answer_claims(result: Result, capacities: Mapping[str, Capacity]) -> tuple[Verdict, ...]:
    """Answer the scenario's claims in their order.

    Raises:
        BadClaim: a claim asks for something that is not there.
    """
    evidence = Evidence(result, capacities)
    return tuple(answer_claim(evidence, claim) for claim in result.scenario.claims)


def answer_claim(evidence: Evidence, claim: Claim) -> Verdict:
    """One claim. Beside its question an answer may hold `relation`, `within`, `group` and `because`, a sentence."""
    question, beside = _parted(dict(claim.answer or {}))
    group, because = str(beside.get("group", "")), str(beside.get("because", ""))
    if not question or claim.published is None:
        return _verdict(claim, group, NOT_SIMULATED, because or "no result answers it")
    try:
        answer = ask(evidence, question)
    except BadClaim as bad:
        raise BadClaim(f"claim {claim.id}: {bad}") from None
    unit, wanted = unit_size(claim.unit), str(beside.get("relation", "about"))
    relation: Relation = next((each for each in RELATIONS if each == wanted), "about")
    published = claim.published * unit
    words = judge(published, answer, relation, float(beside.get("within", 0.15)))
    known = not isnan(answer.value)
    return _verdict(
        claim,
        group,
        words,
        "; ".join(filter(None, (answer.reason, because))),
        modelled=answer.value / unit if known else None,
        ratio=answer.value / published if known else None,
        low=answer.low / unit,
        high=answer.high / unit,
        bounds={name: value / unit for name, value in answer.bounds.items()},
    )


def _parted(answer: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The question, and what stands beside it."""
    return (
        {key: value for key, value in answer.items() if key not in BESIDE},
        {key: value for key, value in answer.items() if key in BESIDE},
    )


def _verdict(
    claim: Claim,
    group: str,
    words: str,
    reason: str,
    *,
    modelled: float | None = None,
    ratio: float | None = None,
    low: float | None = None,
    high: float | None = None,
    bounds: Mapping[str, float] | None = None,
) -> Verdict:
    return Verdict(
        id=claim.id,
        statement=claim.statement,
        published=claim.published,
        unit=claim.unit,
        modelled=modelled,
        ratio=ratio,
        used_to_fit=claim.used_to_fit,
        verdict=words,
        reason=reason,
        source=claim.source,
        group=group,
        low=low,
        high=high,
        bounds=bounds or {},
    )


def unit_size(unit: str) -> float:
    """One of the claim's unit in SI.

    >>> unit_size("TB/s"), unit_size("x")
    (1000000000000.0, 1.0)
    """
    return 1.0 if unit in COUNTS else float(scale(unit)[0])
