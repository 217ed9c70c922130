"""The largest load that a service sustains at its objectives."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

from infermodel.cost.step import Batch, Chunk, Windowed
from infermodel.experiment import Capacity, CapacityPoint, ServiceResult, run
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.workload.traffic import ClosedTraffic

FEWEST_REQUESTS = 400
REQUESTS_BEYOND = 20
"""A percentile p needs a window of 20 / (1 - p) finished requests to be more than the luck of a few."""

MOST_PROBES = 40


def find_capacity(scenario: ResolvedScenario, service: ResolvedService, *, width: float = 0.1) -> Capacity:
    """Bracket the largest arrival rate (closed loops: number of users) that keeps every objective.

    Each load is one simulation of the service alone, with the same random numbers. A load is sustained if no objective
    is missed, the queue does not grow and every request finishes.

    Args:
        scenario: for seed and prices.
        service: with its traffic and objectives.
        width: the bracket is at most this far above and below its middle, as a share.
    """
    closed = isinstance(service.traffic, ClosedTraffic)
    tried: dict[float, tuple[CapacityPoint, ServiceResult]] = {}

    def sustained(load: float) -> bool:
        if load not in tried:
            tried[load] = probe(scenario, service, load)
        return tried[load][0].sustained is True

    guess = rate_bound(service) * (zero_load_e2e_s(service) if closed else 0.6)
    low, high, load = 0.0, inf, float(max(1, round(guess))) if closed else guess
    while len(tried) < MOST_PROBES and (high == inf or low == 0.0 or high - low > 2 * width * low):
        if sustained(load):
            low = load
        else:
            high = load
        if high == inf:
            load = low * 1.5
        elif low == 0.0:
            load = high / 4
            if load < guess * 1e-4 or (closed and high <= 1):
                break
        else:
            load = (low * high) ** 0.5
        if closed:
            load = float(max(1, round(load)))
            if load in tried and low and high - low <= 1:
                break
            if load in tried:
                load = low + 1 if load == low else high - 1
    points = tuple(tried[load][0] for load in sorted(tried))
    at_low = tried[low][1] if low else None
    failed = tried[high][0] if isfinite(high) else None
    lightest = points[0]
    note = "" if low else f"no load meets the objectives: at the lightest tried, {lightest.reason}"
    return Capacity(
        service=service.name,
        unit="users" if closed else "requests/s",
        low=low,
        high=high,
        summary=at_low.summary if at_low else None,
        economics=at_low.economics if at_low else None,
        binding_objective=failed.reason if failed else "",
        binding_resource=binding_resource(at_low) if at_low else "",
        points=points,
        note=note,
    )


def probe(scenario: ResolvedScenario, service: ResolvedService, load: float) -> tuple[CapacityPoint, ServiceResult]:
    """Simulate one load."""
    traffic = service.traffic
    at_load = traffic.with_users(int(load)) if isinstance(traffic, ClosedTraffic) else traffic.at_rate(load)
    alone = replace(
        scenario,
        services=(replace(service, traffic=at_load),),
        duration_s=None,
        requests=requests_needed(service, load),
        warm_up_s=None,
    )
    (result,) = run(alone).services
    summary = result.summary
    if summary.overloaded:
        reason = "the queue grows"
    elif summary.unfinished:
        reason = "requests never finish"
    elif summary.rejected == summary.arrived:
        reason = "every request is rejected"
    else:
        reason = summary.missed_objectives
    return CapacityPoint(load, summary, not reason, reason), result


def requests_needed(service: ResolvedService, load: float) -> int:
    """Requests of a probe: enough for the tightest percentile, and for the batch to fill and turn over."""
    tightest = max((o.percent for o in service.objectives if o.percent == o.percent), default=90.0)
    in_flight = load * zero_load_e2e_s(service)
    return int(max(FEWEST_REQUESTS, REQUESTS_BEYOND / (1 - tightest / 100), 10 * in_flight) * 1.2)


def rate_bound(service: ResolvedService) -> float:
    """Requests/s that the fleet could finish if every step ran at the largest batch that limits and memory allow."""
    model, prompt, output = service.step_model, *mean_lengths(service)
    context = prompt + output / 2
    sequences = max(1, min(service.limits.max_sequences, int(model.kv_memory.tokens / (prompt + output))))
    windows = tuple(Windowed(int(sequences * min(context, w)), 0) for w in model.windows)
    decode_s = model.step(Batch(sequences, int(sequences * context), int(context), windows)).latency_s
    return service.replicas / (prefill_s(service) + output * decode_s / sequences)


def zero_load_e2e_s(service: ResolvedService) -> float:
    """Seconds of a request alone, at mean lengths."""
    model, prompt, output = service.step_model, *mean_lengths(service)
    context = int(prompt + output / 2)
    windows = tuple(Windowed(min(context, w), 0) for w in model.windows)
    return prefill_s(service) + output * model.step(Batch(1, context, context, windows)).latency_s


def prefill_s(service: ResolvedService) -> float:
    """Seconds of the step that computes a mean prompt alone."""
    model, prompt = service.step_model, max(1, round(mean_lengths(service)[0]))
    nothing = tuple(Windowed(0, 0) for _ in model.windows)
    return model.step(Batch(0, 0, 0, nothing, 1, (Chunk(prompt, 0),), 1)).latency_s


def mean_lengths(service: ResolvedService) -> tuple[float, float]:
    """Mean prompt and output tokens of the service's traffic."""
    return service.traffic.mean_prompt_tokens, service.traffic.mean_output_tokens


def binding_resource(result: ServiceResult) -> str:
    """What the hardware runs out of at this load."""
    summary = result.summary
    if summary.preemptions or summary.kv_use_peak > 0.95:
        return "KV memory"
    shares = {
        bound: getattr(summary, f"bound_{bound}_share") for bound in ("compute", "memory", "network", "latency", "host")
    }
    return max(shares, key=lambda bound: shares[bound])
