"""Distributions of latencies."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from infermodel.experiment.result import ServiceResult
from infermodel.experiment.run import own_window
from infermodel.metrics.latency import latencies
from infermodel.metrics.steady import Window
from infermodel.report.drawing import Margins, legend_below, log_axis, of_load, seconds_tick, service_handles, sheet
from infermodel.report.findings import Findings
from infermodel.report.labels import place
from infermodel.report.palette import INK
from infermodel.tables import REJECTED

PANELS = (
    ("ttft", "ttft_s", "Time to first token"),
    ("tpot", "tpot_s", "Time per output token"),
    ("e2e", "e2e_s", "End to end"),
)
MOST_POINTS = 250

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def distributions(findings: Findings) -> Figure | None:
    """Cumulative distributions of TTFT, TPOT and E2E, one line a service, limits of the objectives marked."""
    curves = {
        column: {
            each.summary.service: curve
            for each in findings.services
            if (curve := cumulative(each, findings.result.window, column)) is not None
        }
        for _, column, _ in PANELS
    }
    if not any(curves.values()):
        return None
    figure, ((*panels,),) = sheet(
        "Latency by service", of_load(findings), columns=3, margins=Margins(across=50), sharey=True
    )
    for axes, (metric, column, title) in zip(panels, PANELS, strict=True):
        axes.set_title(title)
        limits = _limits(findings, metric)
        _draw(axes, findings, curves[column], limits)
        _mark(axes, limits)
        axes.set_xlabel("log scale")
    panels[0].set_ylabel("share of requests")
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.0f} %"))
    legend_below(figure, service_handles(findings))
    for axes, (metric, column, _) in zip(panels, PANELS, strict=True):
        _name(axes, curves[column], _limits(findings, metric))
    return figure


def cumulative(each: ServiceResult, common: Window, column: str) -> Curve | None:
    """Sorted latencies of the window's accepted requests and the share that took at most so long, thinned.

    Requests that never got there count in the shares and not in the curve.
    """
    requests, window = each.record.requests, own_window(each.service, each.record, common)
    accepted = window.holds(requests.arrived_at) & (requests.status != REJECTED)
    if column == "tpot_s":
        accepted &= requests.output_tokens > 1
    values = latencies(requests)[column][accepted]
    known = np.sort(values[np.isfinite(values)])
    if len(known) == 0:
        return None
    shares = np.arange(1, len(known) + 1) / len(values)
    if len(known) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(known) - 1, MOST_POINTS).astype(np.int64))
        known, shares = known[kept], shares[kept]
    return known, shares


def _draw(axes: Axes, findings: Findings, curves: Mapping[str, Curve], limits: list[tuple[float, float]]) -> None:
    for name, (values, shares) in curves.items():
        style = findings.styles[name]
        values = np.maximum(values, 1e-6)
        axes.plot(
            np.concatenate([values[:1], values]),
            np.concatenate([[0.0], shares]),
            drawstyle="steps-post",
            color=style.colour,
            linestyle=style.dash,
        )
    ends = [max(float(end), 1e-6) for values, _ in curves.values() for end in (values[0], values[-1])]
    ends += [1.15 * limit for limit, _ in limits]
    if ends:
        log_axis(axes, "x", min(ends), max(ends), pad=0.06, most_ticks=4, tick=seconds_tick)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 1])


def _limits(findings: Findings, metric: str) -> list[tuple[float, float]]:
    """Objectives of this metric: the limit, and the share of requests that must keep it."""
    verdicts = [verdict for each in findings.services for verdict in each.summary.verdicts]
    shared = [v.objective for v in verdicts if v.objective.metric == metric and not isnan(v.objective.percent)]
    return sorted({(each.limit, each.percent / 100) for each in shared})


def _mark(axes: Axes, limits: list[tuple[float, float]]) -> None:
    """A cross where each objective lies."""
    if limits:
        axes.plot(*zip(*limits, strict=True), linestyle="none", marker="x", markersize=11, mew=3, color=INK)


def _name(axes: Axes, curves: Mapping[str, Curve], limits: list[tuple[float, float]]) -> None:
    """Say beside the first cross what it is."""
    if not limits:
        return
    lines = [list(zip(values.tolist(), shares.tolist(), strict=True)) for values, shares in curves.values()]
    place(axes, limits[:1], ["objective"], [INK], obstacles=lines)
