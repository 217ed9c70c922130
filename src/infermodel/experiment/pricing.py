"""Dollars of a service at the load that a summary describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isnan

from infermodel.cost.step import Batch, Chunk
from infermodel.economics.band import NOTHING, Band
from infermodel.economics.fleet import HourlyCost, all_of, colocation_usd_per_h, owned, power_usd_per_h, rented
from infermodel.economics.tokens import (
    MTOK,
    Split,
    TokenCounts,
    at_mix,
    blended_usd_per_mtok,
    break_even_utilisation,
    list_revenue_usd,
    margin,
    split,
)
from infermodel.experiment.result import Economics
from infermodel.metrics.pools import PoolSummary
from infermodel.metrics.summary import Summary
from infermodel.scenario.resolved import ResolvedPool, ResolvedService


def economics(service: ResolvedService, summary: Summary) -> Economics:
    """What the hour costs at this load, and what that makes a million tokens."""
    hourly = hourly_cost(service, summary.pool_power_w, summary.paid_replicas)
    tokens = hourly_tokens(summary)
    answer = Economics(hourly, blended_usd_per_mtok(hourly.total, summary.tpm))
    if tokens.total == 0 or isnan(summary.prompt_tokens_mean):  # tokens of the window, but of earlier requests
        return answer
    parts = split_dollars(service, summary, tokens, hourly)
    answer = replace(answer, split=parts, mix_usd_per_mtok=quoted_mix(service, parts))
    sold = service.prices.sold
    if sold is None:
        return answer
    revenue = list_revenue_usd(
        tokens,
        input_usd_per_token=sold.input_usd,
        cached_usd_per_token=sold.input_usd if sold.cached_usd is None else sold.cached_usd,
        output_usd_per_token=sold.output_usd,
    )
    return replace(
        answer,
        list_usd_per_mtok=revenue / tokens.total * MTOK,
        margin=margin(revenue, hourly.total),
        break_even_utilisation=break_even_utilisation(hourly.total, revenue),
    )


def hourly_cost(
    service: ResolvedService, power_mean_w: Sequence[float], paid_replicas: Sequence[float] = ()
) -> HourlyCost:
    """USD/h of the whole fleet, all pools of it.

    Args:
        service: with its fleet and prices.
        power_mean_w: of the replicas' devices, by pool.
        paid_replicas: of each pool, mean over time; all of them if empty.
    """
    paid = paid_replicas or [float(pool.replicas) for pool in service.pools]
    return all_of([pool_cost(*each) for each in zip(service.pools, power_mean_w, paid, strict=True)])


def pool_cost(pool: ResolvedPool, power_mean_w: float, paid_replicas: float | None = None) -> HourlyCost:
    """USD/h of a pool as bought, whether its replicas run or not; as rented, of the devices of replicas as long as they
    are not stopped, and of the systems that stand by.

    Args:
        pool: with its systems and prices.
        power_mean_w: of the replicas' devices.
        paid_replicas: mean over time; None: all of them.
    """
    prices, system = pool.prices, pool.system
    if prices.rental_usd_per_device_s is not None:
        stopped = 0.0 if paid_replicas is None else pool.replicas - paid_replicas
        devices = rented_devices(pool) - stopped * pool.devices_per_replica
        return rented(devices, prices.rental_usd_per_device_s)
    if prices.purchase_usd is None:
        return HourlyCost()
    colocation = power = NOTHING
    if prices.colocation_usd_per_w_s is not None:
        colocation = colocation_usd_per_h(system.power_max_w * pool.systems, prices.colocation_usd_per_w_s)
    elif prices.electricity_usd_per_j is not None:
        power = power_usd_per_h(pool_power_w(pool, power_mean_w), prices.pue, prices.electricity_usd_per_j)
    return owned(
        purchase_usd=prices.purchase_usd * float(pool.systems),
        life_s=prices.life_s,
        interest=prices.interest,
        network_share=prices.network_share,
        spares_share=prices.spares_share,
        operations_share=prices.operations_share,
        power=power,
        colocation=colocation,
    )


def rented_devices(pool: ResolvedPool) -> int:
    """Devices that the replicas use, and all those of systems that no replica needs: spares."""
    spares = pool.systems - needed_systems(pool, pool.replicas)
    return pool.replicas * pool.devices_per_replica + spares * pool.system.devices


def needed_systems(pool: ResolvedPool, replicas: int) -> int:
    """Systems that so many replicas of the pool lie on, at least."""
    spanned, held = pool.systems_per_replica, pool.system.devices // pool.devices_per_replica
    return replicas * spanned if spanned > 1 else -(-replicas // held)


def fleet_power_w(service: ResolvedService, power_mean_w: Sequence[float]) -> float:
    """Mean power of the systems of all pools, see `pool_power_w`."""
    return sum(pool_power_w(pool, power_w) for pool, power_w in zip(service.pools, power_mean_w, strict=True))


def pool_power_w(pool: ResolvedPool, power_mean_w: float) -> float:
    """Mean power of the systems: the replicas' devices as simulated, unused devices idle, and the rest of each machine
    (processors, fans, switches: what the system draws beyond its devices), which rises from its idle draw to its rated
    one in proportion to what the devices draw beyond theirs.
    """
    system, device = pool.system, pool.system.device
    unused = pool.systems * system.devices - pool.replicas * pool.devices_per_replica
    if device.family != "gpu":
        return power_mean_w + unused / system.devices * system.power_idle_w
    devices_w = power_mean_w + unused * device.power_idle_w
    idle_w, most_w = system.devices * device.power_idle_w, system.devices * device.power_max_w
    rest_idle_w = max(0.0, system.power_idle_w - idle_w)
    more_w = max(0.0, system.power_max_w - most_w - rest_idle_w)
    above_idle = (devices_w - pool.systems * idle_w) / ((most_w - idle_w) or 1.0)  # of one system's devices
    return devices_w + pool.systems * rest_idle_w + above_idle * more_w


def hourly_tokens(summary: Summary) -> TokenCounts:
    """Billed tokens of an hour at the window's rate."""
    cached = summary.itpm * summary.cached_share if summary.itpm else 0.0
    return TokenCounts(60 * (summary.itpm - cached), 60 * cached, 60 * summary.otpm)


