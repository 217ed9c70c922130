"""What happened when: tokens, queue, KV memory and running sequences over the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, nan
from typing import Any, NamedTuple, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator
from numpy.typing import NDArray

from infermodel.metrics.exports import timeline_rows
from infermodel.metrics.objectives import Objective, Verdict
from infermodel.metrics.steady import Window
from infermodel.report.drawing import Margins, legend_below, of_load, plain_number, seconds_tick, service_handles, sheet
from infermodel.report.findings import Findings
from infermodel.report.human import clock, number, seconds, shortened
from infermodel.report.kept import short
from infermodel.report.palette import DOWN, GREY, INK, Style
from infermodel.report.stretches import Stretch, outages
from infermodel.tables import ServiceRecord

MOST_LINES = 4
"""Over one another; more services get a lane each."""

MOST_OBJECTIVES, MOST_OBJECTIVES_IN_LANES = 3, 2
MOST_TICKS = 12
CLOCK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
FEWEST_SLICES = 3
"""Of the window; fewer tell nothing of time."""

SINCE_START = "time since the start"

LANE = 0.85
"""Height of a lane's largest value; the next lane begins at 1."""

MOST_BINS = 80
"""Drawn of a timeline; more would be noise on a slide."""


def throughput_and_queue(findings: Findings) -> Figure:
    """Output tokens/s above, waiting requests below."""
    return _two_panels(
        findings,
        "Throughput and queue over time",
        ("output_tok_s", "output tokens/s", 1.0),
        ("waiting", "waiting requests", 1.0),
    )


def kv_use(findings: Findings) -> Figure:
    """Percent of the KV blocks in use above, decoding sequences below."""
    return _two_panels(
        findings,
        "KV memory and batch over time",
        ("kv_use", "KV memory in use (%)", 100.0),
        ("running", "decoding sequences", 1.0),
    )


def promises_kept(findings: Findings) -> Figure | None:
    """Each objective over time with its limit, and the share of requests within every limit; outages are bands."""
    parts = findings.slices
    every = [v.objective for each in parts.values() for part in each for v in part.verdicts]
    shown = list({objective.name: objective for objective in every}.values())[:MOST_OBJECTIVES]
    if not shown or max(map(len, parts.values())) < FEWEST_SLICES:
        return None
    title = "Objectives over time"
    if len(parts) > MOST_LINES:
        panels_of = [_objective_lanes(parts, objective) for objective in shown[:MOST_OBJECTIVES_IN_LANES]]
        return _lanes(
            findings,
            title,
            [*panels_of, _attainment_lanes(parts)],
            across="time of arrival since the start; dashed: limits",
        )
    figure, grid = sheet(title, of_load(findings), rows=len(shown) + 1, margins=Margins(left=150, down=35), sharex=True)
    panels = [row[0] for row in grid]
    for axes, objective in zip(panels, shown, strict=False):
        for name, each in parts.items():
            _steps(axes, findings.styles[name], each, [_value(part, objective) for part in each])
        for level in {v.objective.limit for p in parts.values() for s in p for v in s.verdicts if _same(v, objective)}:
            axes.axhline(level, color=INK, linestyle=(0, (5, 3)), linewidth=1.6, zorder=2)
        in_seconds = objective.metric != "output_speed"
        axes.set_ylabel(short(objective) if in_seconds else f"tokens/s p{objective.percent:g}")
        axes.yaxis.set_major_formatter(FuncFormatter(seconds_tick if in_seconds else plain_number))
    for name, each in parts.items():
        _steps(panels[-1], findings.styles[name], each, [100 * part.attainment for part in each])
    panels[-1].set_ylabel("within limits (%)")
    for axes in panels:
        axes.set_ylim(0, axes.get_ylim()[1])
        axes.set_xlim(min(p[0].window.start_s for p in parts.values()), max(p[-1].window.end_s for p in parts.values()))
        _mark_outages(axes, findings)
    panels[-1].set_xlabel(f"time of arrival since the start{_told_outages(findings)}; dashed: limits")
    clock_axis(panels[-1])
    legend_below(figure, service_handles(findings))
    return figure


