"""The short tables of a report: their columns, declared, and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any

from infermodel.cost.placement import Placement
from infermodel.economics.band import Band
from infermodel.experiment.result import AnswerBand, Capacity, Economics, Verdict
from infermodel.metrics.exports import REQUEST_COLUMNS as PER_REQUEST
from infermodel.metrics.exports import TIMELINE_COLUMNS as PER_BIN
from infermodel.metrics.fleets import FleetSummary
from infermodel.metrics.handover import HandoverSummary
from infermodel.metrics.pools import PoolSummary
from infermodel.metrics.questions import QuestionSummary
from infermodel.metrics.schema import Column, columns, row
from infermodel.metrics.schema import column as _column
from infermodel.metrics.summary import Summary
from infermodel.metrics.tenants import TenantSummary
from infermodel.report.findings import Findings

_SERVICE = Column("service", "", "name of the service")


@dataclass(frozen=True)
class CapacityRow:
    """The largest load at which a service keeps its objectives."""

    service: str = _column("", "name of the service")
    unit: str = _column("", "of `low` and `high`: requests/s, or users of a closed loop")
    low: float = _column("see unit", "largest load found sustained; 0: none")
    high: float = _column("see unit", "smallest load found not sustained; inf: none found")
    rpm: float = _column(
        "requests/min", "of `low` in open loops, but for rejected requests; users / their mean cycle in closed ones"
    )
    tpm: float = _column("tokens/min", "input and output, at `low`")
    itpm: float = _column("tokens/min", "input, cached ones included, at `low`")
    otpm: float = _column("tokens/min", "output, at `low`")
    usd_per_mtok_low: float = _column("USD/Mtok", "blended over input and output, low prices, at `low`")
    usd_per_mtok: float = _column("USD/Mtok", "the same, mid prices")
    usd_per_mtok_high: float = _column("USD/Mtok", "the same, high prices")
    binding_objective: str = _column("", "missed at `high`")
    binding_resource: str = _column(
        "", "a limit or memory that requests wait for beyond, or what most of the time at `low` is bound by"
    )
    output_speed_p50_tok_s: float = _column("tokens/s", "50 % of the requests run at least this fast, at `low`")
    ttft_p99_s: float = _column("s", "percentile 99 of the time to the first token, at `low`")
    e2e_p99_s: float = _column("s", "percentile 99 of the time to the end, at `low`")
    headroom: float = _column("", "`low` / the offered load")
    price_holds: bool = _column("", "whether somebody would sign the price at `low`: always, where there is one")
    loads_tried: int = _column("", "see capacity_points.csv")
    note: str = _column("", "what a reader should know")


CAPACITY_POINT = (
    _SERVICE,
    Column("unit", "", "of `load`: requests/s, or users of a closed loop"),
    Column("load", "see unit", "that the search tried"),
    Column("sustained", "", "whether every objective was met; empty: undecided"),
    Column("reason", "", "objective missed"),
    *(each for each in columns(Summary) if each.name != "service"),
)
"""Columns of capacity_points.csv: a load, and the summary there."""


@dataclass(frozen=True)
class PriceRow:
    """One figure of the economics, low to high."""

    service: str = _column("", "name of the service")
    load: str = _column("", "`capacity`: at the objectives; `offered`: the scenario's own load")
    item: str = _column("", "what is priced, see below")
    unit: str = _column("", "of the figures")
    low: float = _column("see unit", "with low prices")
    mid: float = _column("see unit", "with mid prices")
    high: float = _column("see unit", "with high prices")
    price_holds: bool = _column("", "whether somebody would sign it: objectives met, the queue stays, requests end")
    price_reason: str = _column("", "why not")


PRICE_ITEMS: Mapping[str, tuple[str, str]] = {
    "hourly.<part>": ("USD/h", "capital, network, spares, power, colocation, operations, rental: what the fleet costs"),
    "hourly.total": ("USD/h", "sum of the parts"),
    "blended": ("USD/Mtok", "dollars of the window, idle time included, over billed tokens at the run's own mix"),
    "input, cached, output": ("USD/Mtok", "the same dollars shared out over the kinds of tokens"),
    "quoted_mix": ("USD/Mtok", "input and output price at the quoted mix, 3:1 unless the scenario says otherwise"),
    "list": ("USD/Mtok", "list price at the run's own mix"),
    "margin": ("share", "of the list price that is left; low: with the highest cost"),
    "break_even_utilisation": ("share", "of this load that has to be sold at list price to pay the hour"),
}
"""Items of prices.csv: unit and meaning."""


@dataclass(frozen=True)
class ClaimRow:
    """A published claim and what the model says."""

    id: str = _column("", "of the claim")
    statement: str = _column("", "what was claimed")
    published: float | None = _column("see unit", "figure claimed")
    unit: str = _column("", "of the figures")
    modelled: float | None = _column("see unit", "figure computed here")
    ratio: float | None = _column("", "modelled / published")
    used_to_fit: bool = _column("", "whether a constant was fitted to this very figure")
    verdict: str = _column("", "follows, follows only if ..., does not follow, cannot be known, cannot be simulated")
    reason: str = _column("", "why")
    source: str = _column("", "who claimed it, and when")


@dataclass(frozen=True)
class PlacementRow:
    """What one wafer or chip group of a replica holds."""

    service: str = _column("", "name of the service")
    wafer: int = _column("", "number in the pipeline, from 0")
    first_layer: int = _column("", "first of its run of layers, from 0")
    layers: int = _column("", "of the model on it")
    weights_bytes: float = _column("bytes", "weights of those layers")
    edge_bytes: float = _column("bytes", "embedding, output head and final norm, on the first and last")
    reserve_bytes: float = _column("bytes", "buffers and draft models")
    window_bytes: float = _column("bytes", "set aside for attention windows")
    usable_bytes: float = _column("bytes", "memory that all of it shares with KV")
    kv_bytes_per_token: float = _column("bytes", "keys and values of one further token in its layers")
    kv_tokens: int = _column("tokens", "of context that it could hold; the fewest of all bind")


REQUEST_COLUMNS = (_SERVICE, *PER_REQUEST)
TIMELINE_COLUMNS = (_SERVICE, *PER_BIN)

SCHEMAS: Mapping[str, tuple[Column, ...]] = {
    "summary.csv": columns(Summary),
    "capacity.csv": columns(CapacityRow),
    "capacity_points.csv": CAPACITY_POINT,
    "prices.csv": columns(PriceRow),
    "claims.csv": columns(ClaimRow),
    "placement.csv": columns(PlacementRow),
    "timeline.csv": TIMELINE_COLUMNS,
    "requests.csv.gz": REQUEST_COLUMNS,
}
"""Columns of every table by file name."""

STATES = (
    _SERVICE,
    Column("replica", "", "its number, counted through the pools as `pools.csv` has them"),
    Column("state", "", "up, down (with its system), off (stopped), starting, draining (answers what it has, no more)"),
    Column("start_s", "s", "from when"),
    Column("end_s", "s", "until when; the last one ends with the run"),
)
"""Columns of states.csv."""

RARE_SCHEMAS: Mapping[str, tuple[Column, ...]] = {
    "pools.csv": columns(PoolSummary),
    "handover.csv": columns(HandoverSummary),
    "tenants.csv": columns(TenantSummary),
    "questions.csv": columns(QuestionSummary),
    "fleets.csv": columns(FleetSummary),
    "states.csv": STATES,
    "bands.csv": columns(AnswerBand),
}
"""The same of tables that only some runs have: of services of several pools, with rate limits, with questions of
several calls, of services whose systems fail or whose replicas start and stop, and of runs that draw uncertain
constants."""


def summary_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a service."""
    return (row(each.summary) for each in findings.services)


