"""Names beside points, where they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, pi, sin

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from infermodel.report.human import shortened
from infermodel.report.palette import shaded

TURNS = 16
RADII_PX = (16.0, 28.0, 44.0, 64.0, 90.0, 120.0)
GAP_PX = 3.0


def place(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    colours: Sequence[str],
    keep_free: Sequence[Bbox] = (),
    *,
    fontsize: float = 14,
    obstacles: Sequence[tuple[float, float, float]] = (),
) -> list[Bbox]:
    """Write each name near its point, at the nearest free place; a thin line leads to it where that is not close.

    Call it when limits and layout of the axes are final.

    Args:
        points: in data coordinates.
        keep_free: boxes, in pixels, that names may not cover.
        obstacles: horizontal lines (from x, to x, at y) in data coordinates that names may not cross.

    Returns:
        Boxes of the names, pixels.
    """
    settle(axes)
    centres = [_pixels(axes, *point) for point in points]
    taken = [Bbox.from_bounds(x - 11, y - 11, 22, 22) for x, y in centres] + list(keep_free)
    for start, end, at in obstacles:
        (x0, y0), (x1, _) = _pixels(axes, start, at), _pixels(axes, end, at)
        taken.append(Bbox.from_bounds(x0, y0 - 3, x1 - x0, 6))
    room = axes.get_window_extent()
    boxes = []
    for (x, y), point, name, colour in zip(centres, points, names, colours, strict=True):
        text = axes.annotate(
            shortened(name),
            point,
            xytext=(0, 0),
            textcoords="offset pixels",
            color=shaded(colour, 0.25),
            fontsize=fontsize,
            zorder=6,
            path_effects=[withStroke(linewidth=4, foreground="white")],
        )
        size = text.get_window_extent()
        best, distance = _free_place(x, y, size.width, size.height, taken, room)
        text.set_position((best.x0 - x, best.y0 - y))
        moved = text.get_window_extent()
        text.set_position((best.x0 - x + best.x0 - moved.x0, best.y0 - y + best.y0 - moved.y0))
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


def settle(axes: Axes) -> None:
    """Lay the figure out, once and for all: pixels of the axes are final then."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


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
