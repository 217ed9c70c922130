"""Latency percentiles against load, with the limit, the knee and the bracket of the capacity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isfinite, isnan, log
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infermodel.experiment.result import Capacity
from infermodel.metrics.objectives import Objective
from infermodel.report.drawing import (
    Margins,
    legend_below,
    log_axis,
    plain_number,
    seconds_tick,
    service_handles,
    sheet,
)
from infermodel.report.findings import Findings
from infermodel.report.labels import Line, name_level
from infermodel.report.palette import INK

MOST_PANELS = 4
METRICS = {
    "ttft": "time to first token",
    "tpot": "time per output token",
    "itl": "gap between tokens",
    "e2e": "end to end",
    "queue_time": "queue time",
    "output_speed": "output speed",
    "attainment": "attainment",
}
UNITS = {"output_speed": "tokens/s", "attainment": "share of requests"}


def percentiles_against_load(findings: Findings) -> Figure | None:
    """One panel for each objective: what it limits at every load that the search tried."""
    tried = {name: each for name, each in findings.capacities.items() if each.points and name in findings.styles}
    objectives = promised(tried)
    if not objectives:
        return None
    rows = 1 if len(objectives) <= 3 else 2
    columns = -(-len(objectives) // rows)
    users = all(each.unit == "users" for each in tried.values())
    figure, grid = sheet(
        "Capacity: latency against load",
        "marks: loads tried (filled: sustained, hollow: not); shaded: bracket of the capacity; "
        "|: knee, twice the value at the lightest load",
        rows=rows,
        columns=columns,
        margins=Margins(),
        sharex=True,
    )
    panels = [axes for row in grid for axes in row]
    drawn = [_panel(axes, findings, tried, objective) for axes, objective in zip(panels, objectives, strict=False)]
    for axes in panels[len(objectives) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(objectives) - columns) : len(objectives)]:
        axes.set_xlabel("users (log scale)" if users else "requests per minute (log scale)")
        axes.tick_params(labelbottom=True)
    legend_below(figure, service_handles(findings))
    for axes, objective, (lines, limits) in zip(panels, objectives, drawn, strict=False):
        marks = [mark for line in lines for mark in line]
        for limit in limits:
            name_level(axes, f"limit {_tick(objective)(limit, 0)}", limit, marks, lines)
    return figure


def promised(tried: dict[str, Capacity]) -> list[Objective]:
    """The objectives that a panel is drawn for: those that were missed somewhere first, at most `MOST_PANELS`."""
    missed: dict[str, int] = {}
    found: dict[str, Objective] = {}
    for each in tried.values():
        for point in each.points:
            for verdict in point.summary.verdicts:
                found[verdict.objective.name] = verdict.objective
                missed[verdict.objective.name] = missed.get(verdict.objective.name, 0) + (not verdict.met)
    first = sorted(found, key=lambda name: (-missed[name], name))[:MOST_PANELS]
    return [found[name] for name in sorted(first)]


def per_minute(capacity: Capacity, load: float) -> float:
    """A load as its axis shows it: requests/min, or users."""
    return load if capacity.unit == "users" else load * 60


def _tick(objective: Objective) -> Callable[[float, int], str]:
    """How the axis of what an objective limits writes its figures."""
    return plain_number if objective.metric in UNITS else seconds_tick


def _panel(
    axes: Axes, findings: Findings, tried: dict[str, Capacity], objective: Objective
) -> tuple[list[Line], list[float]]:
    """Draw it; the lines drawn and the levels of the limits."""
    lines: list[Line] = []
    limits: set[float] = set()
    for name, capacity in tried.items():
        style = findings.styles[name]
        line, sustained = [], []
        for point in sorted(capacity.points, key=lambda point: point.load):
            for verdict in point.summary.verdicts:
                if verdict.objective.name == objective.name:
                    limits.add(verdict.objective.limit)
                    if isfinite(verdict.value) and verdict.value > 0:
                        line.append((per_minute(capacity, point.load), verdict.value))
                        sustained.append(point.sustained)
        if not line:
            continue
        look: dict[str, Any] = {"marker": style.marker, "markersize": 9, "color": style.colour, "markeredgewidth": 2}
        kept = [at for at, held in enumerate(sustained) if held]
        axes.plot(*zip(*line, strict=True), linestyle=style.dash, markevery=kept, zorder=3, **look)
        missed = [point for point, held in zip(line, sustained, strict=True) if not held]
        if missed:
            axes.plot(*zip(*missed, strict=True), linestyle="none", markerfacecolor="white", zorder=4, **look)
        bend = knee(line)
        if bend is not None and objective.metric not in UNITS:
            axes.plot(*bend, marker="|", markersize=26, markeredgewidth=3, color=style.colour, zorder=5)
        if capacity.low > 0 and isfinite(capacity.high):
            low, high = (per_minute(capacity, end) for end in (capacity.low, capacity.high))
            axes.axvspan(low, high, color=style.colour, alpha=0.22, linewidth=2, zorder=1)
        lines.append(line)
    title = METRICS[objective.metric]
    axes.set_title(title[0].upper() + title[1:] + _percentile(objective))
    if not lines:
        return [], []
    loads, values = ([point[which] for line in lines for point in line] for which in (0, 1))
    log_axis(axes, "x", min(loads), max(loads), pad=0.05, most_ticks=5)
    log_axis(axes, "y", min(*values, *limits), max(*values, *limits), pad=0.12, tick=_tick(objective))
    for limit in limits:
        axes.axhline(limit, color=INK, linestyle=(0, (5, 3)), linewidth=1.6, zorder=2)
    axes.set_ylabel(UNITS.get(objective.metric, "time") + " (log scale)")
    return lines, sorted(limits)


def knee(line: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Where a latency first reaches twice its value at the lightest load, between points on log axes.

    None where it never does.

    >>> knee([(1.0, 0.1), (10.0, 0.1), (40.0, 0.4)])
    (20.0, 0.2)
    """
    wanted = 2 * line[0][1]
    for (load, value), (next_load, next_value) in pairwise(line):
        if next_value >= wanted:
            share = log(wanted / value) / log(next_value / value)
            return load * (next_load / load) ** share, wanted
    return None


def _percentile(objective: Objective) -> str:
    if objective.metric == "attainment":
        return ""
    if isnan(objective.percent):
        return ", mean"
    return f", p{objective.percent:g}"
