"""Published against modelled figures."""

from __future__ import annotations

from math import isfinite

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from infermodel.experiment.result import Verdict
from infermodel.report.drawing import log_axis, sheet
from infermodel.report.findings import Findings
from infermodel.report.human import number, quantity, shortened
from infermodel.report.palette import INK, shaded

COLOURS = {
    "follows": "#4477AA",
    "follows only if": "#CCBB44",
    "does not follow": "#CC6677",
}
OTHER = "#BBBBBB"
MOST_ROWS = 18


def ratios(findings: Findings, number_of_sheet: int = 0) -> Figure | None:
    """A bar from 1 to modelled / published for each claim with both figures, in their order.

    Args:
        findings: with verdicts.
        number_of_sheet: claims are spread evenly over as few sheets as hold `MOST_ROWS` each; from 0.
    """
    every = comparable(findings.verdicts)
    sheets = -(-len(every) // MOST_ROWS)
    if number_of_sheet >= sheets:
        return None
    rows = -(-len(every) // sheets)
    shown = every[number_of_sheet * rows : (number_of_sheet + 1) * rows]
    subtitle = (
        "bar: modelled / published; line: range of uncertain constants; hollow: a constant was fitted to this figure"
    )
    title = "Published claims against the model" + (f" ({number_of_sheet + 1} of {sheets})" if sheets > 1 else "")
    figure, ((axes,),) = sheet(title, subtitle)
    ends = [1.0] + [value for each in shown for value in _span(each)]
    log_axis(axes, "x", min(*ends, 0.5), max(*ends, 2.0), pad=0.05)
    height = min(0.62, 0.11 * len(shown))
    for row, each in enumerate(shown):
        ratio, *span = _span(each)
        axes.barh(row, ratio - 1, left=1, height=height, color=colour(each.verdict))
        if span:
            axes.plot(span, [row, row], color=INK, linewidth=1.8)
        face = "white" if each.used_to_fit else shaded(colour(each.verdict), 0.35)
        axes.plot(
            [ratio], [row], marker="o", markersize=11, color=face, mec=shaded(colour(each.verdict), 0.35), mew=2.4
        )
    axes.axvline(1, color=INK, linewidth=1.6)
    axes.set_yticks(range(len(shown)), [_row_title(each) for each in shown], fontsize=13)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel("modelled / published (log scale)")
    axes.tick_params(axis="y", length=0)
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(shown)), [_row_figures(each) for each in shown], fontsize=13)
    right.tick_params(axis="y", length=0, labelcolor=INK)
    right.spines["right"].set_visible(False)
    used = dict.fromkeys(_kind(each.verdict) for each in shown)
    figure.legend(
        handles=[Patch(color=colour(kind), label=kind) for kind in used], loc="outside lower center", ncols=len(used)
    )
    return figure


def comparable(verdicts: tuple[Verdict, ...]) -> list[Verdict]:
    """Claims with a ratio that a picture can show."""
    return [each for each in verdicts if each.ratio is not None and isfinite(each.ratio) and each.ratio > 0]


def colour(verdict: str) -> str:
    """Colour of a verdict."""
    return next((shade for start, shade in reversed(COLOURS.items()) if verdict.startswith(start)), OTHER)


def _span(each: Verdict) -> list[float]:
    """The ratio, and its range where there is one."""
    ratio = each.ratio or 1.0
    if each.low is None or each.high is None or not each.published or each.low <= 0 or not isfinite(each.high):
        return [ratio]
    return [ratio, each.low / each.published, each.high / each.published]


def _kind(verdict: str) -> str:
    """The verdict without its condition."""
    return next((start for start in reversed(COLOURS) if verdict.startswith(start)), "other")


def _row_figures(each: Verdict) -> str:
    published, modelled = quantity(each.published, each.unit), quantity(each.modelled, each.unit)
    return f"× {number(each.ratio)}   {shortened(published, 24)} → {shortened(modelled, 24)}"


def _row_title(each: Verdict) -> str:
    return f"{shortened(each.id, 8)}  {shortened(each.statement, 50)}"