def pool_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a pool of each service that has several."""
    for each in findings.services:
        if len(each.summary.pools) > 1:
            yield from map(row, each.summary.pools)


def handover_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a service of two pools."""
    return (row(each.handover) for each in findings.services if each.handover is not None)


def tenant_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a tenant of each service with rate limits."""
    for each in findings.services:
        yield from map(row, each.tenants)


def question_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a service whose requests are calls of questions."""
    for each in findings.services:
        if each.questions is not None:
            yield row(each.questions)


def fleet_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a fleet of each service whose systems fail or whose replicas start and stop."""
    for each in findings.services:
        yield from map(row, each.fleets)


def state_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One for each time that a replica of such a service stays in a state."""
    for each in findings.services:
        states = each.record.states
        if states is not None:
            spans = zip(states.replica, states.state, states.start_s, states.end_s, strict=True)
            for replica, state, start_s, end_s in spans:
                cells = {"replica": int(replica), "state": str(state), "start_s": start_s, "end_s": end_s}
                yield {"service": each.summary.service, **cells}


def band_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One an answer of each service, where constants were drawn."""
    return map(row, findings.bands)


def capacity_rows(capacities: Sequence[Capacity], findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a service; cells of what is not known stay empty."""
    offered = {each.summary.service: each for each in findings.services}
    for each in capacities:
        known: dict[str, Any] = {
            name: getattr(each, name)
            for name in ("service", "unit", "low", "high", "binding_objective", "binding_resource", "note")
        }
        known["loads_tried"] = len(each.points)
        known["headroom"] = offered[each.service].headroom(each) if each.service in offered else nan
        if each.summary is not None:
            names = ("rpm", "tpm", "itpm", "otpm", "output_speed_p50_tok_s", "ttft_p99_s", "e2e_p99_s")
            known |= {name: getattr(each.summary, name) for name in names}
        if each.economics is not None:
            band = each.economics.blended_usd_per_mtok
            known |= {"usd_per_mtok_low": band.low, "usd_per_mtok": band.mid, "usd_per_mtok_high": band.high}
            known["price_holds"] = True
        yield known


