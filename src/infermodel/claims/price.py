"""Questions about dollars and watts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from infermodel import catalog
from infermodel.claims.evidence import Arguments, BadClaim, Evidence, alone, rebuilt
from infermodel.claims.verdict import Answer
from infermodel.cost.dataflow import Ring
from infermodel.cost.ranges import band, with_constant
from infermodel.hardware import System
from infermodel.scenario.resolved import ResolvedService


def price(evidence: Evidence, arguments: Arguments) -> Answer:
    """USD per token of a `service` at its capacity: `part` is blended (default), input or output.

    The range is that of the purchase price, of the capacity's bracket, and of the load that a dataflow device could
    carry with its uncertain constants at the ends of their ranges.
    """
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
    service = evidence.service(arguments).service
    pool, conditions = service.decode_pool, []
    if service.prices.purchase_usd is not None:
        bought = service.prices.purchase_usd
        conditions.append(f"a system costs nearer {bought.low / 1e6:.2f} than {bought.mid / 1e6:.2f} million dollars")
    least = most = 1.0
    if isinstance(pool.step_model, Ring):

        def carried(system: System) -> float:
            return carried_rps(service, system, summary.prompt_tokens_mean, summary.output_tokens_mean)

        around = band(carried, pool.system)
        # Room without slots carries nothing, nor slots without room: the two are taken to their ends together.
        together = carried(with_ends(pool.system, ROOM_AND_SLOTS)) / around.mid
        least, most = around.low / around.mid, max(around.high / around.mid, together)
        if most > 1.1:
            conditions.append("more of the memory is usable and several prompt tokens share a slot")
            reason += f"; uncertain constants of the device allow {least:.1f} to {most:.1f} times that load"
    # The capacity is known to its bracket: at the upper end the same dollars make more tokens.
    low = cost.low / 1e6 * capacity.low / capacity.high / most
    return Answer(
        cost.mid / 1e6,
        low,
        cost.high / 1e6 / least,
        reason,
        ", or ".join(conditions) + ", or both" * (len(conditions) > 1),
    )


ROOM_AND_SLOTS = ("memory_usable_share", "prompt_tokens_per_slot")
"""Constants that decide together how many requests a ring carries."""


def with_ends(system: System, constants: Sequence[str]) -> System:
    """The system with these constants of its device at the high ends of their ranges, where they have one."""
    device = system.device
    for constant in constants:
        quantity = device.provenance.get(constant)
        if quantity is not None and quantity.high is not None:
            device = with_constant(device, constant, quantity.high)
    return replace(system, device=device)


def carried_rps(service: ResolvedService, system: System, prompt: float, output: float) -> float:
    """Requests/s that a ring could carry: as many at a time as its memory holds, and no more than its slots.

    min(n / (output x round), 1 / ((output + prompt / g) x t_slot)); an estimate that is only used in ratios.
    """
    pool = service.decode_pool
    ring = rebuilt(service, system, devices=pool.devices_per_replica)
    assert isinstance(ring, Ring)
    context = int(prompt + output / 2)
    requests = min(pool.limits.max_sequences, int(ring.kv_memory.tokens // (prompt + output)))
    if not requests:
        return 0.0
    round_s = ring.step(alone(ring, context, requests)).latency_s
    slots = output + prompt / ring.prompt_tokens_per_slot
    return min(requests / (output * round_s), 1 / (slots * ring.slot_s(context)))


def list_price_share(evidence: Evidence, arguments: Arguments) -> Answer:
    """List price of `model` in the price list `of` over that in the price lists `to`, at 3 tokens in for 1 out."""
    model, names = str(arguments["model"]), [str(each) for each in arguments["to"]]
    own = _blended_usd(str(arguments["of"]), model)
    shares = {name: own / _blended_usd(name, model) for name in names}
    cheapest = min(shares, key=lambda name: shares[name])
    said = ", ".join(f"{share:.2f} of {catalog.load_price(name).of}" for name, share in shares.items())
    reason = f"list prices at 3 tokens in for 1 out: {said}"
    middle = median(shares.values())
    return Answer(
        middle,
        min(shares.values()),
        max(shares.values()),
        reason,
        f"the baseline is the list price of {catalog.load_price(cheapest).of}",
        {catalog.load_price(name).of: share for name, share in shares.items()},
    )


def _blended_usd(name: str, model: str) -> float:
    tokens = catalog.load_price(name).tokens(model)
    return (3 * tokens.input.value + tokens.output.value) / 4


def power_share(evidence: Evidence, arguments: Arguments) -> Answer:
    """Rated power of one `system` over that of another, `to`; beside it the ratio per token of two `services`."""
    one, other = catalog.load_system(str(arguments["system"])), catalog.load_system(str(arguments["to"]))
    bounds = {}
    if "services" in arguments:
        found = evidence.services(arguments)
        watts = [sum(pool.system.power_max_w * pool.systems for pool in each.service.pools) for each in found]
        rates = [evidence.capacity({"service": each.service.name}) for each in found]
        summaries = [each.summary for each in rates]
        if len(found) == 2 and all(summaries):
            first, second = (w / s.tpm for w, s in zip(watts, summaries, strict=True) if s is not None)
            bounds["rated power for each token at capacity"] = first / second
    ratio = one.power_max_w / other.power_max_w
    reason = (
        f"{one.power_max_w / 1e3:.1f} kW for one {one.title}, {other.power_max_w / 1e3:.1f} kW for one {other.title}"
    )
    if bounds:
        reason += f"; for each token at capacity {next(iter(bounds.values())):.1f} times"
    return Answer(ratio, ratio, ratio, reason, "", bounds)
