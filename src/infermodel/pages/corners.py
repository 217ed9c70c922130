"""Speed and price by provider as published in autumn 2024, with the modelled points beside them.

`python -m infermodel.pages.corners REPORT FOLDER` reads the report of `scenarios/corners.yaml`, prints the tables of
`docs/corners.md` and draws its pictures into the folder.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from infermodel.catalog import load_price
from infermodel.pages.systems import COLOURS
from infermodel.report.drawing import legend_below, log_axis, plain_number, save, sheet

SIZES = {"8B": "llama-3.1-8b", "70B": "llama-3.1-70b", "405B": "llama-3.1-405b"}


@dataclass(frozen=True)
class Published:
    """An endpoint: tokens per second of one user, and the list that its price stands in."""

    provider: str
    hardware: str
    size: str
    tok_s: float
    prices: str

    @property
    def usd_per_mtok(self) -> float:
        """List price at three tokens in for one out."""
        tokens = load_price(self.prices).tokens(SIZES[self.size])
        return (3 * tokens.input.value + tokens.output.value) / 4 * 1e6


PUBLISHED = (
    Published("Cerebras", "CS-3", "8B", 1837, "cerebras-2024-08"),
    Published("Groq", "Groq", "8B", 751, "groq-2024-11"),
    Published("Fireworks", "GPU", "8B", 288, "fireworks-2024-08"),
    Published("OctoAI", "GPU", "8B", 164, "octoai-2024-08"),
    Published("Cerebras", "CS-3", "70B", 445, "cerebras-2024-08"),
    Published("Groq", "Groq", "70B", 250, "groq-2024-11"),
    Published("Fireworks", "GPU", "70B", 71, "fireworks-2024-08"),
    Published("OctoAI", "GPU", "70B", 49, "octoai-2024-08"),
    Published("Fireworks", "GPU", "405B", 72, "fireworks-2024-08"),
    Published("OctoAI", "GPU", "405B", 30, "octoai-2024-08"),
)
"""Artificial Analysis, quoted by SambaNova 2024-09-10; SambaNova's own price of that time is not known."""


@dataclass(frozen=True)
class Modelled:
    """A service of the report at its capacity and alone."""

    service: str
    size: str
    hardware: str
    bits: str
    tok_s: float
    alone_tok_s: float
    ttft_p50_s: float
    rpm: float
    low: float
    mid: float
    high: float
    break_even: tuple[float, float, float] | None


