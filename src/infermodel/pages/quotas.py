"""What the quotas of the free tier of August 2024 let a key have.

`python -m infermodel.pages.quotas PICTURE.png` prints the table of `docs/rate_limits.md` and draws its picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from infermodel.report.drawing import legend_below, save, sheet
from infermodel.report.palette import INK, SPARE_COLOURS
from infermodel.workload.quotas import Buckets, RateLimit, most_tokens

FREE = (
    RateLimit(60.0, 30, 60_000),
    RateLimit(3600.0, 900, 1_000_000),
    RateLimit(86400.0, 14_400, 1_000_000),
)
"""Public notes of 2024-08-28 on the table of the launch article; the same for both models."""

SIZES = (50, 200, 500, 1200, 4000, 8192)
"""Tokens of a request, prompt and requested output."""


def taken(tokens: int, duration_s: float) -> list[tuple[float, int]]:
    """Times and running totals of tokens of a key that always asks for as much as it may, in requests of one size.

    >>> taken(8192, 60.0)[-1]  # seven of them are 57,344; an eighth would be 65,536
    (0.0, 57344)
    """
    key, at, total = Buckets(FREE), 0.0, 0
    steps = []
    while at < duration_s:
        again = key.take(at, tokens)
        if again == at:
            total += tokens
            steps.append((at, total))
        else:
            at = again
    return steps


def table() -> str:
    """What a key gets by size of its requests, as a Markdown table."""
    lines = [
        "| tokens a request | tokens in a minute | in an hour | in a day | requests in a day | all gone after |",
        "|---|---|---|---|---|---|",
    ]
    for size in SIZES:
        day = taken(size, 86400.0)
        minute, hour = (max((total for at, total in day if at < end), default=0) for end in (60.0, 3600.0))
        last_s, total = day[-1]
        gone = f"{last_s / 60:,.0f} min" if total > most_tokens(FREE, 86400.0) - size else "never"
        lines.append(f"| {size:,} | {minute:,} | {hour:,} | {total:,} | {total // size:,} | {gone} |")
    return "\n".join(lines)


def drawn() -> Figure:
    """Tokens that a key has got over an hour and over a day, by size of its requests."""
    figure, (panels,) = sheet(
        "A free key that always asks for more",
        "tokens that it has got since midnight, by size of its requests; dashed: the day's million",
        columns=2,
        sharey=True,
    )
    for axes, duration_s, unit_s, unit in ((panels[0], 3600.0, 60.0, "minutes"), (panels[1], 86400.0, 3600.0, "hours")):
        for size, colour in zip(SIZES, SPARE_COLOURS, strict=True):
            steps = taken(size, duration_s)
            times = [at / unit_s for at, _ in steps] + [duration_s / unit_s]
            totals = [total / 1e6 for _, total in steps] + [steps[-1][1] / 1e6]
            axes.step(times, totals, where="post", color=colour, label=f"{size:,} tokens")
        axes.axhline(1, color=INK, linewidth=1.6, linestyle="--")
        axes.set_xlabel(f"{unit} since midnight")
        axes.set_xlim(0, duration_s / unit_s)
    panels[0].set_ylabel("tokens got, millions")
    legend_below(figure, panels[0].get_lines()[: len(SIZES)])
    return figure


if __name__ == "__main__":
    print(table())
    if len(sys.argv) > 1:
        save(Path(sys.argv[1]), drawn)
