"""Names beside points, where they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, pi, sin

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from infermodel.report.human import shortened
from infermodel.report.palette import INK, shaded

TURNS = 16
RADII_PX = (16.0, 28.0, 44.0, 64.0, 90.0, 120.0)
GAP_PX = 3.0
LINE_PX = 6.0
"""Side of the squares that a line is taken to cover."""

Boxes = NDArray[np.float64]
"""A line a box: left, bottom, right and top, pixels."""

Line = Sequence[tuple[float, float]]
"""A polyline in data coordinates."""


def place(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    colours: Sequence[str],
    keep_free: Sequence[Bbox] = (),
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
    taken = np.concatenate(
        [_extents([*(_mark(x, y) for x, y in centres), *keep_free]), *(_along(axes, line) for line in obstacles)]
    )
    room = axes.get_window_extent()
    boxes = []
    for (x, y), point, name, colour in zip(centres, points, names, colours, strict=True):
        text = _outlined(axes, shortened(name), point, 14, shaded(colour, 0.25))
        size = text.get_window_extent()
        best, distance = _free_place(x, y, size.width, size.height, taken, room)
        _move(axes, text, size, best)
        if distance > RADII_PX[1]:
            near = (min(max(x, best.x0), best.x1), min(max(y, best.y0), best.y1))
            axes.annotate(
                "",
                point,
                xytext=((near[0] - x) * _points(axes), (near[1] - y) * _points(axes)),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.9, "shrinkB": 8},
            )
        taken = np.concatenate([taken, _extents([best])])
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
    taken = np.concatenate(
        [_extents([_mark(*_pixels(axes, *mark)) for mark in marks]), *(_along(axes, line) for line in obstacles)]
    )
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
        covers = _covered(places, taken).round().tolist()
        _, _, best = min(zip(covers, (-box.x0 for box in places), places, strict=True), key=lambda each: each[:2])
        _move(axes, text, size, best)


def settle(axes: Axes) -> None:
    """Lay the figure out, once and for all: pixels of the axes are final then."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _outlined(axes: Axes, words: str, point: tuple[float, float], fontsize: float, colour: str) -> Annotation:
    """Words at a point on a white ground, above all lines."""
    return axes.annotate(
        words,
        point,
        xytext=(0, 0),
        textcoords="offset points",
        color=colour,
        fontsize=fontsize,
        zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1},
    )


def _points(axes: Axes) -> float:
    """Points of a pixel. Offsets are kept in points, which every way of drawing has."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return 72 / figure.dpi


def _move(axes: Axes, text: Annotation, size: Bbox, box: Bbox) -> None:
    """Put words that cover `size` where they are anchored into a box of that size, pixels."""
    text.set_position(((box.x0 - size.x0) * _points(axes), (box.y0 - size.y0) * _points(axes)))


def _mark(x: float, y: float) -> Bbox:
    """What a mark covers, pixels."""
    return Bbox.from_bounds(x - 11, y - 11, 22, 22)


def _along(axes: Axes, line: Line) -> Boxes:
    """Squares along a polyline, pixels, as far as it lies within the axes or near them."""
    points = axes.transData.transform(np.asarray(line, dtype=np.float64).reshape(-1, 2))
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) == 0:
        return np.empty((0, 4))
    room = axes.get_window_extent()
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    steps = np.linspace(0, along[-1], min(int(along[-1] / LINE_PX), int(4 * (room.width + room.height))) + 2)
    x, y = (np.interp(steps, along, points[:, which]) for which in (0, 1))
    near = (x >= room.x0 - LINE_PX) & (x <= room.x1 + LINE_PX) & (y >= room.y0 - LINE_PX) & (y <= room.y1 + LINE_PX)
    x, y, half = x[near], y[near], LINE_PX / 2
    return np.column_stack([x - half, y - half, x + half, y + half])


def _free_place(x: float, y: float, width: float, height: float, taken: Boxes, room: Bbox) -> tuple[Bbox, float]:
    """The nearest box of this size that covers nothing taken, or the one that covers least; and its distance."""
    candidates = list(_candidates(x, y, width, height))
    boxes = [box for _, box in candidates]
    covered = _covered([box.padded(GAP_PX) for box in boxes], taken)
    covered += 4 * (width * height - _covered(boxes, _extents([room])))
    first = np.flatnonzero(covered <= covered.min() + 1e-6)[0] if covered.min() > 1e-6 else np.argmax(covered <= 1e-6)
    radius, box = candidates[int(first)]
    return box, radius


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


def _extents(boxes: Sequence[Bbox]) -> Boxes:
    return np.array([box.extents for box in boxes]).reshape(-1, 4)


def _covered(boxes: Sequence[Bbox], taken: Boxes) -> NDArray[np.float64]:
    """Area that each box shares with all that is taken."""
    mine = _extents(boxes)
    near = (taken[:, :2] < mine[:, 2:].max(axis=0)).all(axis=1) & (taken[:, 2:] > mine[:, :2].min(axis=0)).all(axis=1)
    others = taken[near]
    least = np.minimum(mine[:, None, 2:], others[None, :, 2:]) - np.maximum(mine[:, None, :2], others[None, :, :2])
    shared: NDArray[np.float64] = np.clip(least, 0, None).prod(axis=2).sum(axis=1)
    return shared
