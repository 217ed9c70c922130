"""One row a pool: what its replicas did in the measured window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from infermodel.metrics.schema import column as _column
from infermodel.metrics.schema import measures
from infermodel.metrics.steady import Window
from infermodel.metrics.throughput import BOUND_NAMES, Load, bin_edges, load, overlap
from infermodel.tables import ServiceRecord


@dataclass(frozen=True)
class PoolSummary:
    """A pool of a service over the measured window."""

    service: str = _column("", "name of the service")
    pool: str = _column("", "name of the pool; empty where the service has one only")
    role: str = _column("", "what it does with a request: both, prefill or decode")
    systems: int = _column("", "systems of the pool, as bought")
    replicas: int = _column("", "copies of the model that are scheduled on their own")
    prompt_tok_s: float = _column("tokens/s", "prompt tokens computed, those computed again among them")
    output_tok_s: float = _column("tokens/s", "output tokens made")
    utilisation: float = _column("share", "of the replica-seconds in which a step ran")
    mfu: float = _column("share", "useful FLOPs / (peak FLOP/s x replica-seconds)")
    mbu: float = _column("share", "useful bytes / (peak bandwidth x replica-seconds)")
    bound_compute_share: float = _column("share", "of the busy time bound by arithmetic")
    bound_memory_share: float = _column("share", "of the busy time bound by memory bandwidth")
    bound_network_share: float = _column("share", "of the busy time bound by communication between devices")
    bound_latency_share: float = _column("share", "of the busy time bound by fixed latencies: kernels, hops, layers")
    bound_host_share: float = _column("share", "of the busy time bound by the host")
    running_mean: float = _column("sequences", "decoding, mean over time")
    kv_use_mean: float = _column("share", "of the KV blocks in use, mean over time")
    kv_use_peak: float = _column("share", "of the KV blocks in use, highest mean of a timeline bin")
    power_mean_w: float = _column("W", "of all replicas' devices, idle power included")
    power_peak_w: float = _column("W", "highest mean of a timeline bin")


def pool_summaries(record: ServiceRecord, window: Window, systems: Sequence[int]) -> tuple[PoolSummary, ...]:
    """A row for each pool of a service.

    Args:
        record: of the simulation.
        window: the measured one.
        systems: of each pool, as bought.
    """
    weights = overlap(bin_edges(record), window)
    found = []
    for pool, bought in zip(record.pools, systems, strict=True):
        loads = load(replace(record, pools=(pool,)), window)
        made = {name: float(weights @ pool.timeline.columns[f"{name}_tokens"]) for name in ("prompt", "output")}
        found.append(
            PoolSummary(
                service=record.name,
                pool=pool.name,
                role=pool.role,
                systems=bought,
                replicas=pool.replicas,
                prompt_tok_s=made["prompt"] / window.seconds,
                output_tok_s=made["output"] / window.seconds,
                **load_fields(loads),
            )
        )
    return tuple(found)


def load_fields(loads: Load) -> dict[str, float]:
    """What replicas did, by column."""
    return {
        "utilisation": loads.utilisation,
        "mfu": loads.mfu,
        "mbu": loads.mbu,
        **{f"bound_{name}_share": part for name, part in zip(BOUND_NAMES, loads.bound_shares, strict=True)},
        "running_mean": loads.running_mean,
        "kv_use_mean": loads.kv_use_mean,
        "kv_use_peak": loads.kv_use_peak,
        "power_mean_w": loads.power_mean_w,
        "power_peak_w": loads.power_peak_w,
    }


def mean_of_pools(repeated: Sequence[tuple[PoolSummary, ...]]) -> tuple[PoolSummary, ...]:
    """The pools of one service over several replications: every number averaged."""
    return tuple(
        replace(same[0], **{name: fmean(getattr(each, name) for each in same) for name in measures(same[0])})
        for same in zip(*repeated, strict=True)
    )
