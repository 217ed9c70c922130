"""What is fitted on dataflow devices, from which published speed, and what is then a prediction.

A wafer has one fitted constant, the effective clock, from one speed; an LPU one, the fixed time of a layer, from two.
`python -m infermodel.fidelity.dataflow` prints both fits and the tables of `docs/dataflow.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isnan, sqrt

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.bounds import decode_bounds
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.placement import Sizes, best_cut, even_cut
from infermodel.cost.ranges import band
from infermodel.cost.wafer import without_fitted_speed
from infermodel.engine import Engine
from infermodel.hardware import LpuDevice, System, WaferDevice

ENGINES = {"wafer": "cerebras", "lpu": "groq"}


@dataclass(frozen=True)
class PublishedSpeed:
    """Tokens per second of one user as somebody published it, and the layout that we take it for.

    Attributes:
        speed_tok_s: of one sequence, others in the ring or not: below a full ring they do not slow it.
        devices: of the replica; published or, where `devices_note` says so, assumed. 0: the fewest that fit.
        context_tokens: at which the speed is taken; publishers do not state it.
        drafts: whether the publisher says that drafts were verified (speculative decoding): yes, no, or not said.
    """

    claim: str
    model: str
    system: str
    devices: int
    precision: Precision
    speed_tok_s: float
    date: str
    source: str
    context_tokens: int = 1000
    devices_note: str = ""
    drafts: str = "not said"

    @property
    def title(self) -> str:
        """For tables."""
        return load_model(self.model).title


BF16 = Precision()
INT8 = Precision(weights="int8", kv_cache="fp16", compute="fp16")
LAUNCH = "Cerebras launch, 2024-08-27"
ANALYSIS = "Artificial Analysis, quoted by SambaNova 2024-09-10"

EFFECTIVE_CLOCK_FIT = PublishedSpeed("C01", "llama-3.1-8b", "cs-3", 1, BF16, 1800, "2024-08", LAUNCH, drafts="no")
"""The one speed that the wafer's effective clock is fitted to."""

LAYER_FIXED_FIT = (
    PublishedSpeed(
        "", "llama-3.1-8b", "groq-rack", 64, INT8, 751, "2024-09", ANALYSIS, devices_note="one rack, assumed"
    ),
    PublishedSpeed(
        "", "llama-3.1-70b", "groq-rack", 576, INT8, 250, "2024-09", ANALYSIS,
        devices_note="as for Llama 2 70B, SemiAnalysis 2024-02-21",
    ),
)  # fmt: skip
"""The two speeds that the LPU's fixed time of a layer is fitted to."""

PREDICTED = (
    PublishedSpeed("C05", "llama-3.1-70b", "cs-3", 4, BF16, 450, "2024-08", LAUNCH, drafts="no"),
    PublishedSpeed(
        "", "llama-2-70b", "groq-rack", 576, INT8, 300, "2024-02", "vendor, TechPowerUp and SemiAnalysis", 2000,
        drafts="no",
    ),
    PublishedSpeed(
        "", "mixtral-8x7b", "groq-rack", 576, INT8, 480, "2024-02", "SemiAnalysis 2024-02-21", drafts="no",
    ),
)  # fmt: skip
"""Speeds that nothing was fitted to and whose layout was published."""


def ring(published: PublishedSpeed, system: System | None = None) -> Ring:
    """The step model of the layout behind a published speed, on the catalog's system or another one."""
    system = system or load_system(published.system)
    deployment = Deployment(devices=published.devices, precision=published.precision, max_context=8192)
    engine = load_engine(ENGINES[system.device.family])
    built = step_model(load_model(published.model), system, deployment, engine)
    assert isinstance(built, Ring)
    return built


def speed_tok_s(published: PublishedSpeed, system: System | None = None) -> float:
    """What the model says of one sequence there."""
    return 1 / ring(published, system).token_latency_s(published.context_tokens)


def effective_clock_hz(system: System | None = None, engine: Engine | None = None) -> float:
    """The clock at which the layer law gives exactly the published speed that it is fitted to.

    Latency is cycles / clock + hops + host, so clock = cycles / (1 / speed - hops - host).
    """
    published = EFFECTIVE_CLOCK_FIT
    system = system or load_system(published.system)
    engine = engine or load_engine(ENGINES["wafer"])
    device = system.device
    assert isinstance(device, WaferDevice)
    at_one_hertz = ring(published, replace(system, device=replace(device, effective_clock_hz=1.0)))
    cycles = at_one_hertz.token_latency_s(published.context_tokens) - at_one_hertz.hops_s
    host_s = engine.host_step_s + engine.host_sequence_s
    return cycles / (1 / published.speed_tok_s - at_one_hertz.hops_s - host_s)


def refitted(system: System, engine: Engine | None = None) -> System:
    """A system of wafers whose other constants were changed, its effective clock fitted again to the same speed; as it
    is where that clock was never fitted.
    """
    device = system.device
    assert isinstance(device, WaferDevice)
    clock = device.provenance.get("effective_clock_hz")
    if clock is not None and clock.kind != "calibrated":
        return system
    clock_hz = effective_clock_hz(system, engine)
    return replace(system, device=replace(device, effective_clock_hz=clock_hz))


