"""Independent repetitions of one service: means over them with confidence intervals, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from infermodel.metrics.confidence import of_independent
from infermodel.metrics.objectives import Verdict
from infermodel.metrics.pools import mean_of_pools
from infermodel.metrics.schema import measures
from infermodel.metrics.summary import Summary, tail_warning, with_price_reason

COUNTED = ("arrived", "finished", "unfinished", "rejected", "preemptions")
"""Columns that add up over replications; every other number is averaged."""


def combine(summaries: Sequence[Summary]) -> Summary:
    """One row for several replications of a service.

    Counts are summed, other numbers averaged, each with Student's t interval over the replications in `intervals`.
    Overloaded if any replication is; then what one withheld stays withheld, and there are no intervals. Objectives are
    judged by the means; `intervals` has each objective's value under its name.

    Raises:
        ValueError: no summary, or of different services.
    """
    if not summaries or len({each.service for each in summaries}) != 1:
        raise ValueError("replications of one service are combined, at least one")
    first = summaries[0]
    if len(summaries) == 1:
        return first
    averaged = measures(first)
    intervals = {name: of_independent([getattr(each, name) for each in summaries]) for name in averaged}
    verdicts = []
    for position, verdict in enumerate(first.verdicts):
        promise = verdict.objective
        value = of_independent([each.verdicts[position].value for each in summaries])
        intervals[promise.name] = value
        verdicts.append(Verdict(promise, value.mean, promise.is_met_by(value.mean)))
    steady = not any(each.overloaded or each.unfinished or each.warning for each in summaries)
    means: dict[str, Any] = {name: interval.mean for name, interval in intervals.items() if name in averaged}
    combined = replace(
        first,
        **means,
        **{name: sum(getattr(each, name) for each in summaries) for name in COUNTED},
        overloaded=any(each.overloaded for each in summaries),
        warning=next((each.warning for each in summaries if each.warning), ""),
        rate_warning=next((each.rate_warning for each in summaries if each.rate_warning), ""),
        tail_warning=tail_warning(sum(each.arrived - each.rejected for each in summaries)),
        objectives_met=all(each.met for each in verdicts),
        missed_objectives=" ".join(each.objective.name for each in verdicts if not each.met),
        verdicts=tuple(verdicts),
        intervals=intervals if steady else {},
        pools=mean_of_pools([each.pools for each in summaries]),
        paid_replicas=tuple(fmean(each) for each in zip(*(one.paid_replicas for one in summaries), strict=True)),
    )
    return with_price_reason(combined)


def decided(combined: Summary) -> bool | None:
    """Whether a service keeps its objectives for certain: every interval lies on the good side of its limit (True), one
    lies on the bad side (False), or the replications decide neither way (None).

    Without an interval (one run, or a withheld one) the value alone decides.
    """
    sure = True
    for verdict in combined.verdicts:
        interval = combined.intervals.get(verdict.objective.name)
        if interval is None or interval.half_width != interval.half_width:
            good = bad = verdict.met
        else:
            ends = (verdict.objective.is_met_by(interval.low), verdict.objective.is_met_by(interval.high))
            good, bad = all(ends), any(ends)
        if not bad:
            return False
        sure &= good
    return True if sure else None
