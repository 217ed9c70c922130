"""Questions about the speed that one user sees."""

from __future__ import annotations

from dataclasses import replace

from infermodel.claims.evidence import Arguments, BadClaim, Evidence, largest, rebuilt, speed_tok_s
from infermodel.claims.verdict import Answer
from infermodel.cost.bounds import decode_bounds
from infermodel.cost.dataflow import Ring
from infermodel.cost.ranges import band
from infermodel.cost.step import DoesNotFit
from infermodel.cost.wafer import without_fitted_speed
from infermodel.hardware import WaferDevice

CONTEXT = 1000
"""Tokens of context at which speeds are stated, unless a claim says otherwise."""


def speed(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens/s of a single user of a `service` at a `context`."""
    service, context = evidence.service(arguments).service, int(arguments.get("context", CONTEXT))
    pool, system, device = service.decode_pool, service.decode_pool.system, service.decode_pool.system.device
    uncertain = band(lambda changed: speed_tok_s(rebuilt(service, changed), context), system)
    naive = decode_bounds(service.architecture, system, pool.devices_per_replica, pool.deployment.precision, context)
    bounds = {"all bandwidth": naive.bandwidth_tok_s}
    if naive.stage_tok_s is not None:
        bounds["bandwidth of one stage"] = naive.stage_tok_s
    if isinstance(device, WaferDevice):
        unfitted = rebuilt(service, replace(system, device=without_fitted_speed(device)))
        bounds[f"no fitted speed ({device.clock_hz / 1e9:.2f} GHz)"] = speed_tok_s(unfitted, context)
    reason = f"one user at {context:,} tokens of context on {pool.devices_per_replica:,} x {device.title}"
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
    model, context = found.service.decode_pool.step_model, int(arguments.get("context", CONTEXT))
    busy, capacity = found.summary.output_speed_p50_tok_s, evidence.capacity(arguments)
    empty = speed_tok_s(model, context)
    full = capacity.summary.output_speed_p50_tok_s if capacity.summary else busy
    sought = float(arguments.get("speed", busy))
    batch = largest(4096, lambda n: speed_tok_s(model, context, n) >= sought)
    reason = f"{full:,.0f} at capacity, {busy:,.0f} at the offered load, {empty:,.0f} alone"
    condition = f"a replica decodes about {batch:,} requests at a time" if batch else ""
    return Answer(busy, min(full, busy), max(empty, busy), reason, condition, {"alone": empty, "at capacity": full})


def tensor_speedup(evidence: Evidence, arguments: Arguments) -> Answer:
    """Speed of one user on the most of `degrees` GPUs over that on the fewest that hold the model."""
    service, context = evidence.service(arguments).service, int(arguments.get("context", CONTEXT))
    speeds = {}
    for degree in sorted(int(each) for each in arguments.get("degrees", (1, 2, 4, 8))):
        try:
            speeds[degree] = speed_tok_s(rebuilt(service, service.decode_pool.system, tensor_parallel=degree), context)
        except DoesNotFit:
            continue
    if len(speeds) < 2:
        raise BadClaim(f"{service.architecture.title} fits on fewer than two of the degrees")
    few, many = min(speeds), max(speeds)
    said = ", ".join(f"{value:,.0f} tokens/s on {degree}" for degree, value in speeds.items())
    bounds = {f"{degree} GPUs": value for degree, value in speeds.items()}
    ratio = speeds[many] / speeds[few]
    return Answer(ratio, ratio, ratio, f"one query of {service.architecture.title}: {said}", "", bounds)


def tokens_per_pass(evidence: Evidence, arguments: Arguments) -> Answer:
    """Tokens that one pass over the weights yields: one, or with drafts what a later published `speed` takes.

    At that speed a pass yields at least speed x latency of a token; drafting takes time of its own on top.
    """
    service, context = evidence.service(arguments).service, int(arguments.get("context", CONTEXT))
    later = float(arguments["speed"])
    tokens = later / speed_tok_s(service.decode_pool.step_model, context)
    reason = (
        f"one after the other without drafts; {later:,.0f} tokens/s of the same model were published later, which is"
        f" {tokens:.1f} tokens or more for each pass of the model"
    )
    return Answer(max(1.0, tokens), 1.0, max(1.0, tokens), reason, "no drafted tokens are verified together")


def hop_share(evidence: Evidence, arguments: Arguments) -> Answer:
    """Share of a token's latency that it spends between the wafers of a `service`."""
    service, context = evidence.service(arguments).service, int(arguments.get("context", CONTEXT))
    model = service.decode_pool.step_model
    if not isinstance(model, Ring):
        raise BadClaim(f"{service.name!r} is no pipeline of wafers")

    def share(ring: object) -> float:
        assert isinstance(ring, Ring)
        return ring.hops_s / ring.token_latency_s(context)

    uncertain = band(lambda changed: share(rebuilt(service, changed)), service.decode_pool.system)
    reason = f"{model.hops_s * 1e6:.0f} us between wafers of {model.token_latency_s(context) * 1e6:,.0f} us for a token"
    return Answer(uncertain.mid, uncertain.low, uncertain.high, reason, "layers take no less than the fitted time")


def times_the_tokens(evidence: Evidence, arguments: Arguments) -> Answer:
    """How many times an answer of `tokens` fits one after the other into a `patience` in seconds, over `services`."""
    tokens, patience_s = float(arguments["tokens"]), float(arguments["patience"])
    cases, said = {}, []
    for found in evidence.services(arguments):
        rate = speed_tok_s(found.service.decode_pool.step_model, CONTEXT)
        cases[found.service.name] = patience_s * rate / tokens
        said.append(f"{100 * tokens / rate:,.0f} s for 100 x {tokens:,.0f} tokens on {found.service.name}")
    reason = f"in {patience_s:.0f} s, one call after the other; " + ", ".join(said)
    return Answer.from_worst_to_best(cases, reason, f"a user waits {patience_s:.0f} s for {{case}}")
