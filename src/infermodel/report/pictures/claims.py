"""Published against modelled figures."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from infermodel.experiment.result import Verdict
from infermodel.report.drawing import Margins, log_axis, sheet
from infermodel.report.findings import Findings
from infermodel.report.human import number, quantity, shortened
from infermodel.report.palette import GREY, INK, VERDICTS, shaded

MOST_ROWS, MOST_ROWS_OF_TWO_LINES = 18, 12
LETTER_PX = 11
"""Width of a letter of the words beside the rows, at most on the mean of a line."""

APART = "\N{EM SPACE}"
"""Browsers draw several plain spaces in a picture as one."""

HOW_TO_READ = (
    "bar: modelled / published; line: range of uncertain constants; hollow: a constant was fitted to this figure"
)


def ratios(findings: Findings, number_of_sheet: int = 0) -> Figure | None:
    """A bar from 1 to modelled / published for each claim with both figures, in their order.

    Args:
        findings: with verdicts.
        number_of_sheet: claims are spread evenly over as few sheets as hold `MOST_ROWS` each; from 0.
    """
    every = [each for each in findings.verdicts if is_comparable(each)]
    sheets = -(-len(every) // MOST_ROWS)
    if number_of_sheet >= sheets:
        return None
    rows = -(-len(every) // sheets)
    title = "Published claims against the model" + (f" ({number_of_sheet + 1} of {sheets})" if sheets > 1 else "")
    return ratios_of(title, every[number_of_sheet * rows : (number_of_sheet + 1) * rows])


def ratios_of(title: str, verdicts: Sequence[Verdict]) -> Figure:
    """A bar for each claim, and the verdict in words where there is no ratio to draw."""
    figures = [_row_figures(each) for each in verdicts]
    right = 30 + LETTER_PX * max(map(len, figures))
    figure, ((axes,),) = sheet(title, HOW_TO_READ, margins=Margins(left=590, right=right, bottom=90))
    ends = [1.0] + [value for each in verdicts if is_comparable(each) for value in _span(each)]
    log_axis(axes, "x", min(*ends, 0.5), max(*ends, 2.0), pad=0.05, most_ticks=7)
    _bars(axes, verdicts)
    for row, each in enumerate(verdicts):
        if not is_comparable(each):
            axes.text(1, row, f"   {shortened(each.verdict, 50)}", va="center", color=GREY, fontsize=13)
    axes.axvline(1, color=INK, linewidth=1.6)
    lines = 2 if len(verdicts) <= MOST_ROWS_OF_TWO_LINES else 1
    _words(axes, [_row_title(each, lines) for each in verdicts], left=True)
    _words(axes, figures, left=False)
    axes.set_yticks([])
    axes.set_ylim(len(verdicts) - 0.4, -0.6)
    axes.set_xlabel("modelled / published (log scale)")
    used = dict.fromkeys(_kind(each.verdict) for each in verdicts if is_comparable(each))
    figure.legend(
        handles=[Patch(color=colour(kind), label=kind) for kind in used],
        loc="lower center",
        ncols=max(len(used), 1),
    )
    return figure


def is_comparable(each: Verdict) -> bool:
    """Whether the claim has a ratio that a picture can show."""
    return each.ratio is not None and isfinite(each.ratio) and each.ratio > 0


def colour(verdict: str) -> str:
    """Colour of a verdict."""
    return VERDICTS.get(_kind(verdict), GREY)


def _bars(axes: Axes, verdicts: Sequence[Verdict]) -> None:
    """From 1 to the ratio of each claim that has one, and its range."""
    found = [(row, each) for row, each in enumerate(verdicts) if is_comparable(each)]
    rows, ratios_ = [row for row, _ in found], np.array([_span(each)[0] for _, each in found])
    height = min(0.62, 0.11 * len(verdicts))
    axes.barh(rows, ratios_ - 1, left=1, height=height, color=[colour(each.verdict) for _, each in found])
    ranged = [(row, *_span(each)[1:]) for row, each in found if len(_span(each)) > 1]
    if ranged:
        axes.hlines(*zip(*ranged, strict=True), color=INK, linewidth=1.8, zorder=2)
    dark = [shaded(colour(each.verdict), 0.35) for _, each in found]
    faces = ["white" if each.used_to_fit else edge for (_, each), edge in zip(found, dark, strict=True)]
    axes.scatter(ratios_, rows, s=121, facecolors=faces, edgecolors=dark, linewidths=2.4, zorder=3)


def _words(axes: Axes, words: Sequence[str], *, left: bool) -> None:
    """A line of words beside each row: ticks would cost several times as much, each with its marks and a grid line."""
    beside, side = (-0.012, "right") if left else (1.012, "left")
    for row, line in enumerate(words):
        axes.text(beside, row, line, transform=axes.get_yaxis_transform(), ha=side, va="center", fontsize=13)


def _span(each: Verdict) -> list[float]:
    """The ratio, and its range where there is one."""
    ratio = each.ratio or 1.0
    if each.low is None or each.high is None or not each.published or each.low <= 0 or not isfinite(each.high):
        return [ratio]
    return [ratio, each.low / each.published, each.high / each.published]


def _kind(verdict: str) -> str:
    """The verdict without its condition."""
    return next((start for start in reversed(list(VERDICTS)) if verdict.startswith(start)), "other")


def _row_figures(each: Verdict) -> str:
    if not is_comparable(each):
        return ""
    published, modelled = quantity(each.published, each.unit), quantity(each.modelled, each.unit)
    return f"× {number(each.ratio)}{APART}{shortened(published, 24)} → {shortened(modelled, 24)}"


def _row_title(each: Verdict, lines: int) -> str:
    told = f"{shortened(each.id, 8)}{APART}{shortened(each.statement, 90)}"
    return "\n".join(wrap(told, 58, max_lines=lines, placeholder="…"))
