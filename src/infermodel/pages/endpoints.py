"""Published speeds of public endpoints in September 2024 against the model: which layout and batch explain each.

`python -m infermodel.pages.endpoints PICTURE.png` prints the tables of `docs/endpoints.md` and draws its picture.
Publishers state neither GPUs, precision nor batch, so every layout is tried; none of it is fitted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.step import Batch, DoesNotFit, StepModel
from infermodel.report.drawing import legend_below, log_axis, save, sheet
from infermodel.report.palette import device_colour, shaded

CONTEXT = 1000
"""Tokens; the measurements sent about a thousand and asked for a few hundred."""

MOST = 512
"""Sequences of a batch that are tried."""

PUBLISHED = "#CC4455"
"""Colour of what was published."""

ON_WHITE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}

NAMES = {"llama-3.1-8b": "8B", "llama-3.1-70b": "70B", "llama-3.1-405b": "405B"}


@dataclass(frozen=True)
class Endpoint:
    """Output tokens per second that one user of a public endpoint was measured to get."""

    provider: str
    model: str
    tok_s: float


ENDPOINTS = (
    Endpoint("Fireworks", "llama-3.1-8b", 288),
    Endpoint("OctoAI", "llama-3.1-8b", 164),
    Endpoint("hyperscaler of the launch article", "llama-3.1-8b", 90),
    Endpoint("Fireworks", "llama-3.1-70b", 71),
    Endpoint("OctoAI", "llama-3.1-70b", 49),
    Endpoint("Fireworks", "llama-3.1-405b", 72),
    Endpoint("OctoAI", "llama-3.1-405b", 30),
)
"""Artificial Analysis, quoted by SambaNova 2024-09-10; the hyperscaler from the launch article of 2024-08-28."""


@dataclass(frozen=True)
class Layout:
    """A replica that may stand behind an endpoint."""

    system: str
    gpus: int
    weights: str

    @property
    def title(self) -> str:
        """As printed."""
        devices = load_system(self.system).device.title.removeprefix("NVIDIA ").removesuffix(" SXM 80 GB")
        return f"{self.gpus} x {devices}, {self.weights}"


LAYOUTS = tuple(
    Layout(system, gpus, weights)
    for system in ("dgx-h100", "hgx-h200")
    for weights in ("bf16", "fp8")
    for gpus in (1, 2, 4, 8)
)
"""What GPU clouds ran in September 2024."""


@cache
def replica(model: str, layout: Layout) -> StepModel | None:
    """Its step model; None where the model does not fit or its heads cannot be divided."""
    compute = "fp8" if layout.weights == "fp8" else "bf16"
    deployment = Deployment(
        tensor_parallel=layout.gpus,
        precision=Precision(layout.weights, "bf16", compute),
        max_sequences=MOST,
        max_context=8192,
    )
    try:
        return step_model(load_model(model), load_system(layout.system), deployment, load_engine("vllm"))
    except DoesNotFit:
        return None


def speed_tok_s(model: StepModel, sequences: int, context: int = CONTEXT) -> float:
    """Tokens per second of each of so many equal sequences."""
    return 1 / model.step(Batch.alike(model.windows, sequences, context)).latency_s


def batch_behind(model: StepModel, tok_s: float) -> int:
    """The most sequences, as far as memory holds them, of which each still gets the speed; 0 if not even one does."""
    low, high = 0, min(MOST, int(model.kv_memory.sequences(CONTEXT))) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if speed_tok_s(model, middle) >= tok_s else (low, middle)
    return low


@dataclass(frozen=True)
class Explanation:
    """A layout and batch at which the model gives a published speed."""

    layout: Layout
    batch: int
    tok_s: float

    @property
    def tok_s_per_gpu(self) -> float:
        """All users together."""
        return self.batch * self.tok_s / self.layout.gpus


def explanations(endpoint: Endpoint) -> Iterator[Explanation]:
    """Every layout that reaches the published speed, with the largest batch at which it does."""
    for layout in LAYOUTS:
        model = replica(endpoint.model, layout)
        if model is None:
            continue
        batch = batch_behind(model, endpoint.tok_s)
        if batch:
            yield Explanation(layout, batch, speed_tok_s(model, batch))


def best(endpoint: Endpoint) -> Explanation | None:
    """The explanation that serves the most users a GPU, on H100 where they suffice; None where there is none."""
    found = list(explanations(endpoint))
    common = [each for each in found if each.layout.system == "dgx-h100"] or found
    return max(common, key=lambda each: each.tok_s_per_gpu, default=None)


def table() -> str:
    """Each endpoint and what explains it, as a Markdown table."""
    lines = [
        "| endpoint | model | published, tok/s | explained by | batch | all layouts that reach it (batch) |",
        "|---|---|---|---|---|---|",
    ]
    for endpoint in ENDPOINTS:
        found, chosen = list(explanations(endpoint)), best(endpoint)
        head = f"| {endpoint.provider} | {NAMES[endpoint.model]} | {endpoint.tok_s:,.0f} |"
        if chosen is None:
            fastest = max(
                (speed_tok_s(model, 1), layout.title)
                for layout in LAYOUTS
                if (model := replica(endpoint.model, layout)) is not None
            )
            lines.append(f"{head} **not explainable**: {fastest[1]} alone gives {fastest[0]:,.0f} | - | - |")
            continue
        others = "; ".join(f"{each.layout.title} ({each.batch})" for each in found)
        lines.append(f"{head} {chosen.layout.title} | {chosen.batch} | {others} |")
    return "\n".join(lines)


SYSTEMS = ("dgx-a100", "dgx-h100", "hgx-h200", "dgx-b200", "gb200-nvl72", "mi300x-8")


def one_query(model: str, system: str) -> list[float | None]:
    """Tokens per second of a single user on 1, 2, 4, 8 GPUs in 16 bits; None where the model does not fit."""
    speeds: list[float | None] = []
    for gpus in (1, 2, 4, 8):
        built = replica(model, Layout(system, gpus, "bf16"))
        speeds.append(speed_tok_s(built, 1) if built else None)
    return speeds


def parallel_table() -> str:
    """What tensor parallelism does for one query, as a Markdown table."""
    lines = ["| model, 16 bit | server | 1 GPU | 2 | 4 | 8 | gain |", "|---|---|---|---|---|---|---|"]
    for model, short in NAMES.items():
        for system in SYSTEMS:
            speeds = one_query(model, system)
            known = [speed for speed in speeds if speed]
            if not known:
                continue
            cells = " | ".join(f"{speed:,.0f}" if speed else "-" for speed in speeds)
            gain = f"{known[-1] / known[0]:.1f} x" if len(known) > 1 else "-"
            lines.append(f"| {short} | {load_system(system).title} | {cells} | {gain} |")
    return "\n".join(lines)


CHIPS = (
    ("llama-3.1-8b", (44, 64, 128)),
    ("llama-3.1-70b", (384, 576, 1152)),
    ("mixtral-8x7b", (256, 576)),
)
"""LPUs of a replica that are shown; 64 are a rack."""


def chip_table() -> str:
    """What more chips do for a model on LPUs in 8 bits, as a Markdown table."""
    lines = [
        "| model, 8 bit | chips | a layer | tok/s of one user | users that fill the pipeline | all of them, tok/s |"
        " KV tokens | requests of 8k |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, counts in CHIPS:
        model = load_model(name)
        for chips in counts:
            deployment = Deployment(devices=chips, precision=Precision("int8", "fp16", "fp16"), max_context=8192)
            ring = step_model(model, load_system("groq-rack"), deployment, load_engine("groq"))
            assert isinstance(ring, Ring)
            one, tokens = 1 / ring.token_latency_s(CONTEXT), ring.kv_memory.tokens
            users = min(ring.slots(CONTEXT), tokens // CONTEXT)
            everybody = users * speed_tok_s(ring, users)
            lines.append(
                f"| {model.title} | {chips:,} | {chips / len(model.layers):.1f} | {one:,.0f} | {ring.slots(CONTEXT)} |"
                f" {everybody:,.0f} | {tokens:,} | {tokens // 8192} |"
            )
    return "\n".join(lines)


def drawn() -> Figure:
    """Speed of each user over the batch, a panel a model, published speeds as lines."""
    figure, (panels,) = sheet(
        "Public GPU endpoints of September 2024",
        "red: published; curves: how many requests each layout could decode at that speed; dashed: 8 bit weights",
        columns=3,
    )
    shades = {1: -0.6, 2: -0.2, 4: 0.25, 8: 0.65}
    for axes, (model, short) in zip(panels, NAMES.items(), strict=True):
        reached = [endpoint.tok_s for endpoint in ENDPOINTS if endpoint.model == model]
        for layout in LAYOUTS:
            built = replica(model, layout)
            if built is None or layout.system != "dgx-h100":
                continue
            batches = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if n <= built.kv_memory.sequences(CONTEXT)]
            speeds = [speed_tok_s(built, n) for n in batches]
            reached += speeds
            style = "-" if layout.weights == "bf16" else "--"
            label = f"{layout.gpus} x H100, {layout.weights}"
            colour = shaded(device_colour("h100-sxm"), shades[layout.gpus])
            axes.plot(batches, speeds, style, color=colour, label=label)
        for endpoint in ENDPOINTS:
            if endpoint.model == model:
                axes.axhline(endpoint.tok_s, color=PUBLISHED, linewidth=1.4)
                name = endpoint.provider.split(" of ")[0]
                label = f"{name} {endpoint.tok_s:,.0f}"
                place = axes.get_yaxis_transform()
                y = endpoint.tok_s * 1.015
                axes.text(0.98, y, label, color=PUBLISHED, ha="right", transform=place, fontsize=11.5, bbox=ON_WHITE)
        log_axis(axes, "y", min(reached), max(reached), pad=0.06)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_title(f"Llama 3.1 {short}")
        axes.set_xlabel("requests decoded at a time")
    panels[0].set_ylabel("tokens/s of each user")
    entries = {str(line.get_label()): line for axes in panels for line in axes.get_legend_handles_labels()[0]}
    legend_below(figure, [entries[label] for label in sorted(entries)])
    return figure


if __name__ == "__main__":
    print(table(), parallel_table(), chip_table(), sep="\n\n")
    if len(sys.argv) > 1:
        save(Path(sys.argv[1]), drawn)
