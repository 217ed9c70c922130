"""What services whose systems fail deliver over months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from infermodel.answers.answer import Answer, Part, Rows
from infermodel.answers.words import figure, time
from infermodel.metrics.schema import Column, columns, row
from infermodel.search.availability import DownState, Months, MonthsSummary


@dataclass(frozen=True, repr=False, eq=False)
class MonthsAnswer(Answer):
    """Availability and attainment over months.

    Attributes:
        asked: title of the scenario.
        services: whose systems fail.
    """

    asked: str
    services: Sequence[Months]

    main: ClassVar[str] = "months"

    @property
    def title(self) -> str:
        """Of the scenario."""
        return self.asked

    @property
    def rows(self) -> Mapping[str, Rows]:
        """`months`: a row a service; `states`: a row for each number of its systems down."""
        return {
            "months": [row(each.summary) for each in self.services],
            "states": [row(state) for each in self.services for state in each.states],
        }

    def columns(self, name: str) -> Sequence[Column]:
        """Of a table."""
        return columns(MonthsSummary if name == "months" else DownState)

    @property
    def parts(self) -> Sequence[Part]:
        """Each service over months, and in each state."""
        heads = (
            "service", "systems", "spares", "available", "all up", "objectives hold", "requests within",
            "with all up", "failures/month", "USD/h", "lost", "USD/Mtok within",
        )  # fmt: skip
        months = [heads, *(_month(each.summary) for each in self.services)]
        states = [
            ("service", "down", "of the time", "h/month", "requests within", "objectives", "TTFT p99", "tokens/min"),
            *(_state(state) for each in self.services for state in each.states),
        ]
        return [self.title, "Over months:", months, "With so many systems down:", states]


def _month(each: MonthsSummary) -> tuple[str, ...]:
    shares = (each.availability, each.all_up, each.holds, each.attainment, each.attainment_all_up)
    return (
        each.service,
        str(each.systems),
        str(each.spares),
        *map(percent, shares),
        f"{each.failures_a_month:.3g}",
        *map(figure, (each.usd_per_h, each.usd_per_h_lost, each.usd_per_mtok_within)),
    )


def _state(each: DownState) -> tuple[str, ...]:
    verdict = "met" if each.objectives_met else "missed"
    told = percent(each.attainment), verdict, time(each.ttft_p99_s), figure(each.tpm)
    shown = told if each.played else ("nothing", "missed", "-", "-")
    return each.service, each.by_pool or str(each.down), percent(each.share), f"{each.hours_a_month:.3g}", *shown


def percent(share: float) -> str:
    """A share with as many nines as it has.

    >>> percent(0.5), percent(0.99987)
    ('50.0000 %', '99.9870 %')
    """
    return f"{100 * share:.4f} %"
