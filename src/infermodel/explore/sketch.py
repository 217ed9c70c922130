"""The first answer to a change, at once: what the cost engine alone says, by the closed forms of the searches."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from infermodel.economics.band import Band
from infermodel.economics.tokens import blended_usd_per_mtok
from infermodel.experiment.pricing import hourly_cost
from infermodel.scenario.resolved import ResolvedPool, ResolvedService
from infermodel.search import estimate
from infermodel.workload.traffic import ClosedTraffic


@dataclass(frozen=True)
class Sketch:
    """A service at mean lengths, without queues.

    Attributes:
        rate: requests/s that it would finish: what is offered, or the most it can.
        most: requests/s that it could finish within the objectives on TPOT.
        ttft_s: of a request alone: its prompt's step.
        tpot_s: with as many requests at work as keep up with the rate.
        usd_per_h: with power at the devices' rated draw.
        usd_per_mtok: of input and output tokens at that rate.
    """

    rate: float
    most: float
    ttft_s: float
    tpot_s: float
    usd_per_h: Band
    usd_per_mtok: Band


def sketch(service: ResolvedService) -> Sketch | None:
    """A service's; None where its requests are calls of questions, which have no closed form here."""
    if service.sessions is not None:
        return None
    prompt, output = estimate.mean_lengths(service)
    most = estimate.rate_guess(service)
    rate = min(offered_rate(service), most)
    replicas = service.decode_pool.replicas
    running = max(1, round(estimate.in_flight(service, rate) / replicas)) if rate > 0 else 1
    hourly = hourly_cost(service, [rated_power_w(pool) for pool in service.pools]).total
    return Sketch(
        rate=rate,
        most=most,
        ttft_s=estimate.prefill_s(service),
        tpot_s=estimate.tpot_s(service, running),
        usd_per_h=hourly,
        usd_per_mtok=blended_usd_per_mtok(hourly, 60 * rate * (prompt + output)),
    )


def rated_power_w(pool: ResolvedPool) -> float:
    """Of the devices of all replicas at full draw; of whole systems where these are the devices (wafers, racks)."""
    devices, device = pool.replicas * pool.devices_per_replica, pool.system.device
    return devices * (device.power_max_w if device.family == "gpu" else pool.system.power_max_w / pool.system.devices)


def offered_rate(service: ResolvedService) -> float:
    """Requests/s that clients would send: of an offline batch without end, of users as fast as answers come."""
    traffic = service.traffic
    if isinstance(traffic, ClosedTraffic):
        running = max(1, -(-traffic.users // service.decode_pool.replicas))
        _, output = estimate.mean_lengths(service)
        answer_s = estimate.prefill_s(service) + output * estimate.tpot_s(service, running)
        return traffic.users / (answer_s + traffic.think_time.mean_s)
    return traffic.mean_rate_per_s if isfinite(traffic.mean_rate_per_s) else inf
