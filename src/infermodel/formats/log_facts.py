"""What a person should know of a log before he plays it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.columns import TraceColumns, grid_s


@dataclass(frozen=True)
class LogFacts:
    """A log in figures.

    Attributes:
        requests: how many.
        begun: those with times of their own; the others follow answers.
        span_s: from the first to the last.
        rate_per_s: mean of these; NaN where all come at once.
        gap_cv: standard deviation of the gaps between arrivals over their mean; 1 for Poisson arrivals.
        prompt: mean, median, 99th percentile and largest number of tokens.
        output: the same of answers.
        reused: share of prompt blocks whose text an earlier request had; NaN where the log has no hashes.
        duplicates: requests that are like the one before them in time and both lengths.
        at_once: largest number of requests at one time.

    Times and gaps are of requests with times of their own, not of those that follow an answer.
    """

    requests: int
    begun: int
    span_s: float
    rate_per_s: float
    gap_cv: float
    prompt: tuple[float, float, float, float]
    output: tuple[float, float, float, float]
    reused: float
    duplicates: int
    at_once: int


def facts(log: TraceColumns) -> LogFacts:
    """The figures of a log."""
    timed = np.full(len(log), fill_value=True) if log.after is None else log.after < 0
    times = log.arrived_at_s[timed]
    gaps = np.diff(times)
    span = float(times[-1] - times[0])
    same = (gaps == 0) & (np.diff(log.prompt_tokens[timed]) == 0) & (np.diff(log.output_tokens[timed]) == 0)
    return LogFacts(
        requests=len(log),
        begun=len(times),
        span_s=span,
        rate_per_s=(len(times) - 1) / span if span > 0 else np.nan,
        gap_cv=float(gaps.std() / gaps.mean()) if span > 0 else np.nan,
        prompt=_lengths(log.prompt_tokens),
        output=_lengths(log.output_tokens),
        reused=_reused(log),
        duplicates=int(same.sum()),
        at_once=int(np.unique(times, return_counts=True)[1].max()),
    )


def beyond(log: TraceColumns, context: int) -> int:
    """Requests whose prompt and answer are longer together than a model's context."""
    return int((log.prompt_tokens + log.output_tokens > context).sum())


def spread(tokens: NDArray[np.int64]) -> float:
    """Standard deviation over mean."""
    return float(tokens.std() / tokens.mean())


def warnings(log: TraceColumns, told: LogFacts) -> list[str]:
    """What is odd about a log beyond what its notes say."""
    found = []
    if told.span_s == 0:
        found.append("all requests come at one time")
    elif told.at_once > max(5, 0.01 * told.requests) and not grid_s(log.arrived_at_s):
        found.append(f"up to {told.at_once:,} requests come at one time: are the times rounded?")
    if told.rate_per_s > 5000:
        found.append(f"{told.rate_per_s:,.0f} requests a second: is the unit of times right?")
    if told.requests > 1 and told.rate_per_s < 1e-4:
        found.append(f"one request in {1 / told.rate_per_s:,.0f} s: is the unit of times right?")
    if told.duplicates:
        found.append(f"{told.duplicates:,} requests are like the one before them in time and lengths: written twice?")
    return found


def _lengths(tokens: NDArray[np.int64]) -> tuple[float, float, float, float]:
    return (float(tokens.mean()), float(np.median(tokens)), float(np.percentile(tokens, 99)), float(tokens.max()))


def _reused(log: TraceColumns) -> float:
    if log.hash_ids is None:
        return float("nan")
    seen: set[int] = set()
    blocks = hits = 0
    for text, prompt in zip(log.hash_ids, log.prompt_tokens.tolist(), strict=True):
        ids = text[: prompt // log.hash_block_tokens] if log.hash_answers else text
        blocks += len(ids)
        hits += sum(block in seen for block in ids)
        seen.update(ids)
    return hits / blocks if blocks else float("nan")
