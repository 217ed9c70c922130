"""Questions about memory: bytes, bandwidth, what fits where."""

from __future__ import annotations

from dataclasses import replace

from infermodel import catalog
from infermodel.architecture import PRECISION_BYTES, ModelArchitecture
from infermodel.claims.evidence import Arguments, BadClaim, Evidence
from infermodel.claims.verdict import Answer
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.ranges import with_constant
from infermodel.cost.step import DoesNotFit
from infermodel.hardware import GpuDevice, System


def weights(evidence: Evidence, arguments: Arguments) -> Answer:
    """Bytes of a `model`'s weights at a `precision`."""
    model, precision = catalog.load_model(str(arguments["model"])), str(arguments.get("precision", "bf16"))
    size = model.parameters * PRECISION_BYTES[precision]
    return Answer.exactly(size, f"{model.parameters / 1e9:.2f}e9 parameters x {PRECISION_BYTES[precision]:g} bytes")


def weight_bandwidth(evidence: Evidence, arguments: Arguments) -> Answer:
    """Bytes/s that reading all weights once per token takes, at a `speed` in tokens/s."""
    size, rate = weights(evidence, arguments).value, float(arguments["speed"])
    return Answer.exactly(size * rate, f"{size / 1e9:.1f} GB x {rate:g} tokens/s, one sequence, no speculation")


def device(evidence: Evidence, arguments: Arguments) -> Answer:
    """A `field` of a `device` of the catalog."""
    found, name = catalog.load_device(str(arguments["device"])), str(arguments["field"])
    value = getattr(found, name, None)
    if not isinstance(value, int | float):
        raise BadClaim(f"{found.name} has no figure {name!r}")
    source = found.provenance[name].source if name in found.provenance else "catalog"
    return Answer.exactly(float(value), f"{found.title}: {source}")


def on_chip(evidence: Evidence, arguments: Arguments) -> Answer:
    """Bytes of memory on one GPU chip: a shared `cache_bytes`, and `bytes_each` in each of its multiprocessors."""
    found = catalog.load_device(str(arguments["device"]))
    if not isinstance(found, GpuDevice):
        raise BadClaim(f"{found.title} is no GPU")
    cache, each = float(arguments["cache_bytes"]), float(arguments["bytes_each"])
    size = cache + found.multiprocessors * each
    reason = f"{found.title}: {cache / 1e6:.0f} MB of cache and {found.multiprocessors} x {each / 1024:.0f} KiB"
    return Answer.exactly(size, reason)


def greatest_bandwidth(evidence: Evidence, arguments: Arguments) -> Answer:
    """Bytes/s of all memory of the fastest of `systems`, and of the fastest of those that came `later`."""
    then, later = ([catalog.load_system(str(name)) for name in arguments.get(key, ())] for key in ("systems", "later"))
    rates = {system.title: system.devices * system.device.memory_bandwidth for system in (*then, *later)}
    best_then, best = max(rates[system.title] for system in then), max(rates.values())
    reason = ", ".join(f"{title} {rate / 1e12:.0f} TB/s" for title, rate in rates.items())
    titles = ", ".join(system.title for system in then)
    return Answer(best, best_then, best, reason, f"servers of its time are meant: {titles}")


def memory_share(evidence: Evidence, arguments: Arguments) -> Answer:
    """Share of one `system`'s memory that `parameters` at a `precision` take, against the share that can be used."""
    system, count = catalog.load_system(str(arguments["system"])), float(arguments["parameters"])
    size = count * PRECISION_BYTES[str(arguments.get("precision", "bf16"))]
    share = size / (system.devices * system.device.memory_capacity_bytes)
    usable = system.device.provenance.get("memory_usable_share")
    reason = f"{size / 1e9:.1f} GB of {system.devices * system.device.memory_capacity_bytes / 1e9:.0f} GB"
    if usable is None or usable.low is None or usable.high is None:
        return Answer.exactly(share, reason)
    # The claim needs `share <= usable`: stated as share / usable, which has to be at most 1.
    reason += f"; usable is {usable.low:.0%} to {usable.high:.0%}, taken as {usable.value:.0%}"
    condition = f"{share:.0%} of the memory can be used for weights"
    return Answer(share / usable.value, share / usable.high, share / usable.low, reason, condition)