def layer_fixed_s(system: System | None = None, engine: Engine | None = None) -> tuple[float, float]:
    """Fixed seconds of an LPU layer and their standard error: the mean of what each published speed implies alone."""
    engine = engine or load_engine(ENGINES["lpu"])
    host_s = engine.host_step_s + engine.host_sequence_s
    implied = []
    for speed in LAYER_FIXED_FIT:
        racks = system or load_system(speed.system)
        assert isinstance(racks.device, LpuDevice)
        without = ring(speed, replace(racks, device=replace(racks.device, layer_fixed_s=0.0)))
        rest = without.token_latency_s(speed.context_tokens) + host_s
        implied.append((1 / speed.speed_tok_s - rest) / len(load_model(speed.model).layers))
    mean, count = sum(implied) / len(implied), len(implied)
    return mean, sqrt(sum((value - mean) ** 2 for value in implied) / (count - 1) / count)


def refitted_layer(system: System, engine: Engine) -> System:
    """A system of LPUs whose other constants were changed: its layer time moves as its fit to the same speeds does; as
    it is where that was never fitted.

    What it already lay off the catalog's value, as drawn with its standard error, it keeps.
    """
    device = system.device
    assert isinstance(device, LpuDevice)
    fixed = device.provenance.get("layer_fixed_s")
    if fixed is not None and fixed.kind != "calibrated":
        return system
    moved_s = layer_fixed_s(system, engine)[0] - layer_fixed_s()[0]
    return replace(system, device=replace(device, layer_fixed_s=device.layer_fixed_s + moved_s))


REFITS: Mapping[str, Callable[[System, Engine], System]] = {"wafer": refitted, "lpu": refitted_layer}
"""By family of devices: what is fitted again when other constants move."""


def unfitted(system: System) -> System | None:
    """The same system with no speed fitted, where it has a measured clock to stand for it; None for LPUs."""
    if not isinstance(system.device, WaferDevice):
        return None
    return replace(system, device=without_fitted_speed(system.device))


def table() -> str:
    """Published and modelled speeds as a Markdown table."""
    lines = [
        "| model | system | devices | published, tok/s | fitted | ratio | at the measured clock | used to fit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = [(EFFECTIVE_CLOCK_FIT, True), *((speed, True) for speed in LAYER_FIXED_FIT)]
    for published, used in [*rows, *((speed, False) for speed in PREDICTED)]:
        modelled, bare = speed_tok_s(published), unfitted(load_system(published.system))
        without = f"{speed_tok_s(published, bare):,.0f}" if bare else "-"
        lines.append(
            f"| {published.title} | {load_system(published.system).title} | {published.devices} |"
            f" {published.speed_tok_s:,.0f} ({published.source}) | {modelled:,.0f} |"
            f" {modelled / published.speed_tok_s:.2f} | {without} | {'yes' if used else 'no'} |"
        )
    return "\n".join(lines)


def band_table() -> str:
    """What the ranges of the catalog leave open of the speeds on wafers, as a Markdown table."""
    lines = [
        "| model | speed, tok/s | band | which constant moves it, low to high end of its range |",
        "|---|---|---|---|",
    ]
    for published in (EFFECTIVE_CLOCK_FIT, PREDICTED[0]):

        def answer(system: System, published: PublishedSpeed = published) -> float:
            return speed_tok_s(published, system)

        around = band(answer, load_system(published.system), refitted)
        causes = "; ".join(
            f"{one.constant} {_speed(one.at_low)} to {_speed(one.at_high)}" for one in around.contributions
        )
        lines.append(f"| {published.title} | {around.mid:,.0f} | {around.low:,.0f} to {around.high:,.0f} | {causes} |")
    return "\n".join(lines)


def _speed(value: float) -> str:
    return "does not fit" if isnan(value) else f"{value:,.0f}"


def context_table() -> str:
    """KV tokens of Llama 3.1 70B in 16 bits by wafers and cut, and how many sequences that is, as a Markdown table."""
    architecture, device = load_model("llama-3.1-70b"), load_system("cs-3").device
    assert isinstance(device, WaferDevice)
    usable = device.memory_capacity_bytes * device.memory_usable_share
    lines = [
        "| CS-3 | KV tokens, even cut | best cut | layers by wafer | sequences of 8k | of 32k | of 128k |",
        "|---|---|---|---|---|---|---|",
    ]
    for count in (4, 5, 6):
        sizes = Sizes.of(architecture, BF16)
        even, best = even_cut(sizes, count, usable), best_cut(sizes, count, usable)
        assert best is not None
        layers = ", ".join(str(load.layers) for load in best.wafers)
        held = " | ".join(str(best.kv_tokens // tokens) for tokens in (8192, 32768, 131072))
        lines.append(f"| {count} | {even.kv_tokens:,} | {best.kv_tokens:,} | {layers} | {held} |")
    return "\n".join(lines)


def bound_table() -> str:
    """What bandwidth alone would allow, the model, and what was published, as a Markdown table."""
    lines = [
        "| model | system | all bandwidth, tok/s | the active stage's | modelled | published |",
        "|---|---|---|---|---|---|",
    ]
    for published in (EFFECTIVE_CLOCK_FIT, PREDICTED[0], *LAYER_FIXED_FIT):
        system, architecture = load_system(published.system), load_model(published.model)
        bounds = decode_bounds(architecture, system, published.devices, published.precision, published.context_tokens)
        assert bounds.stage_tok_s is not None
        lines.append(
            f"| {published.title} | {published.devices} x {system.device.title} | {bounds.bandwidth_tok_s:,.0f} |"
            f" {bounds.stage_tok_s:,.0f} | {speed_tok_s(published):,.0f} | {published.speed_tok_s:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    fixed_s, error_s = layer_fixed_s()
    print(f"effective clock of a wafer: {effective_clock_hz() / 1e9:.4f} GHz")
    print(f"fixed time of an LPU layer: {fixed_s * 1e6:.2f} us, standard error {error_s * 1e6:.1f} us")
    for text in (table(), band_table(), bound_table(), context_table()):
        print(f"\n{text}")
