"""The questions that a claim may ask, by name; each answers in SI units from evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from infermodel import catalog
from infermodel.architecture import PRECISION_BYTES
from infermodel.claims.evidence import Arguments, BadClaim, Evidence, largest, rebuilt, speed_tok_s
from infermodel.claims.verdict import Answer
from infermodel.cost.bounds import decode_bounds
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.ranges import band
from infermodel.cost.step import DoesNotFit
from infermodel.cost.wafer import without_fitted_speed
from infermodel.hardware import WaferDevice

CONTEXT = 1000
"""Tokens of context at which speeds are stated, unless a claim says otherwise."""


def speed(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens/s of a single user of a `service` at a `context`."""
    service, context = evidence.service(arguments).service, int(arguments.get("context", CONTEXT))
    system, device = service.system, service.system.device
    uncertain = band(lambda changed: speed_tok_s(rebuilt(service, changed), context), system)
    naive = decode_bounds(
        service.architecture, system, service.devices_per_replica, service.deployment.precision, context
    )
    bounds = {"all bandwidth": naive.bandwidth_tok_s}
    if naive.stage_tok_s is not None:
        bounds["bandwidth of one stage"] = naive.stage_tok_s
    if isinstance(device, WaferDevice):
        unfitted = rebuilt(service, replace(system, device=without_fitted_speed(device)))
        bounds[f"no fitted speed ({device.clock_hz / 1e9:.2f} GHz)"] = speed_tok_s(unfitted, context)
    reason = f"one user at {context:,} tokens of context on {service.devices_per_replica:,} x {device.title}"
    return Answer(
        uncertain.mid,
        uncertain.low,
        uncertain.high,
        reason,
        "the constants of its layers are at the favourable end of their ranges",
        bounds,
    )


