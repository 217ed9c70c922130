"""What a report tells: a run, its capacities and its verdicts, with one look and one headline for each service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from infermodel.experiment.result import AnswerBand, Capacity, Economics, Result, ServiceResult, Verdict
from infermodel.metrics.summary import Summary
from infermodel.report.palette import Style, styles
from infermodel.report.stretches import Stretch, slices


@dataclass(frozen=True)
class Headline:
    """The load that a service is judged at: its capacity at the objectives where one is known, else the offered load.

    Attributes:
        at_capacity: which of the two.
    """

    service: ServiceResult
    summary: Summary
    economics: Economics
    at_capacity: bool

    @property
    def price_holds(self) -> bool:
        """Whether somebody would sign the price: at capacity always, at the offered load where its summary says so."""
        return self.at_capacity or self.summary.price_holds

    @property
    def name(self) -> str:
        """Of the service."""
        return self.service.summary.service


@dataclass(frozen=True)
class Findings:
    """Everything that pictures and page are made from."""

    result: Result
    capacities: Mapping[str, Capacity]
    verdicts: tuple[Verdict, ...]
    bands: tuple[AnswerBand, ...] = ()
    failures: Mapping[str, Summary] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        result: Result,
        capacities: Sequence[Capacity],
        verdicts: Sequence[Verdict],
        bands: Sequence[AnswerBand] = (),
        failures: Mapping[str, Summary] = MappingProxyType({}),
    ) -> Findings:
        """Capacities by the name of their service, and what each keeps with one system down, where that was played."""
        return cls(result, {each.service: each for each in capacities}, tuple(verdicts), tuple(bands), failures)

    @property
    def services(self) -> tuple[ServiceResult, ...]:
        """In the scenario's order."""
        return self.result.services

    @cached_property
    def styles(self) -> Mapping[str, Style]:
        """Look of each service."""
        names = [each.summary.service for each in self.services]
        return dict(
            zip(names, styles([each.service.decode_pool.system.device.name for each in self.services]), strict=True)
        )

    @cached_property
    def slices(self) -> Mapping[str, Sequence[Stretch]]:
        """What each service kept minute by minute, by its name."""
        return {each.summary.service: slices(each, self.result.window) for each in self.services}

    @cached_property
    def headlines(self) -> tuple[Headline, ...]:
        """One for each service."""
        found = []
        for each in self.services:
            capacity = self.capacities.get(each.summary.service)
            if capacity is not None and capacity.summary is not None and capacity.economics is not None:
                found.append(Headline(each, capacity.summary, capacity.economics, True))
            else:
                found.append(Headline(each, each.summary, each.economics, False))
        return tuple(found)

    def published_speed(self, service: str) -> float | None:
        """The output speed that a claim publishes for a service, where one names it."""
        named = {
            claim.id
            for claim in self.result.scenario.claims
            if claim.answer is not None
            and claim.answer.get("service") == service
            and str(claim.answer.get("value", "")).startswith("output_speed")
        }
        return next((each.published for each in self.verdicts if each.id in named and each.published), None)
