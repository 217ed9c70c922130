"""A plan's answer as rows, words and a scenario file."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from infermodel.catalog import load_system
from infermodel.experiment.trust import likely_error
from infermodel.scenario import to_yaml
from infermodel.scenario.document import dump, parse
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.search.candidate import FORMATS, LIMITS, PARALLEL
from infermodel.search.layout import fleet_of, whole_of
from infermodel.search.plan import Option, Planned, break_even_usd, on_front
from infermodel.search.plan_schema import Plan
from infermodel.workload.traffic import ClosedTraffic

WITH_INTERVAL = ("usd_per_h", "usd_per_mtok", "utilisation", "power_w", "speed_tok_s", "ttft_p99_s")
"""Of 95 % over the replications; empty for one."""

HEADER = (
    "layout",
    "candidate",
    "system",
    *PARALLEL,
    *LIMITS,
    *FORMATS,
    "systems",
    "bought",
    "replicas",
    "usd_per_h",
    "usd_per_h_low",
    "usd_per_h_high",
    "usd_per_mtok",
    "usd_per_mtok_low",
    "usd_per_mtok_high",
    "break_even_usd",
    "utilisation",
    "power_w",
    "racks",
    "speed_tok_s",
    "ttft_p99_s",
    *(f"{name}_half_width" for name in WITH_INTERVAL),
    "best",
    "on_speed_front",
    "on_ttft_front",
    "least_usd_per_h",
    "fewest_systems",
    "simulated_sizes",
    "reason",
)
OF_POOLS = ("ratio", "prefill_systems", "decode_systems")
"""Where a candidate has pools, beside the settings of each."""

MEASURED = ("systems", "bought", "utilisation", "power_w", "racks", "speed_tok_s", "ttft_p99_s")


def header_of(planned: Planned) -> tuple[str, ...]:
    """Columns of the table: those of pools only where a candidate has some."""
    known = dict.fromkeys(key for each in planned.options for key in each.layout.settings)
    of_pools = [key for key in known if key not in HEADER and key not in OF_POOLS]
    return (*HEADER, *OF_POOLS, *of_pools) if "ratio" in known else HEADER


def plan_rows(planned: Planned) -> list[dict[str, Any]]:
    """A row for each layout, in the plan's order; what has no fleet has a reason and no figures."""
    fast = on_front(planned.options, lambda each: -each.speed_tok_s)
    prompt = on_front(planned.options, lambda each: each.ttft_p99_s)
    return [_row(planned, each, fast, prompt) for each in planned.options]


def _row(planned: Planned, option: Option, fast: frozenset[int], prompt: frozenset[int]) -> dict[str, Any]:
    layout = option.layout
    row: dict[str, Any] = {
        "layout": layout.number,
        "candidate": layout.candidate.title,
        "system": " and ".join(layout.candidate.systems),
        **layout.settings,
        "systems": option.systems,
        "bought": option.bought,
        "replicas": option.replicas,
        "best": option is planned.best,
        "on_speed_front": layout.number in fast,
        "on_ttft_front": layout.number in prompt,
        "least_usd_per_h": layout.least_usd_per_h or None,
        "fewest_systems": layout.fewest or None,
        "simulated_sizes": option.simulated,
        "reason": option.reason,
    }
    if not option.systems:
        return row
    if "ratio" in layout.settings:
        row |= zip(OF_POOLS[1:], [size.systems for size in layout.sizes(option.systems)], strict=True)
    widths = {f"{name}_half_width": option.half_widths.get(name) for name in WITH_INTERVAL}
    return row | measures_of(planned, option) | widths


def measures_of(planned: Planned, option: Option) -> dict[str, float]:
    """Figures of a fleet that meets the objectives, its dollars with the range of the prices."""
    hour, token = option.hourly, option.per_mtok
    return {
        **{name: getattr(option, name) for name in MEASURED},
        "usd_per_h": hour.mid,
        "usd_per_h_low": hour.low,
        "usd_per_h_high": hour.high,
        "usd_per_mtok": token.mid,
        "usd_per_mtok_low": token.low,
        "usd_per_mtok_high": token.high,
        "break_even_usd": break_even_usd(planned, option),
    }


def words_of(settings: Mapping[str, Any]) -> str:
    """Settings on one line.

    >>> words_of({"tensor_parallel": 4, "weights": "fp8"})
    'tensor_parallel 4, weights fp8'
    """
    return ", ".join(f"{key} {value}" for key, value in settings.items()) or "as the base"


def traffic_of(service: ResolvedService) -> str:
    """Who asks how much, in words."""
    traffic = service.traffic
    tokens = f"{traffic.mean_prompt_tokens:,.4g} tokens in and {traffic.mean_output_tokens:,.4g} out on average"
    if isinstance(traffic, ClosedTraffic):
        return f"{traffic.users:,} users, {tokens}"
    rate = 60 * traffic.mean_rate_per_s  # of a profile its busiest step, at which fleets are sized
    return f"{rate:,.4g} requests/min, {tokens}" if isfinite(rate) else f"requests that come at once, {tokens}"


def devices_of(plan: Plan) -> dict[str, str]:
    """Candidate to the name of its device, of that which decodes where there are two."""
    return {each.title: load_system(each.systems[-1]).device.name for each in plan.candidates}


def services_of(planned: Planned) -> dict[str, ResolvedService]:
    """Candidate to its service on the smallest fleet of its first layout that holds a replica, where one does."""
    found: dict[str, ResolvedService] = {}
    for each in planned.options:
        title = each.layout.candidate.title
        if title not in found and each.layout.parts:
            found[title] = fleet_of(planned.plan, each.layout, each.layout.step).services[0]
    return found


def errors_of(services: Mapping[str, ResolvedService]) -> dict[str, float]:
    """Candidate to the largest `likely_error` of its pools; nan where one of them was never held against a server."""
    return {
        title: float(np.max([likely_error(pool.system.device, pool.engine) for pool in service.pools]))
        for title, service in services.items()
    }


def best_fleet(planned: Planned) -> ResolvedScenario | None:
    """The cheapest fleet; None where no fleet will do."""
    best = planned.best
    return None if best is None else whole_of(planned.plan, best.layout, best.systems)


def best_yaml(planned: Planned) -> str:
    """The cheapest fleet as a scenario; empty where no fleet will do."""
    scenario = best_fleet(planned)
    if scenario is None:
        return ""
    content = parse(to_yaml(scenario), "best.yaml").tree
    return dump({**content, "title": f"{planned.plan.title} The cheapest fleet"})
