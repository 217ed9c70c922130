"""Where the dollars go, and what a million tokens costs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from infermodel.economics.band import Band
from infermodel.report.drawing import Margins, log_axis, plain_number, sheet
from infermodel.report.findings import Findings, Headline
from infermodel.report.human import shortened, usd
from infermodel.report.palette import GREY, INK, PARTS


def breakdown(findings: Findings) -> Figure | None:
    """$/h in parts on the left, $/Mtok low to high on the right."""
    shown = [each for each in findings.headlines if each.economics.hourly.total.high > 0]
    if not shown:
        return None
    loads = "at capacity" if all(each.at_capacity for each in shown) else "at capacity where known, else as offered"
    figure, ((left, right),) = sheet(
        "What it costs",
        f"each service {loads}; whiskers: range of uncertain prices",
        columns=2,
        margins=Margins(left=350, across=50),
        sharey=True,
    )
    rows = range(len(shown))
    _hourly(left, shown)
    _per_mtok(right, shown)
    left.set_yticks(list(rows), [shortened(each.name, 28) for each in shown])
    left.set_ylim(len(shown) - 0.4, -0.6)
    left.grid(False, axis="y")
    right.yaxis.set_visible(False)
    used = _parts(shown)
    figure.legend(
        handles=[Patch(color=PARTS[part], label=part) for part in used],
        loc="lower center",
        ncols=len(used) or 1,
    )
    return figure


def _parts(shown: list[Headline]) -> list[str]:
    """Parts of the dollars that some service pays for."""
    return [part for part in PARTS if any(each.economics.hourly.parts[part].mid > 0 for each in shown)]


def _hourly(axes: Axes, shown: list[Headline]) -> None:
    totals = [each.economics.hourly.total for each in shown]
    longest = max(total.high for total in totals)
    starts = np.zeros(len(shown))
    for part in _parts(shown):
        dollars = np.array([each.economics.hourly.parts[part].mid for each in shown])
        look: dict[str, Any] = {"color": PARTS[part], "edgecolor": "white", "linewidth": 0.8}
        axes.barh(range(len(shown)), dollars, left=starts, height=0.5, **look)
        starts += dollars
    _whiskers(axes, totals)
    for row, total in enumerate(totals):
        axes.text(total.high + 0.015 * longest, row, usd(total.mid), va="center", fontsize=14)
    axes.set_xlim(0, 1.16 * longest)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(plain_number))
    axes.set_title("Dollars of an hour of the fleet")
    axes.set_xlabel("USD/h")


def _per_mtok(axes: Axes, shown: list[Headline]) -> None:
    bands = [each.economics.blended_usd_per_mtok for each in shown]
    figures = [value for band in bands for value in (band.low, band.mid, band.high) if isfinite(value) and value > 0]
    figures += [sold for each in shown if (sold := each.economics.list_usd_per_mtok)]
    if not figures:
        axes.text(0.5, 0.5, "no tokens were delivered", transform=axes.transAxes, ha="center")
        return
    log_axis(axes, "x", min(figures), max(figures), pad=0.16, most_ticks=8)
    delivered = {row: band for row, band in enumerate(bands) if isfinite(band.mid) and band.mid > 0}
    _whiskers(axes, bands)
    axes.plot([band.mid for band in delivered.values()], [*delivered], "o", markersize=12, color=INK, zorder=4)
    for row, (each, band) in enumerate(zip(shown, bands, strict=True)):
        if row in delivered:
            axes.annotate(
                usd(band.mid) + ("" if each.price_holds else " (does not hold)"),
                (band.mid, row),
                xytext=(0, 13),
                textcoords="offset points",
                ha="center",
                fontsize=14,
            )
        else:
            axes.text(
                0.98,
                row,
                "no tokens delivered",
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                color=GREY,
            )
        sold = each.economics.list_usd_per_mtok
        if sold:
            axes.plot([sold], [row], marker="d", markersize=12, mfc="white", mec="#AA3377", mew=2.4, zorder=5)
            axes.annotate(
                f"list {usd(sold)}",
                (sold, row),
                xytext=(0, -27),
                textcoords="offset points",
                ha="center",
                fontsize=13,
                color="#AA3377",
            )
    axes.set_title("Dollars per million tokens")
    axes.set_xlabel("USD/Mtok at the run's own mix (log scale)")


def _whiskers(axes: Axes, bands: Sequence[Band]) -> None:
    """From low to high on each row whose band is one."""
    ranged = {row: band for row, band in enumerate(bands) if not band.is_exact and isfinite(band.high)}
    rows, lows, highs = (
        np.array([*ranged]),
        [each.low for each in ranged.values()],
        [each.high for each in ranged.values()],
    )
    axes.hlines(rows, lows, highs, color=GREY, linewidth=2.2, zorder=3)
    axes.vlines([*lows, *highs], np.tile(rows - 0.09, 2), np.tile(rows + 0.09, 2), color=GREY, linewidth=2.2, zorder=3)
