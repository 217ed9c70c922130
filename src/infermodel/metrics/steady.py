"""Which part of a run to measure: the warm-up cut, one window for all services, overload, and too short a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.confidence import student_t_quantile
from infermodel.metrics.latency import latencies
from infermodel.tables import REJECTED, RequestTable, ServiceRecord

MSER_BATCH = 5
"""Observations that MSER-5 averages before it looks for the cut."""

WAITING_SAMPLES = 40
"""Instants at which overload detection looks at the queue."""

FEWEST_REQUESTS = 100
"""Requests in the window below which no interval is given."""

FEWEST_TURNOVERS = 10
"""Windows shorter than so many mean end-to-end times get no interval."""


@dataclass(frozen=True, slots=True)
class Window:
    """The measured seconds [start_s, end_s); requests that arrive in it count."""

    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Length."""
        return self.end_s - self.start_s

    def holds(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which times lie in the window; a NaN does not."""
        return (times >= self.start_s) & (times < self.end_s)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a series becomes stationary.

    Attributes:
        index: first observation to keep.
        settled: False where the best cut lay at the end of the first half, or the series is too short to tell: the
            warm-up may last longer than the run.
    """

    index: int
    settled: bool


def mser5(series: NDArray[np.float64]) -> Cut:
    """The warm-up cut that minimises the standard error of what is left: MSER over means of 5 observations.

    With k batch means y, the cut d <= k/2 minimises sum_(i >= d) (y_i - mean_d)^2 / (k - d)^2; the earliest of equals.

    Source: White, Cobb and Spratt (2000), "A comparison of five steady-state truncation heuristics for simulation".

    >>> mser5(np.concatenate([np.full(10, 9.0), np.tile([1.0, 2.0, 1.0, 2.0, 1.5], 10)]))
    Cut(index=10, settled=True)
    """
    batches = len(series) // MSER_BATCH
    if batches < 4:
        return Cut(0, settled=False)
    means = series[: batches * MSER_BATCH].reshape(batches, MSER_BATCH).mean(axis=1)
    centred = means - means.mean()
    scale = float(np.max(np.abs(means)))
    if float(np.max(np.abs(centred))) <= 1e-9 * scale:  # a deterministic system: only rounding differs
        return Cut(0, settled=True)
    left = np.arange(batches, 0, -1)
    sums = np.cumsum(centred[::-1])[::-1]
    squares = np.cumsum(centred[::-1] ** 2)[::-1]
    variance = np.maximum(squares - sums**2 / left, 0.0) / left.astype(np.float64) ** 2
    last = batches // 2
    smallest = float(variance[: last + 1].min())
    noise = 1e-18 * scale**2
    cut = int(np.argmax(variance[: last + 1] <= smallest * (1 + 1e-9) + noise))
    return Cut(cut * MSER_BATCH, settled=cut < last)


def warm_up(requests: RequestTable, until_s: float) -> tuple[float, bool]:
    """Seconds after which a service is in steady state, and whether that could be told.

    MSER-5 over the end-to-end times in order of arrival; the time is the arrival of the first request kept. Of
    those that come after `until_s`, while the last measured ones are waited for, only the short ones are known.
    """
    e2e_s = latencies(requests)["e2e_s"]
    known = np.isfinite(e2e_s) & (requests.arrived_at <= until_s)
    cut = mser5(e2e_s[known])
    return (float(requests.arrived_at[known][cut.index]) if cut.index else 0.0), cut.settled


def common_window(
    records: Sequence[ServiceRecord], end_s: float, start_s: float | None = None, least_s: float = 0.0
) -> Window:
    """One window for all services of a run: from the latest warm-up cut to `end_s`, moved inward to timeline edges.

    Args:
        records: all services; of their timelines the coarsest gives the edges.
        end_s: until when arrivals are measured.
        start_s: given by the user instead of MSER-5.
        least_s: no earlier than this, where it is not past the end.

    Raises:
        ValueError: no bin edge leaves anything between start and end.
    """
    start = max(warm_up(record.requests, end_s)[0] for record in records) if start_s is None else start_s
    if least_s < end_s:
        start = max(start, least_s)
    edges = min((record.timeline.edges_s for record in records), key=len)
    after, before = edges[edges >= start - _rounding(start)], edges[edges <= end_s + _rounding(end_s)]
    if len(after) == 0 or len(before) == 0 or before[-1] <= after[0]:
        raise ValueError(f"no whole bin of the timeline lies between {start:g} s and {end_s:g} s: run for longer")
    return Window(float(after[0]), float(before[-1]))


def _rounding(time_s: float) -> float:
    return 1e-9 * max(1.0, abs(time_s))


def whole_run(record: ServiceRecord) -> Window:
    """Everything that a record holds, its last instant included: for offline batches and for whole traces."""
    last_s = np.max(
        record.requests.finished_at, initial=record.ended_at, where=np.isfinite(record.requests.finished_at)
    )
    return Window(0.0, float(np.nextafter(last_s, np.inf)))


def count_at(starts: NDArray[np.float64], ends: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many intervals [start, end) are open at each of `times`; NaN start: never opened, NaN end: never closed.

    >>> count_at(np.array([0.0, 1.0]), np.array([2.0, np.nan]), np.array([0.5, 1.5, 2.0])).tolist()
    [1, 2, 1]
    """
    opened = np.sort(starts[~np.isnan(starts)])
    closed = np.sort(ends[~np.isnan(starts) & ~np.isnan(ends)])
    return np.searchsorted(opened, times, side="right") - np.searchsorted(closed, times, side="right")


def is_overloaded(requests: RequestTable, window: Window) -> bool:
    """Whether the queue grew through the window.

    The queue (arrived, not rejected, not yet scheduled) is looked at 40 times in the window. It grew when all three
    hold: its regression slope is above zero (t test of neighbouring instants averaged in pairs, 99.9 % one-sided); the
    growth along that line exceeds 2 c sqrt(arrivals), the noise of their count (c: coefficient of variation of the
    times between them, at least 1), and 2 % of the arrivals, and 5; the last quarter's mean exceeds the first quarter's
    by half of it. With 1,000 Poisson arrivals this finds 98 % of the servers loaded to 1.2 of what they can do, two
    thirds of those at 1.1, and takes 1 % of those at 0.95 for overloaded.
    """
    counts, arrived_at = waiting_samples(requests, window), requests.arrived_at[window.holds(requests.arrived_at)]
    arrivals = len(arrived_at)
    if arrivals == 0:
        return False
    quarter = WAITING_SAMPLES // 4
    growth, significant = _trend(counts.reshape(-1, 2).mean(axis=1))
    enough = growth > max(5.0, 2 * _variation(arrived_at) * sqrt(arrivals), 0.02 * arrivals)
    risen = float(counts[-quarter:].mean() - counts[:quarter].mean())
    return enough and significant and risen > growth / 2


@dataclass(frozen=True, slots=True)
class Presence:
    """Requests present (arrived, not rejected, not finished) through a window. A fleet that takes every request at
    once, each slower than the one before, has no queue to see: more and more of them are under way.

    Attributes:
        growth: of those present along their regression line, as a share of the arrivals.
        noise: standard deviation of that share where the fleet keeps up.
        takes_s: mean time of an answer, or what Little's law makes of those present where that is more.
    """

    growth: float
    noise: float
    takes_s: float


def presence(requests: RequestTable, window: Window, takes_s: float) -> Presence:
    """The requests present in a window, looked at 40 times.

    A regression line through n independent values rises by their standard deviation times sqrt(12 / n). The number
    present varies at least as a count of its mean P does, sqrt(P), times sqrt((c^2 + 1) / 2) of bursts (c: coefficient
    of variation of the times between arrivals), and is forgotten after the time of an answer, so that a window holds
    n = seconds / (2 takes_s) values; where that is few, the line rises by what two values differ, sqrt(2), and a fifth
    more. Near saturation it varies more and longer, as the window itself shows: by its own deviation from the line, and
    with a correlation r of neighbours by sqrt((1 + r) / (1 - r)) more.

    Args:
        takes_s: mean time of an answer.
    """
    accepted = requests.status != REJECTED
    counts = count_at(requests.arrived_at[accepted], requests.finished_at[accepted], _instants(window))
    times = requests.arrived_at[window.holds(requests.arrived_at)]
    arrivals, mean = max(1, len(times)), float(counts.mean())
    takes_s = max(takes_s, mean * window.seconds / arrivals)
    bursts = sqrt((_variation(times) ** 2 + 1) / 2)
    least = bursts * sqrt(mean) * min(1.7, sqrt(24 * takes_s / window.seconds))
    growth = _trend(counts.astype(np.float64).reshape(-1, 2).mean(axis=1))[0]
    off = counts - mean - growth * (np.arange(WAITING_SAMPLES) - (WAITING_SAMPLES - 1) / 2) / WAITING_SAMPLES
    square = float(off @ off)
    neighbours = min(0.9, max(0.0, float(off[1:] @ off[:-1]) / square)) if square else 0.0
    seen = sqrt(12 * square * (1 + neighbours) / (1 - neighbours)) / WAITING_SAMPLES
    return Presence(growth / arrivals, max(least, seen) / arrivals, takes_s)


def waiting_samples(requests: RequestTable, window: Window) -> NDArray[np.float64]:
    """Requests that wait (arrived, not rejected, not yet scheduled) at instants spread evenly over the window."""
    accepted = requests.status != REJECTED
    waiting = count_at(requests.arrived_at[accepted], requests.first_scheduled_at[accepted], _instants(window))
    return waiting.astype(np.float64)


def _instants(window: Window) -> NDArray[np.float64]:
    """Instants spread evenly over the window."""
    return window.start_s + (np.arange(WAITING_SAMPLES) + 0.5) / WAITING_SAMPLES * window.seconds


def waiting_growth(requests: RequestTable, window: Window) -> float:
    """By how many requests the queue grew through the window, along its regression line.

    No test on its own: neighbouring instants depend on each other. Over replications it is an independent sample.
    """
    return _trend(waiting_samples(requests, window).reshape(-1, 2).mean(axis=1))[0]


def _variation(arrived_at: NDArray[np.float64]) -> float:
    """Coefficient of variation of the times between arrivals, at least that of a Poisson stream."""
    between_s = np.diff(arrived_at)
    mean_s = float(between_s.mean()) if len(between_s) else 0.0
    return max(1.0, float(between_s.std()) / mean_s) if mean_s > 0 else 1.0


def _trend(samples: NDArray[np.float64]) -> tuple[float, bool]:
    """Growth of a regression line from the first instant to the last, and whether it is significantly positive."""
    n = len(samples)
    x = np.arange(n) - (n - 1) / 2
    slope = float(x @ samples) / float(x @ x)
    residual = samples - samples.mean() - slope * x
    error = sqrt(float(residual @ residual) / (n - 2) / float(x @ x))
    return slope * n, slope > student_t_quantile(0.999, n - 2) * error


def too_short(requests: RequestTable, window: Window) -> str:
    """Why the window is too short for an interval, in words; empty where it is long enough."""
    inside = window.holds(requests.arrived_at)
    count = int(inside.sum())
    if count < FEWEST_REQUESTS:
        return f"{count} requests in the window, fewer than {FEWEST_REQUESTS}"
    e2e_s = latencies(requests)["e2e_s"][inside]
    e2e_s = e2e_s[np.isfinite(e2e_s)]
    if len(e2e_s) and window.seconds < FEWEST_TURNOVERS * float(e2e_s.mean()):
        return f"the window lasts less than {FEWEST_TURNOVERS} mean end-to-end times"
    if not warm_up(requests, window.end_s)[1]:
        return "the warm-up did not end in the first half of the run"
    return ""
