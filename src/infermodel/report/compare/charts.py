"""Reports drawn over one another: the colour says the service, the dash or the tone the report."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from infermodel.report.compare.differences import Difference
from infermodel.report.compare.read import SavedReport
from infermodel.report.drawing import legend_below, log_axis, plain_number, seconds_tick, sheet
from infermodel.report.human import number, shortened
from infermodel.report.palette import DASHES, GREY, INK, shaded, styles

MOST_SERVICES = 8

BARS = (
    ("capacity", "rpm", "Requests/min at capacity"),
    ("capacity", "blended", "USD/Mtok at capacity"),
    ("capacity", "output_speed_p50_tok_s", "Tokens/s a user at capacity"),
)
OFFERED_BARS = (
    ("offered", "ttft_mean_s", "Mean TTFT (s), offered load"),
    ("offered", "blended", "USD/Mtok, offered load"),
    ("offered", "output_speed_p50_tok_s", "Tokens/s a user, offered load"),
)
LATENCY_PANELS = (("ttft_s", "Time to first token"), ("tpot_s", "Time per output token"), ("e2e_s", "End to end"))


def bars(reports: Sequence[SavedReport], rows: Sequence[Difference]) -> Figure | None:
    """The main figures of each service, one bar a report; at capacity where any report has one."""
    shown = BARS if any(row.load == "capacity" and row.metric == "rpm" for row in rows) else OFFERED_BARS
    services = list(dict.fromkeys(row.service for row in rows))[:MOST_SERVICES]
    figure, ((*panels,),) = sheet(
        "Reports side by side", "one bar a report, in the order of the legend", columns=3, sharey=True
    )
    thickness, colours = 0.8 / len(reports), looks(reports, services)
    for axes, (load, metric, title) in zip(panels, shown, strict=True):
        values = {(r.service, r.report): r.value for r in rows if (r.load, r.metric) == (load, metric)}
        longest = max((value for value in values.values() if isfinite(value)), default=1.0)
        for place, service in enumerate(services):
            for turn, report in enumerate(reports):
                value = values.get((service, report.title), float("nan"))
                at = place + (turn - (len(reports) - 1) / 2) * thickness
                if isfinite(value):
                    axes.barh(at, value, height=0.9 * thickness, color=tone(colours[service], turn))
                axes.text(
                    (value if isfinite(value) else 0) + 0.015 * longest,
                    at,
                    number(value),
                    va="center",
                    fontsize=max(8.0, min(13.0, 260 * thickness / max(len(services), 3))),
                    color=INK if isfinite(value) else GREY,
                )
        axes.set_xlim(0, 1.24 * longest)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(plain_number))
        axes.set_title(title)
        axes.grid(False, axis="y")
    panels[0].set_yticks(range(len(services)), [shortened(service, 24) for service in services])
    panels[0].set_ylim(len(services) - 0.5, -0.5)
    named = [(tone("#7A7A7A", turn), shortened(report.title, 40)) for turn, report in enumerate(reports)]
    legend_below(figure, [Patch(color=colour, label=label) for colour, label in named])
    return figure


def latencies(reports: Sequence[SavedReport]) -> Figure | None:
    """Distributions of the latencies at the offered load, one line a service and report."""
    services = list(dict.fromkeys(service for report in reports for service in report.requests))[:MOST_SERVICES]
    if not services:
        return None
    figure, ((*panels,),) = sheet(
        "Latency, reports over one another",
        "offered load; colour: service, dash: report",
        columns=3,
        sharey=True,
    )
    colours = looks(reports, services)
    for axes, (column, title) in zip(panels, LATENCY_PANELS, strict=True):
        axes.set_title(title)
        ends: list[float] = []
        for turn, report in enumerate(reports):
            for service in services:
                if service in report.requests:
                    ends += _curve(axes, report.requests[service].latencies[column], colours[service], turn)
        if ends:
            log_axis(axes, "x", min(ends), max(ends), pad=0.05, most_ticks=4, tick=seconds_tick)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("log scale")
    panels[0].set_ylabel("share of requests")
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:.0f} %"))
    by_service = [Patch(color=colours[service], label=shortened(service, 30)) for service in services]
    by_report = [
        Line2D([], [], color=GREY, linestyle=cast(Any, DASHES[turn % 4]), label=shortened(report.title, 40))
        for turn, report in enumerate(reports)
    ]
    legend_below(figure, [*by_service, *by_report])
    return figure


def looks(reports: Sequence[SavedReport], services: Sequence[str]) -> dict[str, str]:
    """Colour of each service, as in its own report; by its name where its device is not known."""
    devices = [
        next((report.devices[service] for report in reports if service in report.devices), service)
        for service in services
    ]
    return {service: style.colour for service, style in zip(services, styles(devices), strict=True)}


def tone(colour: str, turn: int) -> str:
    """The colour of a service in the report of this number: lighter for each further one."""
    return shaded(colour, (0.0, -0.45, -0.7, -0.25)[turn % 4])


def _curve(axes: Axes, values: np.ndarray[Any, np.dtype[np.float64]], colour: str, turn: int) -> list[float]:
    known = np.maximum(np.sort(values[np.isfinite(values)]), 1e-6)
    if len(known) == 0:
        return []
    shares = np.arange(1, len(known) + 1) / len(values)
    kept = np.unique(np.linspace(0, len(known) - 1, 1500).astype(np.int64))
    axes.plot(known[kept], shares[kept], color=colour, linestyle=cast(Any, DASHES[turn % len(DASHES)]))
    return [float(known[0]), float(known[-1])]
