"""What a run answers: the shapes that the report, the searches and the claims share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Literal

from infermodel.economics.band import Band
from infermodel.economics.fleet import HourlyCost
from infermodel.economics.tokens import Split
from infermodel.metrics.fleets import FleetSummary
from infermodel.metrics.handover import HandoverSummary
from infermodel.metrics.laws import CheckedLaw
from infermodel.metrics.questions import QuestionSummary
from infermodel.metrics.schema import column
from infermodel.metrics.steady import Window
from infermodel.metrics.summary import Summary
from infermodel.metrics.tenants import TenantSummary
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.tables import ServiceRecord
from infermodel.workload.traffic import ClosedTraffic


@dataclass(frozen=True)
class Economics:
    """Dollars of a service at one load.

    Attributes:
        hourly: parts and total, USD/h.
        blended_usd_per_mtok: dollars of the window, idle time included, over billed tokens at the run's own mix.
        split: the same dollars shared out over input, cached input and output; None where nothing was delivered.
        mix_usd_per_mtok: at the quoted mix of input and output (3:1 unless the scenario says otherwise).
        list_usd_per_mtok: the list price at the run's own mix; None without a list price.
        margin: what is left of that list price.
        break_even_utilisation: share of this load that has to be sold at list price to pay the hour.
    """

    hourly: HourlyCost
    blended_usd_per_mtok: Band
    split: Split | None = None
    mix_usd_per_mtok: Band | None = None
    list_usd_per_mtok: float | None = None
    margin: Band | None = None
    break_even_utilisation: Band | None = None


@dataclass(frozen=True)
class ServiceResult:
    """One service of a run at the offered load.

    Attributes:
        record: of the first replication.
        summary: over all replications.
        tenants: what its keys got; empty where it has no rate limits.
        questions: what its questions came to; None where its requests are no calls of any.
        handover: what requests waited for between its pools; None where it has one only.
        fleets: what it did if its systems fail or its replicas start and stop, and fixed fleets beside it.
    """

    service: ResolvedService
    record: ServiceRecord
    summary: Summary
    economics: Economics
    tenants: tuple[TenantSummary, ...] = ()
    questions: QuestionSummary | None = None
    handover: HandoverSummary | None = None
    fleets: tuple[FleetSummary, ...] = ()

    def headroom(self, capacity: Capacity | None) -> float:
        """How many times its offered load the service holds; NaN where its capacity is not known."""
        if capacity is None or capacity.summary is None:
            return nan
        traffic = self.service.traffic
        users = traffic.users if isinstance(traffic, ClosedTraffic) else 0
        return capacity.headroom(self.summary, users)


@dataclass(frozen=True)
class Result:
    """A run."""

    scenario: ResolvedScenario
    window: Window
    services: tuple[ServiceResult, ...]
    laws: tuple[CheckedLaw, ...]


@dataclass(frozen=True)
class AnswerBand:
    """An answer at the offered load with the catalog's constants, and where it lies in 90 % of the draws; NaN where it
    is withheld.
    """

    service: str = column("", "name of the service")
    answer: str = column("", "column of summary.csv")
    value: float = column("as there", "with the catalog's constants")
    low: float = column("as there", "percentile 5 over the draws of the uncertain constants")
    high: float = column("as there", "percentile 95 over the draws")
    draws: int = column("", "behind the band; in the others the model does not fit, or the answer is withheld")


@dataclass(frozen=True)
class CapacityPoint:
    """A load that the search tried.

    Attributes:
        load: requests/s, or users in closed loops.
        sustained: whether every objective was met; None where the replications decide neither way.
        reason: which objective was missed, or why nobody can tell.
        economics: at this load.
        replications: behind the summary.
    """

    load: float
    summary: Summary
    sustained: bool | None
    reason: str
    economics: Economics
    replications: int = 1


@dataclass(frozen=True)
class Capacity:
    """The largest load at which a service keeps its objectives, as a bracket.

    Attributes:
        low: largest load found sustained; 0 where none is.
        high: smallest load found not sustained; infinite where none was found.
        summary, economics: at `low`; None where nothing is sustained.
        binding_objective: what is missed at `high`.
        binding_resource: what binds: front end, seats, token budget or KV memory, or what bounds the time at `low`:
            compute, memory, network, latency, host.
        points: every load tried, ascending.
        note: what a reader should know, such as an objective that no load can meet.
    """

    service: str
    unit: Literal["requests/s", "users"]
    low: float
    high: float
    summary: Summary | None
    economics: Economics | None
    binding_objective: str
    binding_resource: str
    points: tuple[CapacityPoint, ...]
    note: str = ""

    def headroom(self, offered: Summary, users: int = 0) -> float:
        """How many times the offered load the service holds, by the lower end of the bracket; NaN for no load.

        Args:
            offered: at the offered load.
            users: of a closed loop.
        """
        asked = users if self.unit == "users" else offered.offered_rpm / 60
        return self.low / asked if asked else nan


@dataclass(frozen=True)
class Verdict:
    """A published claim and what the model says of it.

    Attributes:
        low, high: of the modelled figure, from uncertain constants, where known.
        ratio: modelled / published.
        used_to_fit: whether a constant was fitted to this very figure, so that agreement proves nothing.
        bounds: other readings of the same question by name: naive roofline, no fitted speed, ...
    """

    id: str
    statement: str
    published: float | None
    unit: str
    modelled: float | None
    ratio: float | None
    used_to_fit: bool
    verdict: str
    reason: str
    source: str
    group: str = ""
    low: float | None = None
    high: float | None = None
    bounds: Mapping[str, float] = field(default_factory=dict)