def split_dollars(service: ResolvedService, summary: Summary, tokens: TokenCounts, hourly: HourlyCost) -> Split:
    """Share the hour's dollars between input and output.

    Where one pool reads prompts and another decodes, its dollars are those of each. In one pool they are shared by what
    each part costs alone on one replica: a prompt is priced as a step of its own, an output token as its share of a
    decode step at the run's mean batch and mean context. On dataflow devices both are priced by the slots they take,
    which is a step of a full ring. Of several pools that do all, the dollars of each are shared so.
    """
    costs = [each.total.mid for each in map(pool_cost, service.pools, summary.pool_power_w)]
    sized = costs if hourly.total.mid else [float(pool.systems) for pool in service.pools]
    if service.link is not None:
        return split(hourly.total, tokens, prefill_s=sized[0], decode_s=sized[1])
    if len(service.pools) == 1:
        prefill, decode = alone_s(service.pool, summary, summary)
        return split(hourly.total, tokens, prefill_s=prefill * tokens.uncached, decode_s=decode * tokens.output)
    reads = decodes = 0.0
    for pool, size, row in zip(service.pools, sized, summary.pools, strict=True):
        prefill, decode = alone_s(pool, row, summary)
        parts = prefill * row.prompt_tok_s, decode * row.output_tok_s
        share = parts[0] / sum(parts) if sum(parts) else 0.5
        reads, decodes = reads + share * size, decodes + (1 - share) * size
    return split(hourly.total, tokens, prefill_s=reads, decode_s=decodes)


def alone_s(pool: ResolvedPool, did: Summary | PoolSummary, summary: Summary) -> tuple[float, float]:
    """Seconds of a replica for a prompt token alone, and for an output token in a mean batch.

    Args:
        pool: whose replicas they are.
        did: how busy they were, and with how many sequences.
        summary: of the service, with mean lengths.
    """
    model, prompt = pool.step_model, max(1, round(summary.prompt_tokens_mean))
    context = prompt + max(1, round(summary.output_tokens_mean / 2))
    busy = did.utilisation * did.replicas
    running = max(1, round(did.running_mean / busy)) if busy > 0 else 1
    sequences, prompts = model.full_batch(running, prompt)
    chunks = (Chunk(prompt, 0),) * prompts
    prefill = model.step(Batch.alike(model.windows, 0, 0, chunks, prompts)).latency_s / (prompts * prompt)
    return prefill, model.step(Batch.alike(model.windows, sequences, context)).latency_s / sequences


def quoted_mix(service: ResolvedService, parts: Split) -> Band | None:
    """Price at the quoted mix of input and output tokens."""
    if parts.input_usd_per_mtok is None or parts.output_usd_per_mtok is None:
        return None
    return at_mix(parts.input_usd_per_mtok, parts.output_usd_per_mtok, service.prices.price_mix)