def capacity_point_rows(capacities: Sequence[Capacity]) -> Iterator[Mapping[str, Any]]:
    """One for each load tried, ascending by service."""
    for each in capacities:
        for point in sorted(each.points, key=lambda point: point.load):
            yield {
                **row(point.summary),
                "service": each.service,
                "unit": each.unit,
                "load": point.load,
                "sustained": point.sustained,
                "reason": point.reason,
            }


def price_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """At capacity where it is known, then as offered; service by service."""
    for each in findings.services:
        name = each.summary.service
        capacity = findings.capacities.get(name)
        loads = [] if capacity is None or capacity.economics is None else [("capacity", capacity.economics)]
        for load, economics in (*loads, ("offered", each.economics)):
            reason = each.summary.price_reason if load == "offered" else ""
            for item, unit, band in price_items(economics):
                why = "" if unit == "USD/h" else reason  # the hour costs what it costs
                yield asdict(PriceRow(name, load, item, unit, band.low, band.mid, band.high, not why, why))


def price_items(economics: Economics) -> Iterator[tuple[str, str, Band]]:
    """Item, unit and figures, in the order of `PRICE_ITEMS`; parts that cost nothing are left out."""
    for part, usd in economics.hourly.parts.items():
        if usd.high > 0:
            yield f"hourly.{part}", "USD/h", usd
    yield "hourly.total", "USD/h", economics.hourly.total
    split = economics.split
    optional: tuple[tuple[str, str, Band | float | None], ...] = (
        ("blended", "USD/Mtok", economics.blended_usd_per_mtok),
        ("input", "USD/Mtok", None if split is None else split.input_usd_per_mtok),
        ("cached", "USD/Mtok", None if split is None else split.cached_usd_per_mtok),
        ("output", "USD/Mtok", None if split is None else split.output_usd_per_mtok),
        ("quoted_mix", "USD/Mtok", economics.mix_usd_per_mtok),
        ("list", "USD/Mtok", economics.list_usd_per_mtok),
        ("margin", "share", economics.margin),
        ("break_even_utilisation", "share", economics.break_even_utilisation),
    )
    for item, unit, figure in optional:
        if figure is not None:
            yield item, unit, figure if isinstance(figure, Band) else Band.exactly(figure)


def claim_rows(verdicts: Sequence[Verdict]) -> Iterator[Mapping[str, Any]]:
    """One a claim, in the scenario's order."""
    names = [each.name for each in columns(ClaimRow)]
    return ({name: getattr(each, name) for name in names} for each in verdicts)


def placement_rows(findings: Findings) -> Iterator[Mapping[str, Any]]:
    """One a wafer of each service whose model is cut over wafers."""
    names = [each.name for each in columns(PlacementRow) if each.name not in ("service", "wafer")]
    for each in findings.services:
        placement = getattr(each.service.decode_pool.step_model, "placement", None)
        if isinstance(placement, Placement):
            for number, load in enumerate(placement.wafers):
                figures = {name: getattr(load, name) for name in names}
                yield {"service": each.summary.service, "wafer": number, **figures}