def read(report: Path) -> list[Modelled]:
    """Services of a report in their order."""
    capacity: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    prices: dict[str, tuple[float, float, float]] = {}
    for name, rows in (("capacity.csv", capacity), ("summary.csv", summary)):
        with (report / name).open(encoding="utf-8", newline="") as file:
            rows.update({row["service"]: row for row in csv.DictReader(file)})
    with (report / "prices.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["load"] == "capacity" and row["item"] == "break_even_utilisation":
                prices[row["service"]] = (float(row["low"]), float(row["mid"]), float(row["high"]))
    found = []
    for name, row in capacity.items():
        hardware, size, bits = (part.strip() for part in name.split(","))
        alone = summary[name]
        found.append(
            Modelled(
                name,
                size,
                hardware,
                bits,
                float(row["output_speed_p50_tok_s"]),
                float(alone["output_speed_p50_tok_s"]),
                float(alone["ttft_p50_s"]),
                float(row["rpm"]),
                float(row["usd_per_mtok_low"]),
                float(row["usd_per_mtok"]),
                float(row["usd_per_mtok_high"]),
                prices.get(name),
            )
        )
    return found


def table(modelled: Sequence[Modelled]) -> str:
    """Modelled services, as a Markdown table."""
    lines = [
        "| service | tok/s alone | at capacity | TTFT p50, ms | capacity, rpm | USD/Mtok there | low to high |"
        " busy to break even at list price |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in modelled:
        even = "no list price"
        if each.break_even is not None:
            low, mid, high = each.break_even
            even = (
                f"{mid:.0%} ({low:.0%} to {high:.0%})" if mid <= 1 else f"never: {mid:.1f} x ({low:.1f} to {high:.1f})"
            )
        lines.append(
            f"| {each.service} | {each.alone_tok_s:,.0f} | {each.tok_s:,.0f} | {each.ttft_p50_s * 1e3:.0f} |"
            f" {each.rpm:,.0f} | {each.mid:.3g} | {each.low:.3g} to {each.high:.3g} | {even} |"
        )
    return "\n".join(lines)


def corners_drawn(modelled: Sequence[Modelled]) -> Figure:
    """Price over speed, a panel for each size: published filled, modelled hollow with its range."""
    figure, (panels,) = sheet(
        "Speed and price of 2024 as published, and as the hardware allows",
        "filled: published speed and list price; hollow: modelled at capacity; line: purchase prices; dotted: to one "
        "user alone",
        columns=3,
    )
    for axes, size in zip(panels, SIZES, strict=True):
        published = [point for point in PUBLISHED if point.size == size]
        own = [each for each in modelled if each.size == size]
        for point in published:
            axes.plot(point.tok_s, point.usd_per_mtok, "o", color=COLOURS[point.hardware], markersize=12)
            below = point.provider == "OctoAI"
            _name(axes, point.provider, point.tok_s, point.usd_per_mtok, below=below)
        for each in own:
            colour, marker = COLOURS[each.hardware], "s" if each.bits == "16 bit" else "D"
            axes.plot([each.tok_s] * 2, [each.low, each.high], color=colour)
            axes.plot([each.tok_s, each.alone_tok_s], [each.mid] * 2, ":", color=colour)
            axes.plot(each.tok_s, each.mid, marker, color="white", markeredgecolor=colour, markersize=11, mew=2.4)
            _name(axes, f"{each.hardware}, {each.bits}", each.tok_s, each.mid, below=each.bits != "16 bit")
        speeds = [point.tok_s for point in published] + [v for each in own for v in (each.tok_s, each.alone_tok_s)]
        dollars = [point.usd_per_mtok for point in published] + [v for each in own for v in (each.low, each.high)]
        log_axis(axes, "x", min(speeds), max(speeds), pad=0.25, most_ticks=6)
        log_axis(axes, "y", min(dollars), max(dollars), pad=0.08)
        axes.set_title(f"Llama 3.1 {size}")
        axes.set_xlabel("tokens/s of one user")
    panels[0].set_ylabel("USD per million tokens, 3 in for 1 out")
    return figure


def _name(axes: Axes, name: str, x: float, y: float, *, below: bool) -> None:
    offset = (9, -17) if below else (9, 8)
    axes.annotate(name, (x, y), xytext=offset, textcoords="offset points", fontsize=11.5)


def break_even_drawn(modelled: Sequence[Modelled]) -> Figure:
    """Cost of a million tokens over how much of the capacity is sold, against list prices."""
    figure, (panels,) = sheet(
        "What a million tokens cost at a given use",
        "thin lines: list prices of 2024; dashed: 8 bit; shaded: range of purchase prices",
        columns=3,
    )
    shares = [0.01 * step for step in range(2, 101)]
    for axes, size in zip(panels, SIZES, strict=True):
        for each in modelled:
            if each.size != size:
                continue
            colour, style = COLOURS[each.hardware], "-" if each.bits == "16 bit" else "--"
            label = f"{each.hardware}, {each.bits}"
            axes.plot(shares, [each.mid / share for share in shares], style, color=colour, label=label)
            low, high = ([end / share for share in shares] for end in (each.low, each.high))
            axes.fill_between(shares, low, high, color=colour, alpha=0.08)
        lists = sorted((point for point in PUBLISHED if point.size == size), key=lambda point: point.usd_per_mtok)
        for number, point in enumerate(lists):
            axes.axhline(point.usd_per_mtok, color=COLOURS[point.hardware], linewidth=1.4)
            place = axes.get_yaxis_transform()
            side = 0.99 - 0.26 * (len(lists) - 1 - number)
            axes.text(side, point.usd_per_mtok, point.provider, ha="right", va="bottom", transform=place, fontsize=11.5)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(plain_number))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.set_xlabel("share of the capacity that is sold")
        axes.set_title(f"Llama 3.1 {size}")
    panels[0].set_ylabel("USD per million tokens")
    entries = {str(line.get_label()): line for axes in panels for line in axes.get_legend_handles_labels()[0]}
    legend_below(figure, list(entries.values()))
    return figure


if __name__ == "__main__":
    services = read(Path(sys.argv[1]))
    print(table(services))
    if len(sys.argv) > 2:
        save(Path(sys.argv[2]) / "corners.png", partial(corners_drawn, services))
        save(Path(sys.argv[2]) / "corners_break_even.png", partial(break_even_drawn, services))
