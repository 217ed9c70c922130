"""The sheet that every picture is drawn on: size, type, colours, and PNG bytes that depend on the picture alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import ceil, floor, log10
from pathlib import Path
from typing import Any, TypeVar, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from infermodel.collector import resting
from infermodel.files import write_whole
from infermodel.glyphs import families
from infermodel.report.findings import Findings
from infermodel.report.human import number, shortened
from infermodel.report.palette import FAINT, GREY, INK

WIDTH_PX, HEIGHT_PX, DPI = 1600, 900, 100
"""Of every picture: a slide."""

LOOK: dict[str, Any] = {
    "text.parse_math": False,  # names are no formulas
    "font.size": 15,
    "axes.titlesize": 16,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # or ticks are measured twice more to find how high they reach
    "axes.labelsize": 15,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "xtick.major.pad": 7,  # or the first figure below touches the lowest one beside
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 14,
    "lines.linewidth": 2.4,
    "text.color": INK,
    "path.simplify": True,
    "agg.path.chunksize": 0,
    "hatch.linewidth": 1.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "infermodel",
}


@dataclass(frozen=True)
class Margins:
    """Room around and between axes whose labels are known beforehand, pixels of the slide.

    Attributes:
        left, right: beside all of them: labels of the vertical axes.
        bottom: below them, without a legend.
        across, down: between columns and between rows.
    """

    left: float = 125
    right: float = 40
    bottom: float = 85
    across: float = 130
    down: float = 100


TOP_PX = 135
"""Above the axes: title, subtitle and the panels' own titles."""

LEGEND_LINE_PX = 30

UP_LABEL_PX, ACROSS_LABEL_PX = 32, 42
"""Where the names of axes stand: from the left end of the room that is theirs, and below the axes."""

Picture = Callable[[Findings], Figure | None]
"""Draws findings; None where there is nothing to draw."""


@contextmanager
def look() -> Iterator[None]:
    """Matplotlib's settings for the time of a drawing, whatever the user's own are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, {**LOOK, "font.family": list(families())}))
        yield


def sheet(
    title: str, subtitle: str, rows: int = 1, columns: int = 1, margins: Margins | None = None, **gridspec: Any
) -> tuple[Figure, list[list[Axes]]]:
    """An empty picture with a title and a grid of axes.

    Args:
        title: what is shown, in bold.
        subtitle: at which load, how to read it.
        rows, columns: of the grid.
        margins: where what stands beside the axes is known; None: measured, which takes twice the time.
        gridspec: `width_ratios`, `height_ratios`, `sharex`, ...
    """
    layout = None
    if margins is None:
        layout = ConstrainedLayoutEngine(rect=(0.005, 0.01, 0.985, 0.875), w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.016, 0.972, shortened(title, 100), fontsize=22, fontweight="bold", ha="left", va="top")
    figure.text(0.016, 0.922, shortened(subtitle, 150), fontsize=14.5, color=GREY, ha="left", va="top")
    axes = figure.subplots(rows, columns, squeeze=False, **gridspec)
    if margins is not None:
        across = (WIDTH_PX - margins.left - margins.right - (columns - 1) * margins.across) / columns
        down = (HEIGHT_PX - TOP_PX - margins.bottom - LEGEND_LINE_PX - (rows - 1) * margins.down) / rows
        figure.subplots_adjust(
            left=margins.left / WIDTH_PX,
            right=1 - margins.right / WIDTH_PX,
            top=1 - TOP_PX / HEIGHT_PX,
            bottom=(margins.bottom + LEGEND_LINE_PX) / HEIGHT_PX,
            wspace=margins.across / across,
            hspace=margins.down / down,
        )
        for row in axes:
            for place, each in enumerate(row):
                room = margins.across if place else margins.left
                _fix_labels(each, UP_LABEL_PX - room)
    return figure, [list(row) for row in axes]


def _fix_labels(axes: Axes, across_px: float) -> None:
    """Put the axes' names where there is room for them, so that nothing has to be measured to find it."""
    points = axes.figure.dpi_scale_trans
    axes.xaxis.set_label_coords(0.5, 0, axes.transAxes + ScaledTranslation(0, -ACROSS_LABEL_PX / DPI, points))
    axes.yaxis.set_label_coords(0, 0.5, axes.transAxes + ScaledTranslation(across_px / DPI, 0, points))


Told = TypeVar("Told")


def svgs(pictures: Mapping[str, Callable[[Told], Figure | None]], findings: Told) -> Iterator[tuple[str, bytes]]:
    """Name and SVG of the pictures that there is something to draw for, the same bytes for the same findings. Words are
    text.
    """
    # The look once for all: to set and to put back hundreds of settings takes as long as a small picture.
    with look(), resting():
        for name, picture in pictures.items():
            figure = picture(findings)
            if figure is not None:
                buffer = BytesIO()
                canvas = cast(Any, FigureCanvasSVG(figure))
                canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})  # savefig would lay it out twice
                yield name, buffer.getvalue()


def captioned(
    pictures: Mapping[str, tuple[Callable[[Told], Figure | None], str]], findings: Told
) -> dict[str, tuple[str, bytes]]:
    """File name to caption and SVG, of the pictures with captions that there is something to draw for."""
    shown = svgs({name: picture for name, (picture, _) in pictures.items()}, findings)
    return {name: (pictures[name][1], image) for name, image in shown}


