"""The page of a report: one file, no script, nothing from a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from infermodel.cost.bounds import decode_bounds
from infermodel.cost.step import Batch
from infermodel.experiment.result import ServiceResult
from infermodel.experiment.trust import service_rests_on
from infermodel.metrics.fleets import recomputed_tokens
from infermodel.metrics.total import total
from infermodel.report import words
from infermodel.report.findings import Findings
from infermodel.report.human import digits_within
from infermodel.report.kept import outage_table
from infermodel.report.money import money
from infermodel.report.not_modelled import not_modelled
from infermodel.report.offers import unpriced
from infermodel.report.operations import operations
from infermodel.report.palette import BOUNDS
from infermodel.report.rare_tables import head, rare_tables, shown

LATENCIES = (
    ("Time to first token", "ttft"),
    ("Time per output token", "tpot"),
    ("Gap between tokens", "itl"),
    ("End to end", "e2e"),
    ("Time in queue", "queue_time"),
)


@dataclass(frozen=True)
class Speeds:
    """Readings of one service's decode speed side by side, tokens/s of one user.

    Attributes:
        bandwidth: all memory of a replica streams the weights at its peak.
        stage: only the memory of the stage in turn does; None where all devices work together.
        alone: the model with one user.
        offered: median of the run.
        capacity: median at capacity; None where it is not known.
        published: of a claim that names the service.
    """

    bandwidth: float
    stage: float | None
    alone: float
    offered: float
    capacity: float | None
    published: float | None


def page(
    findings: Findings,
    pictures: Mapping[str, tuple[str, bytes]],
    tables: Sequence[str] = (),
    command: Sequence[str] = (),
) -> str:
    """The whole page as HTML text.

    Args:
        findings: what to tell.
        pictures: name to caption and PNG.
        tables: names of the files beside the page.
        command: that made the report.
    """
    from infermodel.report.template import one_file

    return one_file("report.html.jinja", pictures, command, tables=tables, **content(findings))


def content(findings: Findings) -> dict[str, Any]:
    """Everything that the page says, by the name that the template uses."""
    result = findings.result
    return {
        "scenario": result.scenario,
        "answers": words.answers(findings),
        "promises": words.promises(findings),
        "holds": [words.holds(findings, each) for each in findings.services],
        "warnings": words.warnings(findings),
        "load": words.load_words(findings),
        "headlines": findings.headlines,
        "capacities": findings.capacities,
        "services": findings.services,
        "rests_on": {each.service.name: service_rests_on(each.service) for each in findings.services},
        "styles": findings.styles,
        "total": total([each.summary for each in findings.services]) if side_by_side(findings) else None,
        "total_usd_per_h": sum(each.economics.hourly.total.mid for each in findings.services),
        "digits_within": digits_within,
        "unpriced": unpriced,
        "money": money(findings),
        "operations": operations(findings),
        "promises_of_each": words.promises_of_each(findings) if len(findings.services) > 1 else [],
        "outages": [
            table for each in findings.services if (table := outage_table(each, findings.result.window)) is not None
        ],
        "bounds": [(each, bound_shares(each)) for each in findings.services],
        "bound_colours": BOUNDS,
        "speeds": [(each, speeds(findings, each)) for each in findings.services],
        "has_stages": any(each.service.decode_pool.system.device.family != "gpu" for each in findings.services),
        "latencies": LATENCIES,
        "verdicts": findings.verdicts,
        "rare_tables": rare_tables(findings),
        "head": head,
        "shown": shown,
        "recomputed": {each.summary.service: recomputed_tokens(each.record) for each in findings.services},
        "never": inf,
        "not_modelled": not_modelled(findings),
        "laws": len(result.laws),
        "law_names": len({each.law for each in result.laws}),
        "deviation": max((each.deviation for each in result.laws), default=0.0),
    }


def side_by_side(findings: Findings) -> bool:
    """Whether services run together, each with traffic of its own: those that meet the same traffic are alternatives,
    whose sum nobody would buy.
    """
    return len(findings.services) > 1 and all(each.service.own_traffic for each in findings.services)


def bound_shares(each: ServiceResult) -> list[tuple[str, float]]:
    """Share of the busy time by what bound it, largest parts first, nothing below half a percent."""
    shares = [(name, float(getattr(each.summary, f"bound_{name}_share"))) for name in BOUNDS]
    return sorted(((name, part) for name, part in shares if part >= 0.005), key=lambda pair: -pair[1])


def speeds(findings: Findings, each: ServiceResult) -> Speeds:
    """Readings of a service's decode speed at the run's mean context."""
    pool, summary, model = each.service.decode_pool, each.summary, each.service.decode_pool.step_model
    context = 1
    if isfinite(summary.prompt_tokens_mean) and isfinite(summary.output_tokens_mean):
        context = max(1, round(summary.prompt_tokens_mean + summary.output_tokens_mean / 2))
    precision, devices = pool.deployment.precision, pool.devices_per_replica
    bounds = decode_bounds(each.service.architecture, pool.system, devices, precision, context)
    drafts = pool.speculation
    yields = drafts.tokens_per_round if drafts is not None and drafts.sampled else 1.0  # else a step is a mean token
    capacity = findings.capacities.get(summary.service)
    at_capacity = None if capacity is None or capacity.summary is None else capacity.summary.output_speed_p50_tok_s
    return Speeds(
        bandwidth=bounds.bandwidth_tok_s,
        stage=bounds.stage_tok_s,
        alone=yields / model.step(Batch.alike(model.windows, 1, context)).latency_s,
        offered=summary.output_speed_p50_tok_s,
        capacity=at_capacity,
        published=findings.published_speed(summary.service),
    )