def clock_axis(axes: Axes, most_ticks: int = MOST_TICKS) -> None:
    """Ticks at whole seconds, minutes or hours, as few as can be read."""
    low, high = axes.get_xlim()
    step_s = next((each for each in CLOCK_STEPS_S if (high - low) / each <= most_ticks), CLOCK_STEPS_S[-1])
    axes.xaxis.set_major_locator(MultipleLocator(step_s))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: clock(at)))


def _same(verdict: Verdict, objective: Objective) -> bool:
    return verdict.objective.name == objective.name


def _value(part: Stretch, objective: Objective) -> float:
    """What came out of an objective in a part; NaN where that is unknown or without end."""
    found = next((v.value for v in part.verdicts if _same(v, objective)), nan)
    return found if isfinite(found) else nan


def _steps(axes: Axes, style: Style, parts: Sequence[Stretch], values: Sequence[float]) -> None:
    look: dict[str, Any] = {"color": style.colour, "linestyle": style.dash, "linewidth": 2.2}
    axes.plot(_edges(parts), [*values, values[-1]], drawstyle="steps-post", **look)


def _edges(parts: Sequence[Stretch]) -> NDArray[np.float64]:
    """Seconds at which parts begin, and at which the last one ends."""
    return np.array([part.window.start_s for part in parts] + [parts[-1].window.end_s])


def _mark_outages(axes: Axes, findings: Findings) -> None:
    """A band for each time in which systems of any service are down."""
    for down in {span for each in findings.services for span in outages(each)}:
        axes.axvspan(down.start_s, down.end_s, color=DOWN, alpha=0.18, linewidth=0, zorder=0)


def _told_outages(findings: Findings) -> str:
    """What the bands are, with whose systems are down where they are those of one of several services."""
    down = [each.summary.service for each in findings.services if outages(each)]
    whose = f" of {shortened(down[0])}" if len(down) == 1 < len(findings.services) else ""
    return f"; red: systems{whose} down" if down else ""


def coarse(record: ServiceRecord, *names: str) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]:
    """Columns of timeline.csv over at most `MOST_BINS` bins, the last one wider: edges in seconds, and means."""
    rows = timeline_rows(record)
    bins = len(rows["start_s"])
    group = -(-bins // MOST_BINS) or 1
    starts = np.arange(0, max(bins - group + 1, 1), group)
    widths = rows["end_s"] - rows["start_s"]
    wide = np.add.reduceat(widths, starts)
    means = tuple(np.add.reduceat(rows[name] * widths, starts) / wide for name in names)
    return np.append(rows["start_s"][starts], rows["end_s"][-1]), means


def _two_panels(findings: Findings, title: str, upper: tuple[str, str, float], lower: tuple[str, str, float]) -> Figure:
    """Two columns of the timeline, one line a service; each is its name, its label and its scale."""
    if len(findings.services) > MOST_LINES:
        return _lanes(findings, title, [_timeline_lanes(findings, *each) for each in (upper, lower)], SINCE_START)
    figure, ((above,), (below,)) = sheet(title, of_load(findings), rows=2, margins=Margins(down=40), sharex=True)
    for each in findings.services:
        style = findings.styles[each.summary.service]
        edges, columns = coarse(each.record, upper[0], lower[0])
        for axes, values, (_, _, scale) in zip((above, below), columns, (upper, lower), strict=True):
            middles = (edges[1:] + edges[:-1]) / 2
            axes.plot(middles, scale * values, color=style.colour, linestyle=cast(Any, style.dash), linewidth=2.2)
    for axes, (_, label, _) in ((above, upper), (below, lower)):
        axes.set_ylabel(label)
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.0))
        axes.set_xlim(0, max(each.record.ended_at for each in findings.services))
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
        _mark_window(axes, findings.result.window)
        _mark_outages(axes, findings)
    below.set_xlabel(f"{SINCE_START}; grey: not measured{_told_outages(findings)}")
    clock_axis(below)
    legend_below(figure, service_handles(findings))
    return figure


