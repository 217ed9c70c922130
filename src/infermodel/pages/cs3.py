"""What a CS-3 holds and how fast it is: layers on wafers, contexts, models, batches, loading.

`python -m infermodel.pages.cs3 FOLDER` prints the tables of `docs/cs3.md` and draws its pictures into the folder.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure

from infermodel.architecture import PRECISION_BYTES
from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.placement import Placement
from infermodel.cost.ranges import band, with_constant
from infermodel.cost.step import Batch, DoesNotFit
from infermodel.hardware import System, WaferDevice
from infermodel.pages.systems import COLOURS
from infermodel.report.drawing import log_axis, save, sheet
from infermodel.report.palette import DASHES, INK, shaded

CONTEXT = 1000
"""Tokens at which speeds are stated."""

MODELS = (
    ("llama-3.1-8b", "bf16"),
    ("llama-3.1-8b", "fp8"),
    ("llama-3.1-70b", "bf16"),
    ("llama-3.1-70b", "fp8"),
    ("llama-3.1-405b", "bf16"),
    ("llama-3.1-405b", "fp8"),
    ("mistral-large-2", "bf16"),
    ("mixtral-8x7b", "bf16"),
    ("qwen3-32b", "bf16"),
    ("qwen3-235b-a22b", "bf16"),
    ("gpt-oss-120b", "mxfp4"),
    ("llama-4-scout", "bf16"),
    ("llama-4-maverick", "fp8"),
)
"""Names and the precision of the weights; keys and values stay in 16 bits."""

LARGE = ("llama-3.1-70b", "bf16")
"""Of `MODELS`, the one whose contexts and batches are shown."""

LENGTHS = (8192, 32768, 131072)


@cache
def ring(model: str, weights: str, wafers: int = 0, context: int = 8192) -> Ring:
    """The step model on so many CS-3; 0: the fewest that hold one request of `context`."""
    return _ring(load_system("cs-3"), model, weights, wafers, context)


def _ring(system: System, model: str, weights: str, wafers: int, context: int) -> Ring:
    deployment = Deployment(devices=wafers, precision=Precision(weights), max_context=context)
    built = step_model(load_model(model), system, deployment, load_engine("cerebras"))
    assert isinstance(built, Ring)
    return built


def speeds(model: str, weights: str, wafers: int) -> tuple[float, float, float]:
    """Tokens per second of one user: as modelled, and the band from the wafer's uncertain constants."""

    def answer(system: System) -> float:
        return 1 / _ring(system, model, weights, wafers, 8192).token_latency_s(CONTEXT)

    around = band(answer, load_system("cs-3"))
    return around.mid, around.low, around.high