def drawn(picture: Callable[[Told], Figure | None], findings: Told) -> Figure | None:
    """The picture as a figure, in the look of all pictures; None for no picture."""
    with look():
        return picture(findings)


def pngs(figures: Mapping[str, Figure]) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of figures in the look of all pictures."""
    with look():
        for name, figure in figures.items():
            yield name, _png(figure)


def rendered(draw: Callable[[], Figure]) -> bytes:
    """PNG of what `draw` makes, in the look of all pictures."""
    with look():
        return _png(draw())


def save(path: Path, draw: Callable[[], Figure]) -> None:
    """Write what `draw` makes, for a page of the documentation."""
    write_whole(path, rendered(draw))


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    canvas = cast(Any, FigureCanvasAgg(figure))
    canvas.print_png(buffer, metadata={"Software": None})  # savefig would lay it out twice
    return buffer.getvalue()


def plain_number(value: float, _: int = 0) -> str:
    """A tick's label: no powers of ten where digits will do.

    >>> plain_number(1000.0), plain_number(0.5), plain_number(2.5e6), plain_number(1e-4)
    ('1,000', '0.5', '2.5M', '1e-04')
    """
    size = abs(value)
    for factor, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if size >= factor:
            return f"{value / factor:g}{letter}"
    if 0 < size < 1e-3:
        return f"{value:.0e}"
    return f"{value:,.12g}"


def seconds_tick(value: float, _: int = 0) -> str:
    """A tick's label on an axis of seconds.

    >>> seconds_tick(5e-4), seconds_tick(0.02), seconds_tick(20.0), seconds_tick(0.0)
    ('500 µs', '20 ms', '20 s', '0 s')
    """
    if 0 < abs(value) < 0.9995e-3:
        return f"{value * 1e6:.6g} µs"
    return f"{value * 1e3:.6g} ms" if 0 < abs(value) < 0.9995 else f"{value:,.6g} s"


class InView(LogLocator):
    """Ticks within the limits alone: those beside them would be made, measured, and not drawn."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Of the decades' divisions from the lower limit to the upper one."""
        low, high = sorted((vmin, vmax))
        return [at for at in super().tick_values(vmin, vmax) if low * (1 - 1e-9) <= at <= high * (1 + 1e-9)]


def log_axis(
    axes: Axes,
    which: str,
    low: float,
    high: float,
    pad: float = 0.12,
    most_ticks: int = 10,
    tick: Callable[[float, int], str] = plain_number,
) -> None:
    """A logarithmic axis that shows [low, high] with a margin of `pad` of its length, with readable ticks."""
    low, high = (low, high) if high > low * 1.0001 else (low / 2, high * 2)
    span = max(np.log10(high / low), 0.3)
    middle = np.log10(high * low) / 2
    limits = 10 ** (middle - span * (0.5 + pad)), 10 ** (middle + span * (0.5 + pad))
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(*limits)
    axis.set_major_locator(InView(subs=_ticks_of_a_decade(*limits, most_ticks), numticks=most_ticks))
    axis.set_major_formatter(FuncFormatter(tick))
    axis.set_minor_locator(NullLocator())


def _ticks_of_a_decade(low: float, high: float, most: int) -> tuple[float, ...]:
    """The finest of a few usual divisions that puts at most `most` ticks between low and high, and never none.

    >>> _ticks_of_a_decade(1.0, 1000.0, 5), _ticks_of_a_decade(2.2, 2.9, 5)
    ((1.0,), (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0))
    """
    fine = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    for subs in (fine, (1.0, 2.0, 3.0, 5.0), (1.0, 2.0, 5.0), (1.0, 3.0)):
        first, last = floor(log10(low)), ceil(log10(high))
        ticks = sum(low <= sub * 10.0**decade <= high for decade in range(first, last + 1) for sub in subs)
        if 1 <= ticks <= most:
            return subs
    return (1.0,)


def service_handles(findings: Findings) -> list[Line2D]:
    """Legend entries, one for each service."""
    return [
        Line2D([], [], color=style.colour, linestyle=cast(Any, style.dash), label=shortened(name))
        for name, style in findings.styles.items()
    ]


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend for the whole picture, under it, in as many columns as fit."""
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    columns = max(1, min(len(handles), int(146 / (longest + 10))))
    look: dict[str, Any] = {"handles": handles, "ncols": columns, "handlelength": 2.6}
    if figure.get_layout_engine() is not None:
        figure.legend(loc="outside lower center", **look)
        return
    figure.legend(loc="lower center", **look)
    more = -(-len(handles) // columns) - 1
    figure.subplots_adjust(bottom=figure.subplotpars.bottom + more * LEGEND_LINE_PX / HEIGHT_PX)


def of_load(findings: Findings) -> str:
    """The offered load in words, for a subtitle."""
    rates = sorted({number(each.summary.offered_rpm) for each in findings.services})
    text = f"{rates[0]} requests/min" if len(rates) == 1 else "each service's own load"
    return f"offered load: {text}; seed {findings.result.scenario.seed}"
