"""Rates, loads, energy and balances of a window."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.steady import Window
from infermodel.tables import FINISHED, REJECTED, UNFINISHED, PoolRecord, RequestTable, ServiceRecord

BOUND_NAMES = ("compute", "memory", "network", "latency", "host")
"""What a step can spend its time on, as in the timeline's `bound_<name>_s`."""


def share_of(numerator: float, denominator: float) -> float:
    """The quotient, NaN for nothing of nothing."""
    return numerator / denominator if denominator else nan


@dataclass(frozen=True, slots=True)
class Balance:
    """Where the requests that arrived in a window ended up."""

    arrived: int
    finished: int
    unfinished: int
    rejected: int


def balance(requests: RequestTable, window: Window) -> Balance:
    """Count the requests that arrived in the window by how they ended; arrived = finished + unfinished + rejected."""
    status = requests.status[window.holds(requests.arrived_at)]
    return Balance(len(status), *(int(np.sum(status == value)) for value in (FINISHED, UNFINISHED, REJECTED)))


@dataclass(frozen=True, slots=True)
class Throughput:
    """What clients got per minute: requests that finished inside the window, with all their tokens.

    Attributes:
        rpm: requests.
        itpm: prompt tokens, those found in the prefix cache included (they are billed).
        otpm: output tokens.
        tpm: both.
    """

    rpm: float
    itpm: float
    otpm: float
    tpm: float


def throughput(requests: RequestTable, window: Window) -> Throughput:
    """Rates of requests and tokens as a client counts them.

    Finishing counts, not arriving: in steady state both are the same rate, and an overloaded service is not credited
    with what it has not delivered.
    """
    done = window.holds(requests.finished_at) & (requests.status == FINISHED)
    per_minute = 60 / window.seconds
    itpm = float(requests.prompt_tokens[done].sum()) * per_minute
    otpm = float(requests.output_tokens[done].sum()) * per_minute
    return Throughput(float(done.sum()) * per_minute, itpm, otpm, itpm + otpm)


def bin_edges(record: ServiceRecord) -> NDArray[np.float64]:
    """Edges of the timeline's bins, the last ones drawn in to the end of the simulation: nothing ran after it."""
    return np.minimum(record.timeline.edges_s, record.ended_at)


def overlap(edges_s: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Which share of each bin lies in the window; 0 and 1 only where the window starts and ends on edges.

    >>> overlap(np.array([0.0, 10.0, 20.0, 20.0]), Window(5.0, 30.0)).tolist()
    [0.5, 1.0, 0.0]
    """
    low, high = edges_s[:-1], edges_s[1:]
    inside = np.clip(np.minimum(high, window.end_s) - np.maximum(low, window.start_s), 0.0, None)
    share = np.zeros(len(low))
    np.divide(inside, high - low, out=share, where=high > low)
    return share


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the hardware was over a window.

    Attributes:
        utilisation: busy replica-seconds / replica-seconds.
        mfu: useful FLOPs / (peak x seconds).
        mbu: useful bytes / (peak bandwidth x seconds).
        running_mean: decoding sequences of the service, mean over time.
        kv_use_mean, kv_use_peak: share of the KV blocks in use, mean over time and highest mean of a bin.
        bound_shares: share of the busy seconds by what bound them, in the order of `BOUND_NAMES`.
        power_mean_w, power_peak_w: of all replicas' devices, idle power included: mean, and highest mean of a bin.
        joules: of the window.
    """

    utilisation: float
    mfu: float
    mbu: float
    running_mean: float
    kv_use_mean: float
    kv_use_peak: float
    bound_shares: tuple[float, ...]
    power_mean_w: float
    power_peak_w: float
    joules: float


def pool_joules(pool: PoolRecord, widths_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy of each bin of a pool's timeline: busy seconds at their power, and idle power while up and not busy."""
    columns = pool.timeline.columns
    up_s = columns.get("up_s", pool.replicas * widths_s)
    return columns["joules"] + pool.idle_w * (up_s - columns["busy_s"])


def bin_joules(record: ServiceRecord) -> NDArray[np.float64]:
    """Energy of each bin of the timeline, of all pools."""
    widths_s = np.diff(bin_edges(record))
    first, *others = (pool_joules(pool, widths_s) for pool in record.pools)
    return sum(others, first)


def load(record: ServiceRecord, window: Window) -> Load:
    """Loads and power over the window, from the timelines of all pools.

    A service that has answered everything before the window ends stops being simulated; it is idle until the end, and
    draws idle power.
    """
    columns, pools = record.timeline.columns, record.pools
    edges_s = bin_edges(record)
    weights, widths = overlap(edges_s, window), np.diff(edges_s)
    after_s = max(0.0, window.end_s - max(window.start_s, record.ended_at))
    seconds = float(weights @ widths) + after_s
    joules_of_bin = bin_joules(record)
    joules = float(weights @ joules_of_bin) + sum(pool.idle_w * pool.replicas * after_s for pool in pools)

    def total(name: str) -> float:
        return float(weights @ columns[name])

    def highest(values: NDArray[np.float64]) -> float:
        inside = weights > 0
        return float((values[inside] / widths[inside]).max(initial=0.0))

    bound_s = [total(f"bound_{name}_s") for name in BOUND_NAMES]
    kv_blocks = sum(pool.replicas * pool.kv_blocks for pool in pools)
    return Load(
        utilisation=share_of(total("busy_s"), record.replicas * seconds),
        mfu=share_of(total("flops"), sum(pool.replicas * seconds * pool.peak_flops for pool in pools)),
        mbu=share_of(total("bytes"), sum(pool.replicas * seconds * pool.peak_bandwidth for pool in pools)),
        running_mean=share_of(total("sequence_s"), seconds),
        kv_use_mean=share_of(total("kv_block_s"), seconds * kv_blocks),
        kv_use_peak=share_of(highest(columns["kv_block_s"]), kv_blocks),
        bound_shares=tuple(share_of(each, sum(bound_s)) for each in bound_s),
        power_mean_w=share_of(joules, seconds),
        power_peak_w=max(highest(joules_of_bin), share_of(joules, seconds)),
        joules=joules,
    )
