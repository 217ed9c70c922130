"""Latencies of requests and of tokens, derived from the primitive times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from infermodel.tables import FINISHED, GapHistogram, RequestTable

Column = NDArray[np.float64]

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
"""Percentiles that every latency is reported at."""


def latencies(requests: RequestTable) -> dict[str, Column]:
    """The derived columns of each request, NaN where the request never came so far.

    Keys: `queue_time_s` (first_scheduled - arrived), `ttft_s` (first_token - arrived), `tpot_s`
    ((last_token - first_token) / (output_tokens - 1), NaN for one token and for an unfinished request), `e2e_s`
    (finished - arrived; NaN for a rejected or unfinished request), `output_speed_tok_s` (1 / tpot_s; infinite where all
    tokens came at once).
    """
    finished = requests.status == FINISHED
    several = finished & (requests.output_tokens > 1)
    tpot_s = np.full(len(requests), np.nan)
    np.divide(requests.last_token_at - requests.first_token_at, requests.output_tokens - 1, out=tpot_s, where=several)
    speed = np.full(len(requests), np.nan)
    speed[tpot_s == 0] = np.inf
    np.divide(1.0, tpot_s, out=speed, where=tpot_s > 0)
    return {
        "queue_time_s": requests.first_scheduled_at - requests.arrived_at,
        "ttft_s": requests.first_token_at - requests.arrived_at,
        "tpot_s": tpot_s,
        "e2e_s": np.where(finished, requests.finished_at - requests.arrived_at, np.nan),
        "output_speed_tok_s": speed,
    }


def percentile(values: Column, percent: float) -> float:
    """The smallest value that at least `percent` % of the values do not exceed (inverse of the empirical distribution).

    An observed value, never one in between, so `percentile(x, 99) <= limit` says exactly "99 % of x are within the
    limit". Infinite entries (requests that never got there) sort last. NaN for no values.

    Raises:
        ValueError: `percent` outside 0 to 100, or a NaN among the values.

    Source: Hyndman and Fan (1996), definition 1.

    >>> percentile(np.array([4.0, 1.0, 3.0, 2.0]), 50), percentile(np.array([4.0, 1.0, 3.0, 2.0]), 51)
    (2.0, 3.0)
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"a percentile lies between 0 and 100, got {percent}")
    if np.isnan(values).any():
        raise ValueError("percentiles of NaN: say first what a missing value stands for")
    if len(values) == 0:
        return float("nan")
    rank = _rank(len(values), percent)
    return float(np.partition(values, rank)[rank])


def lower_percentile(values: Column, percent: float) -> float:
    """The largest value that at least `100 - percent` % of the values reach: the percentile of what should be large.

    The mirror of `percentile`: `lower_percentile(speed, 10) >= minimum` says "90 % of the users see the minimum".

    >>> lower_percentile(np.array([10.0, 20.0, 30.0, 40.0]), 25)
    20.0
    """
    return -percentile(-values, 100 - percent)


def percentiles(values: Column, percents: Sequence[float] = PERCENTILES) -> tuple[float, ...]:
    """`percentile` at each of `percents`.

    >>> percentiles(np.arange(1.0, 201.0))
    (100.0, 180.0, 190.0, 198.0)
    """
    return tuple(percentile(values, percent) for percent in percents)


def _rank(count: float, percent: float) -> int:
    """Index, from 0, of the value that the inverse empirical distribution takes."""
    exact = count * percent / 100
    nearest = round(exact)
    rank = nearest if abs(exact - nearest) < 1e-9 * max(1.0, exact) else int(np.ceil(exact))
    return max(rank, 1) - 1


def gap_percentile(gaps: GapHistogram, percent: float) -> float:
    """Percentile of the inter-token gaps, seconds, read from their histogram; NaN without gaps.

    The bin of the percentile is exact; inside it the gaps are taken as spread evenly in the logarithm (evenly in
    seconds in a bin that starts at 0). So the answer lies in the same bin as the true percentile: its relative
    error is below `edge[i + 1] / edge[i] - 1`. In a last bin without end it is the bin's start, a lower bound.

    >>> gap_percentile(GapHistogram(np.array([0.01, 0.04, 0.16]), np.array([50, 50]), 5.0, 100), 25)
    0.02
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"a percentile lies between 0 and 100, got {percent}")
    total = int(gaps.counts.sum())
    if total == 0:
        return float("nan")
    wanted = max(total * percent / 100, 1.0)
    cumulative = np.cumsum(gaps.counts)
    bin_ = int(np.searchsorted(cumulative, _rank(total, percent) + 1))
    low, high = float(gaps.edges_s[bin_]), float(gaps.edges_s[bin_ + 1])
    share = (wanted - float(cumulative[bin_] - gaps.counts[bin_])) / float(gaps.counts[bin_])
    share = min(max(share, 0.0), 1.0)
    if not np.isfinite(high):
        return low
    return low + share * (high - low) if low <= 0 else low * (high / low) ** share


def gap_mean(gaps: GapHistogram, stretch_s: float = 0.0) -> float:
    """Mean gap between tokens at the client, seconds; exact, because the histogram keeps the sum. NaN without gaps.

    Args:
        gaps: as tokens leave their replicas.
        stretch_s: seconds that waiting for API servers added to all of them together.
    """
    return (gaps.total_s + stretch_s) / gaps.gaps if gaps.gaps else float("nan")
