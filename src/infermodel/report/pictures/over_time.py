"""What happened when: tokens, queue, KV memory and running sequences over the run."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from infermodel.metrics.exports import timeline_rows
from infermodel.metrics.steady import Window
from infermodel.report.drawing import legend_below, of_load, plain_number, service_handles, sheet
from infermodel.report.findings import Findings
from infermodel.report.palette import GREY
from infermodel.tables import ServiceRecord

MOST_BINS = 80
"""Drawn of a timeline; more would be noise on a slide."""


def throughput_and_queue(findings: Findings) -> Figure:
    """Output tokens/s above, waiting requests below."""
    return _two_panels(
        findings,
        "Throughput and queue over time",
        ("output_tok_s", "output tokens/s", 1.0),
        ("waiting", "waiting requests", 1.0),
    )


def kv_use(findings: Findings) -> Figure:
    """Percent of the KV blocks in use above, decoding sequences below."""
    return _two_panels(
        findings,
        "KV memory and batch over time",
        ("kv_use", "KV memory in use (%)", 100.0),
        ("running", "decoding sequences", 1.0),
    )


def coarse(record: ServiceRecord, *names: str) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]:
    """Columns of timeline.csv over at most `MOST_BINS` bins, the last one wider: edges in seconds, and means."""
    rows = timeline_rows(record)
    bins = len(rows["start_s"])
    group = -(-bins // MOST_BINS) or 1
    starts = np.arange(0, max(bins - group + 1, 1), group)
    widths = rows["end_s"] - rows["start_s"]
    wide = np.add.reduceat(widths, starts)
    means = tuple(np.add.reduceat(rows[name] * widths, starts) / wide for name in names)
    return np.append(rows["start_s"][starts], rows["end_s"][-1]), means


def _two_panels(findings: Findings, title: str, upper: tuple[str, str, float], lower: tuple[str, str, float]) -> Figure:
    """Two columns of the timeline, one line a service; each is its name, its label and its scale."""
    figure, ((above,), (below,)) = sheet(title, of_load(findings), rows=2, sharex=True)
    for each in findings.services:
        style = findings.styles[each.summary.service]
        edges, columns = coarse(each.record, upper[0], lower[0])
        for axes, values, (_, _, scale) in zip((above, below), columns, (upper, lower), strict=True):
            middles = (edges[1:] + edges[:-1]) / 2
            axes.plot(middles, scale * values, color=style.colour, linestyle=cast(Any, style.dash), linewidth=2.2)
    for axes, (_, label, _) in ((above, upper), (below, lower)):
        axes.set_ylabel(label)
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.0))
        axes.set_xlim(0, max(each.record.ended_at for each in findings.services))
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
        _mark_window(axes, findings.result.window)
    below.set_xlabel("seconds since the start; unshaded: the measured window")
    legend_below(figure, service_handles(findings))
    return figure


def _mark_window(axes: Axes, window: Window) -> None:
    start, end = axes.get_xlim()
    for low, high in ((start, window.start_s), (window.end_s, end)):
        if high - low > 1e-3 * (end - start):
            axes.axvspan(low, high, color=GREY, alpha=0.13, linewidth=0)
    axes.set_xlim(start, end)
