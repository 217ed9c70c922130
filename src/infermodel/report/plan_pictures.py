"""The pictures of a plan: dollars against speed and time to first token with the fronts, and what was pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infermodel.report.drawing import captioned, legend_below, log_axis, seconds_tick, sheet
from infermodel.report.human import shortened
from infermodel.report.palette import GREY, INK
from infermodel.report.plan_story import PlanStory

MOST_LAYOUTS = 24
"""That a picture has lines for; the cheapest are shown."""


def plan_pictures(story: PlanStory) -> dict[str, tuple[str, bytes]]:
    """File name to caption and SVG, of the pictures that there is something to draw for."""
    return captioned(PICTURES, story)


def fronts(story: PlanStory) -> Figure | None:
    """Dollars against speed and against the time to the first token, with the front of each."""
    fleets = story.with_fleet
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


def searched(story: PlanStory) -> Figure | None:
    """What each layout costs at least, and its smallest fleet that meets the objectives."""
    bounded = [row for row in story.without_fleet if row["least_usd_per_h"]]
    shown = [*story.with_fleet, *sorted(bounded, key=lambda row: row["least_usd_per_h"])]
    if not shown or not any(row["least_usd_per_h"] for row in shown):
        return None
    shown = shown[:MOST_LAYOUTS]
    how = "from what a layout costs at least (bound) to its smallest fleet that meets the objectives"
    figure, ((axes,),) = sheet(f"{story.title} What was ruled out", how, 1, 1)
    places = range(len(shown), 0, -1)
    for y, row in zip(places, shown, strict=True):
        look, least = story.looks[row["candidate"]], row["least_usd_per_h"]
        if row["systems"]:
            axes.plot([least, row["usd_per_h"]], [y, y], color=look.colour, linewidth=7, alpha=0.45, zorder=1)
            axes.plot(row["usd_per_h"], y, color=look.colour, marker=look.marker, markersize=11, zorder=2)
        else:
            axes.plot(least, y, color=look.colour, marker="x", markersize=11, markeredgewidth=2.5, zorder=2)
    ends = [row["least_usd_per_h"] for row in shown] + [row["usd_per_h"] for row in shown if row["systems"]]
    log_axis(axes, "x", min(ends), max(ends))
    axes.set_xlabel("USD/h, spares included")
    axes.set_yticks(list(places), [shortened(story.name(row), 60) for row in shown])
    axes.tick_params(axis="y", labelsize=13)
    axes.set_ylim(0.3, len(shown) + 0.7)
    axes.grid(visible=False, axis="y")
    return figure


PICTURES = {
    "fronts": (
        fronts,
        "Each mark is the smallest fleet of a layout that keeps the promises. The line joins those that no other "
        "beats both in dollars and in what is across; the ring marks the cheapest.",
    ),
    "searched": (
        searched,
        "The bar starts where the cost engine proves that a layout cannot cost less, and ends at the fleet that "
        "was found; a cross marks a layout that was ruled out or found no fleet.",
    ),
}
"""By file name."""