class Lanes(NamedTuple):
    """What a panel shows of every service, in order: edges of its steps in seconds, a value between each two, and the
    limit that is drawn, NaN for none; and how a value is told.
    """

    label: str
    steps: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]
    limits: Sequence[float]
    told: Callable[[float], str]


def _timeline_lanes(findings: Findings, name: str, label: str, scale: float) -> Lanes:
    series = [coarse(each.record, name) for each in findings.services]
    return Lanes(label, [(edges, scale * means) for edges, (means,) in series], [nan] * len(series), number)


def _objective_lanes(parts: Mapping[str, Sequence[Stretch]], objective: Objective) -> Lanes:
    values = [np.array([_value(part, objective) for part in each]) for each in parts.values()]
    limits = [
        next((v.objective.limit for part in each for v in part.verdicts if _same(v, objective)), nan)
        for each in parts.values()
    ]
    in_seconds = objective.metric != "output_speed"
    label = short(objective) if in_seconds else f"tokens/s p{objective.percent:g}"
    steps = list(zip(map(_edges, parts.values()), values, strict=True))
    return Lanes(label, steps, limits, seconds if in_seconds else number)


def _attainment_lanes(parts: Mapping[str, Sequence[Stretch]]) -> Lanes:
    steps = [(_edges(each), np.array([100 * part.attainment for part in each])) for each in parts.values()]
    return Lanes("within limits (%)", steps, [nan] * len(steps), number)


def _lanes(findings: Findings, title: str, measures: Sequence[Lanes], across: str) -> Figure:
    """A lane for each service, all on one scale: lines of many services on top of each other say nothing."""
    margins = Margins(left=350, across=50)
    figure, ((*panels,),) = sheet(title, of_load(findings), columns=len(measures), margins=margins, sharey=True)
    lanes = len(findings.services)
    for axes, (label, steps, limits, written) in zip(panels, measures, strict=True):
        values = np.concatenate([each for _, each in steps] + [np.array(limits)])
        most = float(np.nanmax(values, initial=0)) or 1.0
        for lane, (each, (edges, heights), limit) in enumerate(zip(findings.services, steps, limits, strict=True)):
            colour, base = findings.styles[each.summary.service].colour, lanes - 1 - lane
            drawn = base + LANE * np.append(heights, heights[-1:]) / most
            axes.fill_between(edges, base, drawn, step="post", color=colour, alpha=0.75, linewidth=0)
            if isfinite(limit):
                axes.axhline(base + LANE * limit / most, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)
        axes.set_title(f"{label}, a lane is {written(most)}")
        axes.set_xlim(0, max(each.record.ended_at for each in findings.services))
        clock_axis(axes, MOST_TICKS // len(panels))
        _mark_window(axes, findings.result.window)
        _mark_outages(axes, findings)
    middle = len(panels) / 2 + (len(panels) - 1) * figure.subplotpars.wspace / 2  # in widths of a panel: one for all
    panels[0].set_xlabel(f"{across}; grey: not measured{_told_outages(findings)}", x=middle)
    panels[0].set_ylim(-0.05, lanes)
    panels[0].grid(False, axis="y")
    for axes in panels[1:]:
        axes.yaxis.set_visible(False)
    names = [shortened(each.summary.service, 28) for each in findings.services]
    panels[0].set_yticks([lanes - 1 - lane for lane in range(lanes)], names)
    return figure


def _mark_window(axes: Axes, window: Window) -> None:
    start, end = axes.get_xlim()
    for low, high in ((start, window.start_s), (window.end_s, end)):
        if high - low > 1e-3 * (end - start):
            axes.axvspan(low, high, color=GREY, alpha=0.13, linewidth=0)
    axes.set_xlim(start, end)