def model_table() -> str:
    """Models on the fewest CS-3 that hold one request of 8k, as a Markdown table."""
    lines = [
        "| model | weights | CS-3 | if 75 to 100 % of the SRAM is usable | tok/s of one user | band | slots |"
        " KV tokens | requests of 8k | load, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for model, weights in MODELS:
        built = ring(model, weights)
        mid, low, high = speeds(model, weights, built.devices)
        counts = " to ".join(str(count) for count in sorted(set(_fewest(model, weights))))
        tokens = built.kv_memory.tokens
        lines.append(
            f"| {load_model(model).title} | {weights} | {built.devices} | {counts} | {mid:,.0f} |"
            f" {low:,.0f} to {high:,.0f} | {built.slots(CONTEXT)} | {tokens:,} | {tokens // 8192} |"
            f" {loading_s(model, weights, built.devices):.2f} |"
        )
    return "\n".join(lines)


def _fewest(model: str, weights: str) -> list[int]:
    """Fewest CS-3 with the most and with the least of the SRAM usable, where any number will do."""
    system = load_system("cs-3")
    usable = system.device.provenance["memory_usable_share"]
    counts = []
    for share in (usable.high, usable.low):
        if share is None:
            continue
        changed = replace(system, device=with_constant(system.device, "memory_usable_share", share))
        try:
            counts.append(_ring(changed, model, weights, 0, 8192).devices)
        except DoesNotFit:
            continue
    return counts


def loading_s(model: str, weights: str, wafers: int) -> float:
    """Seconds at least to load the weights, all systems at once at the full rate of their own ports."""
    size = load_model(model).parameters * PRECISION_BYTES[weights]
    return size / (wafers * load_system("cs-3").network.bandwidth)


def context_table() -> str:
    """What longer contexts cost: fewest CS-3 for one and for ten requests, and the speed of one user there."""
    lines = [
        "| context | CS-3 for one request | its tok/s there | CS-3 for ten | tok/s of each there |",
        "|---|---|---|---|---|",
    ]
    for length in LENGTHS:
        one = ring(*LARGE, 0, length)
        wafers = one.devices
        while ring(*LARGE, wafers).kv_memory.tokens < 10 * length:
            wafers += 1
        ten = ring(*LARGE, wafers)
        together = 1 / ten.step(Batch(10, 10 * length, length)).latency_s
        lines.append(
            f"| {length:,} | {one.devices} | {1 / one.token_latency_s(length):,.0f} | {wafers} | {together:,.0f} |"
        )
    return "\n".join(lines)


BATCHES = (1, 2, 4, 8, 16, 32, 48, 64, 80, 100, 128)


def batch_table() -> str:
    """Users at a time, what each sees and how full the pipeline is, at contexts of a thousand tokens."""
    cases = (("llama-3.1-8b", "bf16", 1), (*LARGE, 4), (*LARGE, 6))
    heads = [f"{load_model(model).title} on {wafers}" for model, _, wafers in cases]
    lines = [
        "| users | " + " | ".join(f"{head}: tok/s each | all | occupied" for head in heads) + " |",
        "|---|" + "---|---|---|" * len(cases),
    ]
    for users in BATCHES:
        cells = []
        for model, weights, wafers in cases:
            built = ring(model, weights, wafers)
            if users * CONTEXT > built.kv_memory.tokens:
                cells.append("no room | - | -")
                continue
            batch = Batch(users, users * CONTEXT, CONTEXT)
            seconds = built.step(batch).latency_s
            cells.append(f"{1 / seconds:,.0f} | {users / seconds:,.0f} | {built.busy_s(batch) / seconds:.0%}")
        lines.append(f"| {users} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def placement(model: str, weights: str, wafers: int) -> Placement:
    """Which layer is on which wafer."""
    found = ring(model, weights, wafers).placement
    assert found is not None
    return found


def placements() -> str:
    """What each wafer of 70B holds on four and on six CS-3, as text of fixed width."""
    both = "\n\n".join(str(placement("llama-3.1-70b", "bf16", wafers)) for wafers in (4, 6))
    return f"```\n{both}\n```"


def placement_drawn() -> Figure:
    """SRAM of each wafer of 70B on four and six CS-3: weights, embedding and head, room for KV, not usable."""
    device = load_system("cs-3").device
    assert isinstance(device, WaferDevice)
    capacity = device.memory_capacity_bytes / 1e9
    figure, (panels,) = sheet(
        "Llama 3.1 70B in 16 bits, cut at layer boundaries",
        "SRAM of each wafer when the fullest one is full: that one binds",
        columns=2,
        width_ratios=(4, 6),
        sharey=True,
    )
    for axes, wafers in zip(panels, (4, 6), strict=True):
        found = placement("llama-3.1-70b", "bf16", wafers)
        bound = found.kv_tokens * found.wafers[0].kv_bytes_per_token / found.wafers[0].layers / 1e9
        for number, load in enumerate(found.wafers):
            used = bound * load.layers
            parts = (
                ("weights of layers", load.weights_bytes / 1e9, "#4477AA"),
                ("embedding, head", load.edge_bytes / 1e9, "#225588"),
                ("KV in use when the fullest wafer is full", used, "#CCBB44"),
                ("room that no request can use", max(0.0, load.kv_bytes / 1e9 - used), "#EEE8BB"),
                ("code, buffers (not usable)", capacity - load.usable_bytes / 1e9, "#BBBBBB"),
            )
            bottom = 0.0
            for title, size, colour in parts:
                axes.bar(number, size, bottom=bottom, color=colour, width=0.8, label=title if number == 0 else None)
                bottom += size
            last = load.first_layer + load.layers - 1
            axes.text(number, 1.0, f"layers\n{load.first_layer} to {last}", ha="center", color="white", fontsize=13)
        axes.set_title(f"on {wafers} CS-3: {found.kv_tokens:,} tokens of context")
        axes.set_xticks(range(wafers), [f"wafer {number}" for number in range(wafers)])
        axes.grid(False, axis="x")
    panels[0].set_ylabel("GB of SRAM")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def context_drawn() -> Figure:
    """Requests that fit over the number of CS-3, for three contexts; and speed over context."""
    figure, ((room, speed),) = sheet(
        "What context costs on CS-3", "left: Llama 3.1 70B in 16 bits; right: one user, by model and layout", columns=2
    )
    wafers = range(4, 13)
    tokens = [ring("llama-3.1-70b", "bf16", count).kv_memory.tokens for count in wafers]
    for length, dash in zip(LENGTHS, DASHES, strict=False):
        label = f"{length // 1024}k of context"
        room.plot(wafers, [held / length for held in tokens], color=COLOURS["CS-3"], linestyle=dash, label=label)
    room.axhline(1, color=INK, linewidth=1.6)
    log_axis(room, "y", min(tokens) / max(LENGTHS), max(tokens) / min(LENGTHS), pad=0.05)
    room.set_xlabel("CS-3 that share the model")
    room.set_ylabel("requests that fit")
    room.legend()
    rates: list[float] = []
    for depth, (model, weights, count) in zip(
        (0.0, 0.35, 0.65),
        (("llama-3.1-8b", "bf16", 1), ("llama-3.1-70b", "bf16", 6), ("llama-3.1-405b", "fp8", 13)),
        strict=True,
    ):
        built = ring(model, weights, count)
        contexts = [2**power for power in range(9, 18) if 2**power <= built.kv_memory.tokens]
        speeds = [1 / built.token_latency_s(context) for context in contexts]
        label = f"{load_model(model).title}, {weights}, {count} CS-3"
        speed.plot(contexts, speeds, "o-", color=shaded(COLOURS["CS-3"], depth), label=label)
        rates += speeds
    log_axis(speed, "y", min(rates), max(rates), pad=0.08)
    speed.set_xscale("log", base=2)
    speed.xaxis.set_major_formatter("{x:,.0f}")
    speed.tick_params(axis="x", rotation=30)
    speed.set_xlabel("context, tokens")
    speed.set_ylabel("tokens/s of one user")
    speed.legend()
    return figure


if __name__ == "__main__":
    for count in (4, 6):
        print(placement("llama-3.1-70b", "bf16", count), end="\n\n")
    print(model_table(), context_table(), batch_table(), sep="\n\n")
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        save(folder / "cs3_placement.png", placement_drawn)
        save(folder / "cs3_context.png", context_drawn)
