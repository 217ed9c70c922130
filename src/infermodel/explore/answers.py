"""What the page shows, as JSON has it: each figure with its text, so that the browser formats and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from infermodel import api
from infermodel.answers.scenario import Scenario
from infermodel.answers.words import band, figure, time
from infermodel.economics.band import Band
from infermodel.errors import InputError
from infermodel.experiment.result import Capacity, ServiceResult
from infermodel.explore.sketch import Sketch, sketch
from infermodel.report.palette import styles
from infermodel.scenario.errors import ScenarioErrors

Json = dict[str, Any]

MEASURES = (
    ("rpm", "rpm"),
    ("tpm", "tpm"),
    ("most", "capacity, rpm"),
    ("ttft_p50", "TTFT p50"),
    ("ttft_p99", "TTFT p99"),
    ("tpot_p50", "TPOT p50"),
    ("tpot_p99", "TPOT p99"),
    ("speed", "tok/s a user"),
    ("kept", "objectives"),
    ("usd_per_h", "USD/h"),
    ("usd_per_mtok", "USD/Mtok"),
)
"""Key and heading of each column."""

WIDTH = 0.1
"""Of brackets where the scenario looks for none."""

CURVES = ("ttft", "tpot", "e2e")
SHARES = np.linspace(0.0, 1.0, 101)


def first_answer(scenario: Scenario) -> Json:
    """The sketch of every service."""
    services = scenario.resolved.services
    looks = styles([each.decode_pool.system.device.name for each in services])
    rows = [
        {
            "service": service.name,
            "colour": look.colour,
            "bright": look.bright,
            "figures": sketched(sketch(service)),
        }
        for service, look in zip(services, looks, strict=True)
    ]
    return {"digest": scenario.digest[:16], "services": rows, "notes": list(scenario.notes)}


def sketched(found: Sketch | None) -> Json:
    """Figures of a sketch."""
    if found is None:
        return {}
    return {
        "rpm": cell(60 * found.rate),
        "most": cell(60 * found.most),
        "ttft_p50": cell(found.ttft_s, time(found.ttft_s), why="alone: the step of a mean prompt"),
        "tpot_p50": cell(found.tpot_s, time(found.tpot_s)),
        "speed": cell(1 / found.tpot_s),
        "usd_per_h": dollars(found.usd_per_h),
        "usd_per_mtok": dollars(found.usd_per_mtok),
    }


def simulated(scenario: Scenario) -> Json:
    """The run at the offered load, of which `infermodel run` would say the same."""
    answer = api.run(scenario.changed({"capacity": False, "claims": None}))
    services = [
        {"service": each.summary.service, "figures": ran(each), "curves": curves(each)}
        for each in answer.result.services
    ]
    return {"digest": scenario.digest[:16], "services": services, "notes": list(answer.notes)}


def ran(each: ServiceResult) -> Json:
    """Figures of a run: doubtful ones with their reason, a price that does not hold struck out."""
    summary, short = each.summary, each.summary.rate_warning
    price = dollars(each.economics.blended_usd_per_mtok)
    if not summary.price_holds and price["value"] is not None:
        price |= {"struck": True, "why": summary.price_reason}
    missed = summary.missed_objectives
    asked = bool(each.service.objectives)
    return {
        "rpm": cell(summary.rpm, why=short),
        "tpm": cell(summary.tpm, why=short),
        "ttft_p50": cell(summary.ttft_p50_s, time(summary.ttft_p50_s)),
        "ttft_p99": cell(summary.ttft_p99_s, time(summary.ttft_p99_s), why=summary.tail_warning),
        "tpot_p50": cell(summary.tpot_p50_s, time(summary.tpot_p50_s)),
        "tpot_p99": cell(summary.tpot_p99_s, time(summary.tpot_p99_s), why=summary.tail_warning),
        "speed": cell(summary.output_speed_p50_tok_s),
        "kept": cell(float(summary.objectives_met), f"misses {missed}" if missed else "kept" if asked else "none")
        | {"bad": bool(missed)},
        "usd_per_h": dollars(each.economics.hourly.total),
        "usd_per_mtok": price,
    }


def curves(each: ServiceResult) -> Json:
    """Latencies of the run's requests at each percentile, seconds."""
    from infermodel.metrics.exports import request_rows

    rows, found = request_rows(each.record.requests), {}
    for name in CURVES:
        values = np.asarray(rows.get(f"{name}_s", ()), dtype=float)
        values = values[np.isfinite(values)]
        if values.size:
            found[name] = [float(f"{value:.4g}") for value in np.quantile(values, SHARES, method="higher")]
    return found


def bracketed(scenario: Scenario) -> Json:
    """The largest load that each service sustains, as `infermodel run` finds it beside its run.

    Raises:
        InputError: it has no objectives.
    """
    width = scenario.resolved.capacity_width or WIDTH
    answer = api.run(scenario.changed({"claims": None, "capacity": {"width": width}}))
    if not answer.capacities:
        raise InputError("no service has objectives: the largest load that keeps them is asked for")
    return brackets(scenario, answer.capacities)


def exactly(scenario: Scenario) -> Json:
    """The same as `infermodel capacity` finds it, with many replications: minutes.

    Raises:
        InputError: it has no objectives.
    """
    return brackets(scenario, api.capacity(scenario.changed({"claims": None})).capacities)


def brackets(scenario: Scenario, found: Sequence[Capacity]) -> Json:
    """Those of all services, with what a reader should know of each."""
    services = [{"service": each.service, "figures": held(each)} for each in found]
    notes = [f"{each.service}: {each.note}" for each in found if each.note]
    return {"digest": scenario.digest[:16], "services": services, "notes": notes}


def held(found: Capacity) -> Json:
    """A bracket in requests a minute or users, with what ends it and the price there."""
    unit, called = (60.0, "") if found.unit == "requests/s" else (1.0, " users")
    text = f"{figure(found.low * unit)} to {figure(found.high * unit)}{called}"
    if found.economics is not None:
        text += f", {band(found.economics.blended_usd_per_mtok)} USD/Mtok"
    why = f"bound by {found.binding_resource}; {found.binding_objective} is missed beyond"
    return {"most": cell(found.low * unit, text, why=why if found.summary is not None else found.note)}


def cell(value: float, text: str = "", *, why: str = "") -> Json:
    """A figure: its number for sorting and charts, null where there is none; its text; what a reader should know."""
    return {"value": value if isfinite(value) else None, "text": text or figure(value), "why": why}


def dollars(price: Band) -> Json:
    """A price with its range; a dash for none."""
    return cell(price.mid if price.high > 0 else float("nan"), band(price))


def refusals(error: InputError) -> Sequence[Mapping[str, str]]:
    """What is wrong, each with the path of its key: the program's own words."""
    if not isinstance(error, ScenarioErrors):
        return [{"path": "", "message": str(error)}]
    return [
        {"path": each.path, "change": each.file, "message": "; ".join(filter(None, (each.message, each.suggestion)))}
        for each in error.errors
    ]