def speed_in_use(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens/s that a user of a `service` sees, from a full house to an empty one; `speed` sought tells the batch."""
    found = evidence.service(arguments)
    model, context = found.service.step_model, int(arguments.get("context", CONTEXT))
    busy, capacity = found.summary.output_speed_p50_tok_s, evidence.capacity(arguments)
    empty = speed_tok_s(model, context)
    full = capacity.summary.output_speed_p50_tok_s if capacity.summary else busy
    sought = float(arguments.get("speed", busy))
    batch = largest(4096, lambda n: speed_tok_s(model, context, n) >= sought)
    reason = f"{full:,.0f} at capacity, {busy:,.0f} at the offered load, {empty:,.0f} alone"
    condition = f"a replica decodes about {batch:,} requests at a time" if batch else ""
    return Answer(busy, min(full, busy), max(empty, busy), reason, condition, {"alone": empty, "at capacity": full})


def price(evidence: Evidence, arguments: Arguments) -> Answer:
    """USD per token of a `service` at its capacity: `part` is blended (default), input or output."""
    capacity, part = evidence.capacity(arguments), str(arguments.get("part", "blended"))
    summary, economics = capacity.summary, capacity.economics
    if summary is None or economics is None or economics.split is None:
        return Answer(float("nan"), float("nan"), float("nan"), capacity.note)
    parts = {
        "blended": economics.blended_usd_per_mtok,
        "input": economics.split.input_usd_per_mtok,
        "output": economics.split.output_usd_per_mtok,
    }
    cost = parts.get(part)
    if cost is None:
        raise BadClaim(f"no price of {part!r}; there are {', '.join(parts)}")
    mix = summary.itpm / summary.otpm
    reason = (
        f"cost at capacity ({summary.rpm:,.0f} requests a minute, {mix:.1f} tokens in for one out, "
        f"{summary.utilisation:.0%} busy), from the lowest known purchase price to the highest"
    )
    bought = evidence.service(arguments).service.prices.purchase_usd
    condition = (
        f"a system costs nearer {bought.low / 1e6:.2f} than {bought.mid / 1e6:.2f} million dollars" if bought else ""
    )
    # The capacity is known to its bracket: at the upper end the same dollars make more tokens.
    return Answer(cost.mid / 1e6, cost.low / 1e6 * capacity.low / capacity.high, cost.high / 1e6, reason, condition)


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


def devices_needed(evidence: Evidence, arguments: Arguments) -> Answer:
    """Fewest devices of a `system` that hold a `model` at a `precision` with a `context`."""
    model, system = catalog.load_model(str(arguments["model"])), catalog.load_system(str(arguments["system"]))
    engine = catalog.load_engine({"wafer": "cerebras", "lpu": "groq", "gpu": "vllm"}[system.device.family])
    number = str(arguments.get("precision", "bf16"))
    context = int(arguments.get("context", 8192))

    def needed(usable: float | None = None) -> int:
        chip = system.device
        if usable is not None and isinstance(chip, WaferDevice):
            chip = replace(chip, memory_usable_share=usable)
        for count in range(1, 1025):
            layout = {"tensor_parallel": count} if chip.family == "gpu" else {"devices": count}
            deployment = Deployment(**layout, precision=Precision(number), max_context=context)
            try:
                step_model(model, replace(system, device=chip), deployment, engine)
            except (DoesNotFit, ValueError):
                continue
            return count
        raise BadClaim(f"{model.title} does not fit on a thousand {system.title}")

    share = system.device.provenance.get("memory_usable_share")
    ends = [share.low, share.high] if share and share.low is not None and share.high is not None else []
    counts = [needed(end) for end in ends if end is not None] or [needed()]
    size = model.parameters * PRECISION_BYTES[number] / 1e9
    room = system.device.memory_capacity_bytes / 1e9
    reason = f"{size:.1f} GB of weights at {room:.0f} GB of memory each, room for one request of {context:,} tokens"
    if share and len(set(counts)) > 1:
        reason += (
            f"; {max(counts)} if only {share.low:.0%} of the memory can be used, {min(counts)} if {share.high:.0%}"
        )
    return Answer(needed(), min(counts), max(counts), reason, "enough of the memory can be used")


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


def tensor_speedup(evidence: Evidence, arguments: Arguments) -> Answer:
    """Speed of one user on the most of `degrees` GPUs over that on the fewest that hold the model."""
    service, context = evidence.service(arguments).service, int(arguments.get("context", CONTEXT))
    speeds = {}
    for degree in sorted(int(each) for each in arguments.get("degrees", (1, 2, 4, 8))):
        try:
            speeds[degree] = speed_tok_s(rebuilt(service, service.system, tensor_parallel=degree), context)
        except DoesNotFit:
            continue
    if len(speeds) < 2:
        raise BadClaim(f"{service.architecture.title} fits on fewer than two of the degrees")
    few, many = min(speeds), max(speeds)
    said = ", ".join(f"{value:,.0f} tokens/s on {degree}" for degree, value in speeds.items())
    bounds = {f"{degree} GPUs": value for degree, value in speeds.items()}
    ratio = speeds[many] / speeds[few]
    return Answer(ratio, ratio, ratio, f"one query of {service.architecture.title}: {said}", "", bounds)


def ratio(evidence: Evidence, arguments: Arguments) -> Answer:
    """One answer `of` over another `to`."""
    above, below = (ask(evidence, arguments[side]) for side in ("of", "to"))
    reason = f"{above.value:.4g} over {below.value:.4g}: {above.reason}; {below.reason}"
    conditions = " and ".join(dict.fromkeys(filter(None, (above.condition, below.condition))))
    return Answer(above.value / below.value, above.low / below.high, above.high / below.low, reason, conditions)


def figure(evidence: Evidence, arguments: Arguments) -> Answer:
    """A published figure itself, to take a ratio with: `value` and its `source`."""
    return Answer.exactly(float(arguments["value"]), str(arguments.get("source", "published")))


Question = Callable[[Evidence, Arguments], Answer]

QUESTIONS: Mapping[str, Question] = {
    "speed": speed,
    "speed_in_use": speed_in_use,
    "price": price,
    "weights": weights,
    "weight_bandwidth": weight_bandwidth,
    "device": device,
    "devices_needed": devices_needed,
    "memory_share": memory_share,
    "tensor_speedup": tensor_speedup,
    "ratio": ratio,
    "figure": figure,
}


def ask(evidence: Evidence, question: Arguments) -> Answer:
    """Answer `{name: {arguments}}`.

    Raises:
        BadClaim: no such question, or one of its arguments is missing or names nothing.
    """
    known = [name for name in question if name in QUESTIONS]
    if len(known) != 1:
        raise BadClaim(
            f"an answer names one of {', '.join(QUESTIONS)}, got {', '.join(map(str, question)) or 'nothing'}"
        )
    arguments = question[known[0]] or {}
    try:
        return QUESTIONS[known[0]](evidence, arguments)
    except KeyError as missing:
        raise BadClaim(f"{known[0]} needs {missing}") from None
