"""Names beside points, where they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import cos, hypot, isfinite, pi, sin

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from infermodel.report.human import shortened
from infermodel.report.palette import INK, shaded

TURNS = 16
RADII_PX = (16.0, 28.0, 44.0, 64.0, 90.0, 120.0)
GAP_PX = 3.0
LINE_PX = 6.0
"""Side of the squares that a line is taken to cover."""

Line = Sequence[tuple[float, float]]
"""A polyline in data coordinates."""


def place(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    colours: Sequence[str],
    keep_free: Sequence[Bbox] = (),
    *,
    fontsize: float = 14,
    obstacles: Sequence[Line] = (),
) -> list[Bbox]:
    """Write each name near its point, at the nearest free place; a thin line leads to it where that is not close.

    Call it when limits and layout of the axes are final.

    Args:
        points: in data coordinates.
        keep_free: boxes, in pixels, that names may not cover.
        obstacles: lines that names may not cross.

    Returns:
        Boxes of the names, pixels.
    """
    settle(axes)
    centres = [_pixels(axes, *point) for point in points]
    taken = [_mark(x, y) for x, y in centres] + list(keep_free)
    for line in obstacles:
        taken += _along(axes, line)
    room = axes.get_window_extent()
    boxes = []
    for (x, y), point, name, colour in zip(centres, points, names, colours, strict=True):
        text = _outlined(axes, shortened(name), point, fontsize, shaded(colour, 0.25))
        size = text.get_window_extent()
        best, distance = _free_place(x, y, size.width, size.height, taken, room)
        _move(text, (x, y), best)
        if distance > RADII_PX[1]:
            near = (min(max(x, best.x0), best.x1), min(max(y, best.y0), best.y1))
            axes.annotate(
                "",
                point,
                xytext=(near[0] - x, near[1] - y),
                textcoords="offset pixels",
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.9, "shrinkB": 8},
            )
        taken.append(best)
        boxes.append(best)
    return boxes


def name_level(axes: Axes, words: str, level: float, marks: Line, obstacles: Sequence[Line]) -> None:
    """Write `words` on a horizontal line across the axes: at its right end, or as near to that as there is a place,
    above or below the line, where they cover neither marks nor lines.

    Call it when limits and layout of the axes are final.

    Args:
        level: y of the line, data coordinates.
        marks: points that carry a mark.
    """
    settle(axes)
    room = axes.get_window_extent()
    taken = [_mark(*_pixels(axes, *mark)) for mark in marks]
    for line in obstacles:
        taken += _along(axes, line)
    text = _outlined(axes, words, (axes.get_xlim()[1], level), 13, INK)
    end, at = _pixels(axes, axes.get_xlim()[1], level)
    size = text.get_window_extent()
    rows = [at + GAP_PX, at - GAP_PX - size.height]
    inside = [low for low in rows if room.y0 <= low and low + size.height <= room.y1] or rows[:1]
    steps = range(int((room.width - size.width) / LINE_PX))
    places = [
        Bbox.from_bounds(end - size.width - LINE_PX * (1 + step), low, size.width, size.height)
        for step in steps
        for low in inside
    ]
    if places:
        best = min(places, key=lambda box: (round(sum(_shared(box, other) for other in taken)), -box.x0))
        _move(text, (end, at), best)


def settle(axes: Axes) -> None:
    """Lay the figure out, once and for all: pixels of the axes are final then."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _outlined(axes: Axes, words: str, point: tuple[float, float], fontsize: float, colour: str) -> Annotation:
    """Words at a point with a white edge, above all lines."""
    return axes.annotate(
        words,
        point,
        xytext=(0, 0),
        textcoords="offset pixels",
        color=colour,
        fontsize=fontsize,
        zorder=6,
        path_effects=[withStroke(linewidth=4, foreground="white")],
    )


def _move(text: Annotation, point: tuple[float, float], box: Bbox) -> None:
    """Put the words whose anchor is at `point`, pixels, into a box of their size."""
    text.set_position((box.x0 - point[0], box.y0 - point[1]))
    moved = text.get_window_extent()
    text.set_position((2 * box.x0 - point[0] - moved.x0, 2 * box.y0 - point[1] - moved.y0))


def _mark(x: float, y: float) -> Bbox:
    """What a mark covers, pixels."""
    return Bbox.from_bounds(x - 11, y - 11, 22, 22)


def _along(axes: Axes, line: Line) -> Iterator[Bbox]:
    """Squares along a polyline, pixels, as far as it lies within the axes or near them."""
    room = axes.get_window_extent()
    for (x0, y0), (x1, y1) in pairwise([_pixels(axes, *point) for point in line]):
        if not all(map(isfinite, (x0, y0, x1, y1))):
            continue
        steps = min(int(hypot(x1 - x0, y1 - y0) / LINE_PX) + 1, int(room.width + room.height))
        for step in range(steps + 1):
            x, y = x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps
            if room.x0 - LINE_PX <= x <= room.x1 + LINE_PX and room.y0 - LINE_PX <= y <= room.y1 + LINE_PX:
                yield Bbox.from_bounds(x - LINE_PX / 2, y - LINE_PX / 2, LINE_PX, LINE_PX)


def _free_place(
    x: float, y: float, width: float, height: float, taken: Sequence[Bbox], room: Bbox
) -> tuple[Bbox, float]:
    """The nearest box of this size that covers nothing taken, or the one that covers least; and its distance."""
    least, found, far = float("inf"), Bbox.from_bounds(x, y, width, height), 0.0
    for radius, box in _candidates(x, y, width, height):
        wide = Bbox.from_bounds(box.x0 - GAP_PX, box.y0 - GAP_PX, box.width + 2 * GAP_PX, box.height + 2 * GAP_PX)
        covered = sum(_shared(wide, other) for other in taken)
        inside = _shared(box, room)
        covered += 4 * (box.width * box.height - inside)
        if covered < least - 1e-6:
            least, found, far = covered, box, radius
        if least <= 1e-6:
            break
    return found, far


def _candidates(x: float, y: float, width: float, height: float) -> Iterator[tuple[float, Bbox]]:
    """Boxes around a point, near ones first, right and left before above and below."""
    order = sorted(range(TURNS), key=lambda turn: (abs(sin(2 * pi * turn / TURNS)), cos(2 * pi * turn / TURNS) < 0))
    for radius in RADII_PX:
        for turn in order:
            across, up = cos(2 * pi * turn / TURNS), sin(2 * pi * turn / TURNS)
            centre_x = x + across * (radius + width / 2)
            centre_y = y + up * (radius + height / 2)
            yield radius, Bbox.from_bounds(centre_x - width / 2, centre_y - height / 2, width, height)


def _pixels(axes: Axes, x: float, y: float) -> tuple[float, float]:
    across, up = axes.transData.transform((x, y))
    return float(across), float(up)


def _shared(one: Bbox, other: Bbox) -> float:
    """Area that two boxes share."""
    width = float(min(one.x1, other.x1) - max(one.x0, other.x0))
    height = float(min(one.y1, other.y1) - max(one.y0, other.y0))
    return max(width, 0.0) * max(height, 0.0)
