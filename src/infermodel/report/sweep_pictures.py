"""Pictures of a sweep: lines along an axis, a heat map over two, and which axis moves the answer most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from textwrap import fill
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from infermodel.report.drawing import captioned, legend_below, log_axis, plain_number, sheet
from infermodel.report.human import number, shortened
from infermodel.report.palette import DASHES, GREY, shaded
from infermodel.report.sweep_story import MOVED, SHOWN, TITLES, SweepStory, Swing, quantity_of

LETTERS = 90
"""Of words below all panels of a row side by side; longer ones take several lines."""

MOST_LINES = 4
MOST_PANELS = 6
MOST_TICKS = 6


def sweep_pictures(story: SweepStory) -> dict[str, tuple[str, bytes]]:
    """File name to caption and SVG, of the pictures that there is something to draw for."""
    return captioned(PICTURES, story)


def lines(story: SweepStory) -> Figure | None:
    """A panel for each measure: its value along the first axis, a line a service (and a value of the second axis)."""
    axis = story.axes[0]
    measures = [measure for measure in SHOWN[story.ask] if _has(story, measure)]
    if not measures:
        return None
    columns = min(2, len(measures))
    figure, grid = sheet(
        story.title,
        f"along {axis}; bars: 95 % intervals; shades: range of the prices",
        -(-len(measures) // columns),
        columns,
    )
    panels = [axes for row in grid for axes in row]
    seconds = _second_values(story) if story.crossed and len(story.axes) == 2 else [None]
    for axes, measure in zip(panels, measures, strict=False):
        _line_panel(axes, story, axis, measure, seconds)
        axes.set_title(TITLES.get(measure, measure))
    for axes in panels[len(measures) :]:
        axes.set_visible(False)
    handles = [_handle(style.colour, style.dash, name) for name, style in story.styles.items()]
    if story.crossed and len(story.axes) == 2:
        handles += [_handle(GREY, DASHES[i], f"{story.axes[1]} {value}") for i, value in enumerate(seconds)]
    legend_below(figure, handles)
    return figure


def _handle(colour: str, dash: Any, label: str) -> Line2D:
    return Line2D([], [], color=colour, linestyle=dash, label=shortened(label))


def _second_values(story: SweepStory) -> list[Any]:
    """Values of the second axis, at most `MOST_LINES`, spread over them."""
    values = list(dict.fromkeys(place[story.axes[1]] for point, place in story.points.items() if point))
    picks = np.unique(np.linspace(0, len(values) - 1, min(MOST_LINES, len(values))).round().astype(int))
    return [values[i] for i in picks]


def panels(story: SweepStory) -> Figure | None:
    """Two crossed axes: dollars a token (or else the first measure) along the first, a panel for each value of the
    second; shades show the range of the prices, words which services have no answer."""
    if not story.crossed or len(story.axes) != 2:
        return None
    measure = next((m for m in ("usd_per_mtok", *SHOWN[story.ask]) if _has(story, m)), None)
    seconds = _second_values(story)
    if measure is None or len(seconds) < 2:
        return None
    how = f"{TITLES.get(measure, measure)} along {story.axes[0]}; shades: from the lowest to the highest prices"
    figure, (grid,) = sheet(story.title, how, 1, len(seconds), sharey=True)
    drawn = [_line_panel(axes, story, story.axes[0], measure, [s]) for axes, s in zip(grid, seconds, strict=True)]
    values = [value for each in drawn for value in each]
    for axes, second in zip(grid, seconds, strict=True):
        axes.set_title(shortened(f"{story.axes[1]} {second}", 100 // len(seconds)))
        lost = [each for each in story.services if not _answers(story, each, second)]
        if lost:
            said = "no answer: " + ", ".join(map(shortened, lost))
            axes.text(0.5, 0.02, fill(said, 90 // len(seconds)), transform=axes.transAxes, ha="center", color=GREY)
    if min(values) > 0 and max(values) / min(values) > 30:
        log_axis(grid[0], "y", min(values), max(values), pad=0.08)
    else:
        grid[0].set_ylim(0, 1.05 * max(values))  # of all panels: the first one's own limits would cut the others
    grid[0].set_ylabel(TITLES.get(measure, measure))
    legend_below(figure, [_handle(style.colour, style.dash, name) for name, style in story.styles.items()])
    return figure


def _answers(story: SweepStory, service: str, second: Any) -> bool:
    """Whether a service has any dollars a token, or rate, at a value of the second axis."""
    return any(
        isfinite(story.value(point, service, measure))
        for point, place in story.points.items()
        if point and place[story.axes[1]] == second
        for measure in ("usd_per_mtok", *SHOWN[story.ask])
    )


def _line_panel(axes: Axes, story: SweepStory, axis: str, measure: str, seconds: Sequence[Any]) -> list[float]:
    """Lines along an axis, of each service and value of the second axis (None: of all of them). What is drawn."""
    places = {point: place for point, place in story.points.items() if point}
    numbers = {point: quantity_of(place[axis]) for point, place in places.items()}
    words = list(dict.fromkeys(str(place[axis]) for place in places.values()))
    worded = any(value is None for value in numbers.values())
    joined = story.crossed and len(story.axes) <= 2
    across_all: list[float] = []
    up_all: list[float] = []
    for service in story.services:
        style = story.styles[service]
        for turn, second in enumerate(seconds):
            line = []
            for point, place in places.items():
                if second is not None and place[story.axes[1]] != second:
                    continue
                across = float(words.index(str(place[axis]))) if worded else cast(float, numbers[point])
                value, half_width = story.value(point, service, measure), story.half_width(point, service, measure)
                low, high = (story.value(point, service, f"{measure}_{end}") for end in ("low", "high"))
                if isfinite(value):
                    line.append((across, value, half_width if isfinite(half_width) else 0.0, low, high))
            if not line:
                continue
            xs, ys, widths, lows, highs = (list(each) for each in zip(*sorted(line), strict=True))
            dash = style.dash if len(seconds) == 1 else DASHES[turn]
            look = {"color": style.colour, "linestyle": dash if joined else "none", "marker": style.marker}
            if len(seconds) == 1 and all(map(isfinite, [*lows, *highs])):
                axes.fill_between(xs, lows, highs, color=style.colour, alpha=0.13, linewidth=0)
                up_all += [*lows, *highs]
            if any(widths):
                axes.errorbar(xs, ys, yerr=widths, fmt="none", ecolor=style.colour, capsize=3)
            axes.plot(xs, ys, markersize=6, **cast(Any, look))
            across_all += xs
            up_all += ys
    axes.set_xlabel(shortened(axis, 60) + ("" if worded else _unit(places, axis)))
    if worded:
        room = max(6, LETTERS // (len(words) * len(axes.figure.axes)))
        axes.set_xticks(range(len(words)), [fill(shortened(word, 3 * room), room) for word in words])
    elif across_all and min(across_all) > 0 and max(across_all) / min(across_all) > 12:
        log_axis(axes, "x", min(across_all), max(across_all), pad=0.05)
        if len(set(across_all)) <= MOST_TICKS:
            axes.xaxis.set_major_locator(FixedLocator(sorted(set(across_all))))
    if up_all and min(up_all) > 0 and max(up_all) / min(up_all) > 30:
        log_axis(axes, "y", min(up_all), max(up_all), pad=0.08)
    elif up_all and min(up_all) >= 0:
        axes.set_ylim(0, 1.05 * max(up_all) or 1.0)
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
    return up_all


def _unit(places: Mapping[int, Mapping[str, Any]], axis: str) -> str:
    """The unit that the axis' values are written in, in brackets."""
    text = next((str(place[axis]) for place in places.values()), "")
    unit = text.partition(" ")[2]
    return f" ({unit})" if unit else ""


