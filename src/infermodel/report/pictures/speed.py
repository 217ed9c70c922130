"""The two charts that purchases are argued with: output speed against price, and against latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from infermodel.economics.band import Band
from infermodel.report.drawing import Margins, log_axis, plain_number, seconds_tick, sheet
from infermodel.report.findings import Findings, Headline
from infermodel.report.labels import place, settle
from infermodel.report.palette import GOOD


@dataclass(frozen=True)
class Point:
    """One point of a chart.

    Attributes:
        x: with its range.
        published: hollow: a price or speed that somebody published, not the model.
    """

    name: str
    service: str
    x: Band
    speed: float
    published: bool = False


def against_price(findings: Findings) -> Figure | None:
    """Median output speed against blended $/Mtok; hollow: at the list price, and at the published speed if claimed."""
    points = []
    for each in findings.headlines:
        label = each.name if each.price_holds else f"{each.name} (price does not hold)"
        points.append(Point(label, each.name, each.economics.blended_usd_per_mtok, median_speed(each)))
        sold = each.economics.list_usd_per_mtok
        if sold is not None and sold > 0:
            speed = findings.published_speed(each.name)
            label = f"{each.name}, list price" + (" and published speed" if speed else "")
            points.append(Point(label, each.name, Band.exactly(sold), speed or median_speed(each), published=True))
    return _chart(
        findings,
        points,
        "Output speed against price",
        ("USD per million tokens, input and output at the run's own mix (log scale)", plain_number),
        "better: faster\nand for less",
    )


def against_latency(findings: Findings) -> Figure | None:
    """Median output speed against median TTFT."""
    points = [
        Point(each.name, each.name, _finite(each.summary.ttft_p50_s), median_speed(each)) for each in findings.headlines
    ]
    return _chart(
        findings,
        points,
        "Output speed against latency",
        ("time to first token, median (log scale)", seconds_tick),
        "better: faster\nand sooner",
    )


def median_speed(headline: Headline) -> float:
    """Tokens/s that half of the requests reach."""
    return headline.summary.output_speed_p50_tok_s


def _finite(value: float) -> Band:
    return Band.exactly(value) if isfinite(value) else Band(inf, inf, inf)


def _chart(
    findings: Findings, points: Sequence[Point], title: str, costs: tuple[str, Callable[..., str]], better: str
) -> Figure | None:
    """Speed upwards, what costs to the right, both logarithmic; the corner where one wants to be is green.

    Args:
        costs: the label of its axis, and what writes a tick.
    """
    shown = [each for each in points if isfinite(each.x.mid) and each.x.mid > 0 and 0 < each.speed < inf]
    if len({each.service for each in shown}) < 2:  # nothing to be better than
        return None
    figure, ((axes,),) = sheet(
        title,
        _which_load(findings) + ("; hollow: published" if any(each.published for each in shown) else ""),
        margins=Margins(),
    )
    lows = [each.x.low if each.x.low > 0 else each.x.mid for each in shown]
    highs = [each.x.high if isfinite(each.x.high) else each.x.mid for each in shown]
    label, tick = costs
    log_axis(axes, "x", min(lows), max(highs), pad=0.22, tick=tick)
    log_axis(axes, "y", min(each.speed for each in shown), max(each.speed for each in shown), pad=0.22)
    axes.set_xlabel(label)
    axes.set_ylabel("output tokens/s of one user, median (log scale)")
    corner = _mark_best(axes, better)
    for each in shown:
        style = findings.styles[each.service]
        if not each.x.is_exact:
            axes.plot([each.x.low, each.x.high], [each.speed] * 2, color=style.colour, linewidth=2, alpha=0.55)
        axes.plot(
            [each.x.mid],
            [each.speed],
            marker=style.marker if not each.published else "d",
            markersize=15 if not each.published else 12,
            color=style.colour if not each.published else "white",
            markeredgecolor=style.colour,
            markeredgewidth=2,
            linestyle="none",
            zorder=5,
        )
    place(
        axes,
        [(each.x.mid, each.speed) for each in shown],
        [each.name for each in shown],
        [findings.styles[each.service].colour for each in shown],
        [corner],
        obstacles=[[(each.x.low, each.speed), (each.x.high, each.speed)] for each in shown if not each.x.is_exact],
    )
    return figure


def _mark_best(axes: Axes, better: str) -> Bbox:
    """Shade the best corner; returns the box of its words, pixels."""
    axes.add_patch(Rectangle((0, 0.78), 0.22, 0.22, transform=axes.transAxes, color=GOOD, linewidth=0, zorder=0))
    text = axes.text(0.012, 0.975, better, transform=axes.transAxes, va="top", color="#2E6B2E", fontsize=14)
    settle(axes)
    return text.get_window_extent()


def _which_load(findings: Findings) -> str:
    kinds = {each.at_capacity for each in findings.headlines}
    if kinds == {True}:
        return "each service at its capacity: the largest load that keeps its objectives"
    if kinds == {False}:
        return "each service at the offered load"
    offered = ", ".join(each.name for each in findings.headlines if not each.at_capacity)
    return f"each service at its capacity, but at the offered load: {offered}"