def devices_needed(evidence: Evidence, arguments: Arguments) -> Answer:
    """Fewest devices of a `system` that hold a `model` and one request of a `context`, at one or several `precision`s.

    The first precision gives the figure; the others, and the range of the memory that can be used, its range.
    """
    model, system = catalog.load_model(str(arguments["model"])), catalog.load_system(str(arguments["system"]))
    context, asked = int(arguments.get("context", 8192)), arguments.get("precision", "bf16")
    numbers = [str(each) for each in asked] if isinstance(asked, list) else [str(asked)]
    counts = {number: _range_of_devices(model, system, number, context) for number in numbers}
    room = system.device.memory_capacity_bytes / 1e9
    said = [
        f"{model.parameters * PRECISION_BYTES[number] / 1e9:.1f} GB of weights in {number} at {room:.0f} GB each need"
        f" {count}" + (f" ({high} if less of the memory can be used, {low} if all)" if low < high else "")
        for number, (low, count, high) in counts.items()
    ]
    lows, mids, highs = zip(*counts.values(), strict=True)
    condition = "enough of the memory can be used"
    if len(numbers) > 1:
        condition = f"weights are kept in {numbers[mids.index(min(mids))]} and {condition}"
    reason = f"{'; '.join(said)}, with room for one request of {context:,} tokens"
    return Answer(mids[0], min(lows), max(highs), reason, condition)


def fewest_devices(model: ModelArchitecture, system: System, number: str, context: int) -> int | None:
    """Fewest devices that hold the model in `number` and one sequence of `context` tokens; None if none do."""
    engine = catalog.load_engine({"wafer": "cerebras", "lpu": "groq", "gpu": "vllm"}[system.device.family]).on(
        system.device
    )
    deployment = Deployment(precision=Precision(number), max_context=context)
    if not isinstance(system.device, GpuDevice):
        try:
            ring = step_model(model, system, deployment, engine)
        except DoesNotFit:
            return None
        assert isinstance(ring, Ring)
        return ring.devices
    for count in (1 << power for power in range(11)):
        try:
            held = step_model(model, system, replace(deployment, tensor_parallel=count), engine).kv_memory.fits_alone
        except (DoesNotFit, ValueError):
            continue
        if held >= context:
            return count
    return None


def _range_of_devices(model: ModelArchitecture, system: System, number: str, context: int) -> tuple[int, int, int]:
    """Fewest devices if all of the usable memory's range can be used, as the catalog says, and if the least can."""
    counts = [fewest_devices(model, each, number, context) for each in usable_ends(system)]
    if counts[1] is None:
        raise BadClaim(f"{model.title} in {number} fits on no number of {system.device.title}")
    known = [count for count in counts if count is not None]
    return min(known), counts[1], max(known)


def usable_ends(system: System) -> tuple[System, System, System]:
    """The system with the most of its memory usable, as the catalog has it, and with the least."""
    usable = system.device.provenance.get("memory_usable_share")
    if usable is None or usable.low is None or usable.high is None:
        return system, system, system
    most, least = (with_constant(system.device, "memory_usable_share", end) for end in (usable.high, usable.low))
    return replace(system, device=most), system, replace(system, device=least)


def widest_precision(evidence: Evidence, arguments: Arguments) -> Answer:
    """Bits of the widest weights with which `model` and one request of a `context` fit on `devices` of a `system`."""
    model, system = catalog.load_model(str(arguments["model"])), catalog.load_system(str(arguments["system"]))
    devices, context = int(arguments["devices"]), int(arguments.get("context", 8192))

    def bits(on: System) -> float:
        fitting = [
            8 * PRECISION_BYTES[number]
            for number in ("bf16", "fp8", "int4")
            if (count := fewest_devices(model, on, number, context)) is not None and count <= devices
        ]
        return max(fitting, default=0.0)

    most, usual, least = (bits(each) for each in usable_ends(system))
    reason = f"the widest that fits on {devices} {system.title} with a request of {context:,} tokens"
    return Answer(usual, least, most, reason, "enough of the memory can be used")