def heat_map(story: SweepStory) -> Figure | None:
    """Two crossed axes: dollars a token (or else the first measure) in each cell, a panel a service."""
    if not story.crossed or len(story.axes) != 2:
        return None
    measure = next((m for m in ("usd_per_mtok", *SHOWN[story.ask]) if _has(story, m)), None)
    if measure is None:
        return None
    first, second = story.axes
    names = story.services[:MOST_PANELS]
    rows = 1 if len(names) <= 3 else 2
    figure, grid = sheet(story.title, f"{TITLES.get(measure, measure)}; empty: no answer", rows, -(-len(names) // rows))
    places = {point: place for point, place in story.points.items() if point}
    xs = list(dict.fromkeys(place[first] for place in places.values()))
    ys = list(dict.fromkeys(place[second] for place in places.values()))
    panels = [axes for row in grid for axes in row]
    for axes, service in zip(panels, names, strict=False):
        cells = np.full((len(ys), len(xs)), np.nan)
        for point, place in places.items():
            cells[ys.index(place[second]), xs.index(place[first])] = story.value(point, service, measure)
        axes.grid(visible=False)
        axes.imshow(cells, aspect="auto", origin="lower", cmap="viridis_r")
        axes.set_title(shortened(service))
        axes.set_xticks(range(len(xs)), [shortened(str(x), 12) for x in xs], rotation=30 if len(xs) > 6 else 0)
        axes.set_yticks(range(len(ys)), [shortened(str(y), 12) for y in ys])
        axes.set_xlabel(shortened(first, 60))
        axes.set_ylabel(shortened(second, 60))
        if cells.size <= 100:
            middle = np.nanmean([np.nanmin(cells), np.nanmax(cells)]) if np.isfinite(cells).any() else 0
            for (j, i), value in np.ndenumerate(cells):
                if isfinite(value):
                    colour = "white" if value > middle else "black"
                    axes.text(i, j, number(float(value)), ha="center", va="center", fontsize=12, color=colour)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure


def _has(story: SweepStory, measure: str) -> bool:
    return any(isfinite(story.value(p, s, measure)) for p in story.points if p for s in story.services)


def tornado(story: SweepStory) -> Figure | None:
    """Which axis moves dollars a token and the rate most: bars from the lowest to the highest mean over each axis."""
    panels = [
        (service, measure, swings)
        for service in story.services
        for measure in MOVED[story.ask]
        if len(swings := story.swings.get((service, measure), ())) >= 2
    ][:MOST_PANELS]
    if not panels:
        return None
    columns = min(2, len(panels))
    figure, grid = sheet(
        "What moves the answer most",
        "bar: mean at the lowest and the highest value of the axis; line: base",
        -(-len(panels) // columns),
        columns,
    )
    flat = [axes for row in grid for axes in row]
    for axes, (service, measure, swings) in zip(flat, panels, strict=False):
        _tornado_panel(axes, swings, story.styles[service].colour)
        axes.set_title(shortened(f"{service}: {TITLES.get(measure, measure)}", 60))
    for axes in flat[len(panels) :]:
        axes.set_visible(False)
    return figure


def _tornado_panel(axes: Axes, swings: Sequence[Swing], colour: str) -> None:
    shown = list(swings[:10])[::-1]
    for place, swing in enumerate(shown):
        axes.barh(place, swing.high - swing.low, left=swing.low, color=shaded(colour, -0.25), height=0.62)
        for words, end, side in ((swing.low_at, swing.low, -1), (swing.high_at, swing.high, 1)):
            look: dict[str, Any] = {"ha": "left" if side > 0 else "right", "va": "center", "fontsize": 12}
            axes.annotate(shortened(words, 18), (end, place), xytext=(6 * side, 0), textcoords="offset points", **look)
    if isfinite(shown[0].base):
        axes.axvline(shown[0].base, color=GREY, linestyle=(0, (4, 3)), linewidth=1.5)
    axes.set_yticks(range(len(shown)), [shortened(swing.axis, 26) for swing in shown])
    low, high = min(s.low for s in shown), max(s.high for s in shown)
    room = 0.35 * (high - low) or abs(high) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.grid(visible=False, axis="y")


PICTURES = {
    "lines": (lines, "Each measure along the first axis. Dashes tell values of the second axis apart."),
    "panels": (
        panels,
        "A panel for each value of the second axis; lines at the middle of the prices, shades over their range.",
    ),
    "heat_map": (heat_map, "Two axes at once, one panel a service."),
    "tornado": (
        tornado,
        "How far each axis alone moves the answer, all others averaged out; at the bars' ends, the axis' values there.",
    ),
}
"""By file name."""
