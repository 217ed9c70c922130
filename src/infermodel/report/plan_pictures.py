"""The picture of a plan: dollars an hour against speed and against time to first token, and the fronts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infermodel.report.drawing import legend_below, log_axis, png, seconds_tick, sheet
from infermodel.report.human import shortened
from infermodel.report.palette import GREY, INK, Style, styles


@dataclass(frozen=True)
class PlanStory:
    """What the picture shows.

    Attributes:
        title: of the plan.
        devices: candidate to the name of its device.
        rows: of the plan's table.
    """

    title: str
    devices: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]

    @property
    def looks(self) -> dict[str, Style]:
        """How each candidate looks."""
        return dict(zip(self.devices, styles(list(self.devices.values())), strict=True))


def fronts_png(story: PlanStory) -> bytes | None:
    """Both fronts; None where no fleet meets the objectives."""
    return png(_fronts, story)


def _fronts(story: PlanStory) -> Figure | None:
    fleets = [row for row in story.rows if row["systems"]]
    if not fleets:
        return None
    how = "each mark: a layout's smallest fleet that meets the objectives, spares included; line: front; ring: cheapest"
    figure, ((left, right),) = sheet(story.title, how, 1, 2)
    _panel(left, story, fleets, "speed_tok_s", "on_speed_front")
    left.set_title("Dollars against speed")
    left.set_xlabel("output speed of a user, median, tokens/s")
    _panel(right, story, fleets, "ttft_p99_s", "on_ttft_front", in_seconds=True)
    right.set_title("Dollars against waiting")
    right.set_xlabel("time to first token, p99")
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="none", markersize=11, label=shortened(name))
        for name, look in story.looks.items()
    ]
    legend_below(figure, handles)
    return figure


def _panel(
    axes: Axes,
    story: PlanStory,
    fleets: Sequence[Mapping[str, Any]],
    measure: str,
    flag: str,
    *,
    in_seconds: bool = False,
) -> None:
    shown = [row for row in fleets if isfinite(row[measure]) and row[measure] > 0 and row["usd_per_h"] > 0]
    if not shown:
        return
    front = sorted((row[measure], row["usd_per_h"]) for row in shown if row[flag])
    axes.plot([x for x, _ in front], [y for _, y in front], color=GREY, linewidth=1.6, zorder=1)
    for row in shown:
        look = story.looks[row["candidate"]]
        axes.plot(row[measure], row["usd_per_h"], color=look.colour, marker=look.marker, markersize=10, zorder=2)
        if row["best"]:
            ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": INK, "markeredgewidth": 2.0}
            axes.plot(row[measure], row["usd_per_h"], marker="o", markersize=20, zorder=3, **ring)
    xs, ys = [row[measure] for row in shown], [row["usd_per_h"] for row in shown]
    if in_seconds:
        log_axis(axes, "x", min(xs), max(xs), tick=seconds_tick, most_ticks=6)
    else:
        log_axis(axes, "x", min(xs), max(xs), most_ticks=6)
    log_axis(axes, "y", min(ys), max(ys))
    axes.set_ylabel("USD/h")
