"""Predicted against measured, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from infermodel.fidelity.accuracy import SCORED, Prediction, counts
from infermodel.report.drawing import legend_below, log_axis, rendered, sheet
from infermodel.report.human import shortened
from infermodel.report.palette import FAINT, GREY

NAMES = {
    "tpot_mean_ms": "TPOT, mean (ms)",
    "e2e_mean_ms": "E2E, mean (ms)",
    "ttft_mean_ms": "TTFT below the knee, mean (ms)",
    "output_tok_s": "offline throughput (tokens/s)",
}

BANDS = ((0.25, "#EEEEEE"), (0.10, FAINT))
"""Relative errors that are shaded, the wider first."""


def scatter(predictions: Sequence[Prediction]) -> bytes:
    """Predicted against measured on log axes, a panel for each scored metric, bands of 10 and 25 %. PNG."""
    return rendered(partial(scatter_figure, predictions))


def scatter_figure(predictions: Sequence[Prediction]) -> Figure:
    """The same as a figure, to be drawn in the look of all pictures."""
    figure, rows = sheet(
        "Predicted against measured",
        "one point an experiment, by source of the measurements; shaded: within 10 and 25 %",
        rows=2,
        columns=2,
    )
    sets = sorted({prediction.row.source_set for prediction in predictions})
    colours = {name: f"C{number % 10}" for number, name in enumerate(sets)}
    entries = {}
    for panel, metric in zip((panel for row in rows for panel in row), SCORED, strict=True):
        panel.set_title(NAMES[metric])
        panel.set_xlabel("measured")
        panel.set_ylabel("predicted")
        points = [
            (each.row.source_set, each.row.measured[metric], each.replayed.predicted[metric])
            for each in predictions
            if each.replayed and counts(each, metric)
        ]
        if not points:
            continue
        low, high = min(point[1] for point in points) * 0.8, max(point[1] for point in points) * 1.25
        ends = (low, high)
        for band, shade in BANDS:
            panel.fill_between(ends, [e / (1 + band) for e in ends], [e * (1 + band) for e in ends], color=shade, lw=0)
        panel.plot(ends, ends, color=GREY, lw=1)
        for name in sets:
            own = [(measured, predicted) for of, measured, predicted in points if of == name]
            if own:
                (entries[name],) = panel.plot(
                    *zip(*own, strict=True), "o", ms=6, alpha=0.75, mec="white", mew=0.5, color=colours[name],
                    label=shortened(name),
                )  # fmt: skip
        log_axis(panel, "x", low, high, pad=0.02, most_ticks=6)
        log_axis(panel, "y", low, high, pad=0.02, most_ticks=6)
    if entries:
        legend_below(figure, list(entries.values()))
    return figure
