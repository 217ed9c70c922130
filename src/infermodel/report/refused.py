"""Why a run's requests were turned away."""

from __future__ import annotations

from infermodel.experiment.result import ServiceResult
from infermodel.metrics.summary import Summary
from infermodel.scenario.too_long import reasons
from infermodel.tables import REJECTED


def rejections(summary: Summary, each: ServiceResult) -> str:
    """How many of the measured requests were rejected, and why those of the whole run were."""
    table = each.record.requests
    turned_away = table.status == REJECTED
    totals = table.prompt_tokens[turned_away] + table.output_tokens[turned_away]
    found = reasons(each.service, totals)
    others = len(totals) - sum(count for count, _ in found)
    why = [f"{count} {reason}" for count, reason in found] + ([f"{others} by its rate limits"] if others else [])
    return f"{summary.rejected} of {summary.arrived} requests; of the whole run's {len(table)} {'; '.join(why)}"
