"""Which drafts turn the speeds of plain decoding into those published later: the whole map, not one point.

`python -m infermodel.pages.speculation PICTURE.png` prints the tables of `docs/speculation.md` and draws its
picture.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap

from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from infermodel.catalog import load_model, load_system
from infermodel.cost.dataflow import Ring
from infermodel.cost.speculation import acceptance_needed, round_s, speed_map
from infermodel.cost.step import Batch
from infermodel.cost.wafer import draft_ring
from infermodel.fidelity.dataflow import BF16, PublishedSpeed, ring
from infermodel.hardware import WaferDevice
from infermodel.report.drawing import save, sheet

FP8 = replace(BF16, weights="fp8")

TARGETS = (
    PublishedSpeed("", "llama-3.1-70b", "cs-3", 4, BF16, 2100, "2024-10", "Cerebras, 2024-10-24", drafts="yes"),
    PublishedSpeed(
        "", "llama-3.1-405b", "cs-3", 0, BF16, 969, "2024-11", "Cerebras, 2024-11-18",
        devices_note="16 bit, the fewest that fit", drafts="not said",
    ),
    PublishedSpeed(
        "", "llama-3.1-405b", "cs-3", 0, FP8, 969, "2024-11", "Cerebras, 2024-11-18",
        devices_note="8 bit, the fewest that fit", drafts="not said",
    ),
)  # fmt: skip
"""Speeds that the layer law does not reach without drafts."""

DRAFTED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)


@dataclass(frozen=True)
class Drafter:
    """Something that drafts; `ring` is None where drafts take no time."""

    title: str
    ring: Ring | None

    @property
    def token_s(self) -> float:
        """Seconds of one draft at a context of 1,000 tokens."""
        return self.ring.token_latency_s(1000) if self.ring else 0.0


def drafters(model: Ring) -> tuple[Drafter, ...]:
    """From the cheapest to the dearest: none of them was published, so all of them are shown."""
    cs_3, small = load_system("cs-3"), load_model("llama-3.2-1b")
    wafer = cs_3.device
    assert isinstance(wafer, WaferDevice)
    one_layer = replace(model, stages=(model.stages[0]._replace(layers=1),), turns=2.0, hops_s=0.0)
    own_s = 2 * cs_3.network.latency_s  # there and back
    return (
        Drafter("n-grams of the prompt, free", None),
        Drafter("one layer and head of the model's shape", one_layer),
        Drafter("1B on a wafer of its own", draft_ring(small, cs_3, wafer.cores * wafer.region_share, BF16, own_s)),
        Drafter("1B on one wafer's idle cores", draft_ring(small, cs_3, wafer.cores * (1 - wafer.region_share), BF16)),
    )


def one_sequence(target: PublishedSpeed) -> Batch:
    """A single user at the target's context."""
    return Batch(1, target.context_tokens, target.context_tokens)


def needed(target: PublishedSpeed, model: Ring, drafted: Sequence[int] = DRAFTED) -> Mapping[str, list[float | None]]:
    """By drafter, the acceptance that makes the published speed at each number of drafts; None where none does."""
    one = one_sequence(target)
    return {
        drafter.title: [
            acceptance_needed(target.speed_tok_s * round_s(model, one, k, drafter.ring), k) for k in drafted
        ]
        for drafter in drafters(model)
    }


def table(target: PublishedSpeed) -> str:
    """The acceptance needed, as a Markdown table with a sentence above it."""
    model = ring(target)
    plain = 1 / model.token_latency_s(target.context_tokens)
    lines = [
        f"{target.title} in {target.precision.weights} on {model.devices} CS-3: plain decoding {plain:,.0f} tok/s,"
        f" published {target.speed_tok_s:,.0f} ({target.source}), {target.speed_tok_s / plain:.1f} times as much."
        " Acceptance that each draft needs:",
        "",
        "| drafts by | one draft, us |" + "".join(f" k={k} |" for k in DRAFTED),
        "|---|---|" + "---|" * len(DRAFTED),
    ]
    by_drafter = needed(target, model)
    for drafter in drafters(model):
        cells = ("-" if value is None else f"{value:.2f}" for value in by_drafter[drafter.title])
        lines.append(f"| {drafter.title} | {drafter.token_s * 1e6:.0f} |" + "".join(f" {cell} |" for cell in cells))
    return "\n".join(lines)


def tables() -> str:
    """The tables of all targets."""
    return "\n\n".join(map(table, TARGETS))


def drawn() -> Figure:
    """Speed over drafts and acceptance, a panel for each target and drafter, the published speed as a line."""
    levels = [0, 1, 1.5, 2, 3, 4, 6, 8]
    norm = BoundaryNorm(levels, 256, extend="max")
    drafted = list(range(1, 17))
    acceptances = [0.5 + 0.01 * step for step in range(50)]
    figure, panels = sheet(
        "Speculative decoding on CS-3, one user",
        "times plain decoding, over drafts a round and the share of them that is accepted; red: the published speed",
        rows=len(TARGETS),
        columns=len(drafters(ring(TARGETS[0]))),
        sharex=True,
        sharey=True,
    )
    for row, target in zip(panels, TARGETS, strict=True):
        model = ring(target)
        plain = 1 / model.token_latency_s(target.context_tokens)
        for panel, drafter in zip(row, drafters(model), strict=True):
            speeds = speed_map(model, one_sequence(target), drafted, acceptances, drafter.ring)
            gains = [[speed / plain for speed in line] for line in speeds]
            shades = panel.contourf(drafted, acceptances, gains, levels=levels, norm=norm, cmap="viridis", extend="max")
            goal = target.speed_tok_s / plain
            if max(map(max, gains)) >= goal:
                panel.contour(drafted, acceptances, gains, levels=[goal], colors="red", linewidths=2.4)
            else:
                panel.text(8.5, 0.53, "not reached below 0.99", color="white", ha="center", fontsize=12)
            title = "\n".join(wrap(drafter.title, 34))
            panel.set_title(f"{title}\n({drafter.token_s * 1e6:.0f} µs a draft)", fontsize=11.5)
        layout = f"{target.precision.weights}, {model.devices} CS-3"
        row[0].set_ylabel(f"{target.title}\n{layout}\n{target.speed_tok_s:,.0f} tok/s", fontsize=12)
    for panel in panels[-1]:
        panel.set_xticks([1, 4, 8, 12, 16])
        panel.set_xlabel("drafts a round", fontsize=13)
    figure.colorbar(shades, ax=figure.axes, label="times plain decoding", shrink=0.7)
    return figure


if __name__ == "__main__":
    print("\n\n".join(table(target) for target in TARGETS))
    if len(sys.argv) > 1:
        save(Path(sys.argv[1]), drawn)
