"""Which drafts would explain the speeds that were published of wafers, and of LPUs beside GPUs, in 2026.

`python -m infermodel.pages.cs3_2026` prints the table of `docs/cs3_2026.md`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.ranges import Band, band
from infermodel.cost.speculation import acceptance_needed, round_s
from infermodel.cost.step import Batch, Windowed
from infermodel.fidelity.dataflow import ENGINES, refitted
from infermodel.hardware import System

SERVED_CONTEXT = 32768
"""Tokens of the one request that the fewest wafers or LPUs must hold, if the published context is no longer."""

DRAFTED = (1, 2, 3, 4, 6, 8)

USUAL, BEST = 0.8, 0.9
"""Acceptances that are usual and the best that are published of layers that draft: 85 to 90 % of DeepSeek V3's first
draft (its report, 2024), less of each further one."""


class Published(NamedTuple):
    """A speed of one user, and what it is taken to be of: neither weights nor number of devices are ever said."""

    who: str
    model: str
    weights: str
    system: str
    context: int
    tok_s: float


PUBLISHED = (
    Published("Artificial Analysis, 2026-05", "gpt-oss-120b", "mxfp4", "cs-3", 10_000, 1706),
    Published("Artificial Analysis, low effort, 2026", "gpt-oss-120b", "mxfp4", "cs-3", 10_000, 1844),
    Published("Cerebras' documentation, 2026-10", "gpt-oss-120b", "mxfp4", "cs-3", 1000, 3000),
    Published("Cerebras, 2025-07", "qwen3-235b-a22b-2507", "bf16", "cs-3", 1000, 1400),
    Published("the same", "qwen3-235b-a22b-2507", "fp8", "cs-3", 1000, 1400),
    Published("Artificial Analysis, 2026-05", "glm-4.7", "bf16", "cs-3", 10_000, 1201),
    Published("the same", "glm-4.7", "fp8", "cs-3", 10_000, 1201),
    Published("Artificial Analysis, 2026-05 (K2.6)", "kimi-k2.5", "int4", "cs-3", 10_000, 981),
    Published("Cerebras' documentation, 2026-08", "gemma-4-31b", "bf16", "cs-3", 1000, 1850),
    Published("the same", "gemma-4-31b", "fp8", "cs-3", 1000, 1850),
    Published("SemiAnalysis on CS-4, 2026-08", "gpt-oss-120b", "mxfp4", "cs-4", 1000, 4400),
    Published("NVIDIA, 2026, with VR NVL72", "gemma-4-31b", "fp8", "groq-3-lpx", 100_000, 3400),
)


def ring(published: Published, system: System | None = None, devices: int = 0) -> Ring:
    """The model on the fewest devices that hold one request, or on so many."""
    context = max(SERVED_CONTEXT, published.context)
    deployment = Deployment(devices=devices, precision=Precision(published.weights), max_context=context)
    system = system or load_system(published.system)
    built = step_model(load_model(published.model), system, deployment, load_engine(ENGINES[system.device.family]))
    assert isinstance(built, Ring)
    return built


def plain(published: Published) -> Band:
    """Plain decoding, and the band of the device's uncertain constants, a wafer's clock fitted anew to that of 2024."""
    devices, on = ring(published).devices, load_system(published.system)

    def answer(system: System) -> float:
        return 1 / ring(published, system, devices).token_latency_s(published.context)

    return band(answer, on, refitted if on.device.family == "wafer" else None)


def one_layer(model: Ring) -> Ring:
    """A layer of the model's last kind and a head, on cores like the model's own."""
    return replace(model, stages=(model.stages[-1]._replace(layers=1),), turns=2.0, hops_s=0.0)


def needed(published: Published, model: Ring, draft: Ring | None) -> list[float | None]:
    """For each number of drafts the acceptance of each that makes the published speed; None where none does."""
    context = published.context
    windows = tuple(Windowed(min(context, window), 0) for window in model.windows)
    one = Batch(1, context, context, windows)
    return [acceptance_needed(published.tok_s * round_s(model, one, k, draft), k) for k in DRAFTED]


def reading(published: Published, around: Band, layer: list[float | None]) -> str:
    """What would explain a speed: nothing but the constants, or the fewest drafts by a layer that do."""
    if published.tok_s <= around.high:
        return "within the band of plain decoding: needs no drafts"
    for most, words in ((USUAL, "usual"), (BEST, "as good as the best published")):
        for k, acceptance in zip(DRAFTED, layer, strict=True):
            if acceptance is not None and acceptance <= most:
                drafts = f"{k} draft{'s' * (k > 1)}"
                return f"{drafts} by a layer, each accepted {acceptance:.2f} of the time: {words}"
    return "no drafts of a layer explain it"


def table() -> str:
    """Every published speed with plain decoding and the acceptance that drafts need, as Markdown."""
    counts = "".join(f" k={k} |" for k in DRAFTED)
    lines = [
        "| published by | model | on | context | published tok/s | plain, and its band | times | drafts by |" + counts,
        "|---|---|---|---|---|---|---|---|" + "---|" * len(DRAFTED),
    ]
    for each in PUBLISHED:
        model, around = ring(each), plain(each)
        title = f"{load_model(each.model).title}, {each.weights}"
        on = f"{model.devices} {load_system(each.system).device.title.partition(' ')[2]}"
        speeds = f"{around.mid:,.0f} ({around.low:,.0f} to {around.high:,.0f}) | {each.tok_s / around.mid:.1f}"
        head = f"| {each.who} | {title} | {on} | {each.context:,} | {each.tok_s:,.0f} | {speeds}"
        for name, draft in (("nobody, free", None), ("a layer and a head", one_layer(model))):
            cells = "".join(" - |" if value is None else f" {value:.2f} |" for value in needed(each, model, draft))
            lines.append(f"{head} | {name} |{cells}")
            head = "| | | | | | | "
    return "\n".join(lines)


def readings() -> str:
    """What would explain each published speed, as a list."""
    lines = []
    for each in PUBLISHED:
        model = ring(each)
        said = reading(each, plain(each), needed(each, model, one_layer(model)))
        title = f"{load_model(each.model).title} in {each.weights} at {each.tok_s:,.0f} tok/s ({each.who})"
        lines.append(f"- {title}: {said}.")
    return "\n".join(lines)


if __name__ == "__main__":
    print(f"{table()}\n\n{readings()}")
