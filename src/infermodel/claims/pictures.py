"""A picture of a group of claims: modelled over published, with the range of what is uncertain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from math import isfinite
from textwrap import fill

from infermodel.claims.page import kind, shown
from infermodel.claims.verdict import DOES_NOT_FOLLOW, FOLLOWS, NOT_SIMULATED, ONLY_IF, UNKNOWN
from infermodel.experiment import Verdict
from infermodel.glyphs import drawable, families

COLOURS: Mapping[str, str] = {
    FOLLOWS: "#4477AA",
    ONLY_IF: "#BBA020",
    DOES_NOT_FOLLOW: "#CC4455",
    UNKNOWN: "#888888",
    NOT_SIMULATED: "#888888",
}


def draw(group: str, verdicts: Sequence[Verdict]) -> bytes:
    """A PNG, one row a claim: a point at modelled / published, a line over its range."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False, "font.family": list(families())}):  # sentences are no formulas
        return _drawn(group, verdicts)


def _drawn(group: str, verdicts: Sequence[Verdict]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(12, 1.7 + 0.52 * len(verdicts)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_xscale("log")
    ratios = [1.0]
    for row, each in enumerate(verdicts):
        colour = COLOURS[kind(each.verdict)]
        if each.ratio is None or not each.published:
            axes.text(1.04, row, each.verdict, va="center", color=colour, fontsize=9)
            continue
        ends = [each.ratio]
        if each.low is not None and each.high is not None and 0 < each.low < each.high and isfinite(each.high):
            ends += [each.low / each.published, each.high / each.published]
            axes.plot(ends[1:], [row, row], color=colour, linewidth=3, alpha=0.45, solid_capstyle="butt")
        shown_ends = [end for end in ends if end > 0]
        ratios += shown_ends
        if each.ratio > 0:
            face = "white" if each.used_to_fit else colour
            axes.plot([each.ratio], [row], "o", markersize=8, markerfacecolor=face, markeredgecolor=colour, mew=2)
    least, most = min(0.5, *ratios) / 1.2, max(2.0, *ratios) * 1.2
    axes.set_xlim(least, most)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}" if most / least < 30 else NullFormatter())
    axes.axvline(1, color="#1A1A1A", linewidth=1.2)
    rows = [fill(drawable(f"{each.id}  {each.statement}"), 56) for each in verdicts]
    axes.set_yticks(range(len(verdicts)), rows, fontsize=9)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(verdicts)), [_figures(each) for each in verdicts], fontsize=9)
    for side in (axes, right):
        side.tick_params(axis="y", length=0)
    axes.set_ylim(len(verdicts) - 0.5, -0.5)
    axes.grid(True, axis="x", which="both", color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(
        "modelled / published, log scale; line: range of what is uncertain; hollow: used to fit", fontsize=9
    )
    axes.set_title(drawable(f"Claims about {group}"), loc="left", fontsize=12)
    used = dict.fromkeys(kind(each.verdict) for each in verdicts)
    marks = [Line2D([], [], marker="o", linestyle="", color=COLOURS[each], label=each) for each in used]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=9, frameon=False)
    picture = BytesIO()
    figure.savefig(picture, dpi=100, format="png", metadata={"Software": None})
    return picture.getvalue()


def _figures(each: Verdict) -> str:
    """Published and modelled figure, right of a row."""
    if each.modelled is None:
        return drawable(shown(each.published, each.unit))
    return drawable(f"{shown(each.published, each.unit)} → {shown(each.modelled, '')}")
