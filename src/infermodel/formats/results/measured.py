"""What a load generator measured, in one shape and under one definition of each latency, whichever tool wrote it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DEFINITIONS: Mapping[str, str] = {
    "ttft": "from the sending of a request to the first chunk with a token, of reasoning or of the answer",
    "tpot": "from the first such chunk to the last, over the tokens after the first; one figure a request",
    "itl": "each gap between such chunks, of all requests, where a chunk holds one token",
    "e2e": "from the sending of a request to the last chunk with a token",
}
"""The one definition of each latency, in the order in which they are told."""

PERCENTS = (50, 90, 95, 99)
MORE_THAN_NOISE = 0.02
"""Relative difference of two counts that says something; less is an odd end of text or a special token."""


@dataclass(frozen=True)
class Field:
    """What a tool writes of a latency.

    Attributes:
        name: as the file has it.
        unit: in the file.
        of: the latency of ours that it tells, a key of `DEFINITIONS`.
        means: what the tool puts into it.
        taken: what becomes of it here.
    """

    name: str
    unit: str
    of: str
    means: str
    taken: str


@dataclass(frozen=True)
class Load:
    """How the client sent, as asked.

    Attributes:
        rate_per_s: mean rate of sending; infinite where only `concurrency` holds requests back, NaN if not told.
        concurrency: most requests in flight; None for no limit.
        burstiness: shape of the gamma law of gaps at this rate: 1 for Poisson arrivals, infinite for even spacing, NaN
            if not told; the coefficient of variation is 1/sqrt(burstiness).
        ramp: in words, of a rate that changes during the run.
    """

    rate_per_s: float
    concurrency: int | None = None
    burstiness: float = 1.0
    ramp: str = ""

    @property
    def known(self) -> bool:
        """Whether the file tells how requests were sent."""
        return not math.isnan(self.rate_per_s)

    def __str__(self) -> str:
        """In words.

        >>> str(Load(math.inf, 8)), str(Load(4.0, 2, math.inf)), str(Load(math.inf))
        ('8 at a time', '4/s evenly spaced, at most 2 at a time', 'all at once')
        """
        limit = f"{self.concurrency} at a time" if self.concurrency else ""
        if self.ramp:
            return f"{self.ramp}, at most {limit}" if limit else self.ramp
        if not self.known:
            return limit or "not told"
        if math.isinf(self.rate_per_s):
            return limit or "all at once"
        law = {1.0: " Poisson", math.inf: " evenly spaced"}.get(self.burstiness, f" of burstiness {self.burstiness:g}")
        law = "" if math.isnan(self.burstiness) else law
        return f"{self.rate_per_s:g}/s{law}" + (f", at most {limit}" if limit else "")


@dataclass(frozen=True)
class Latency:
    """One latency of a run.

    Attributes:
        figures_s: mean, std, min, max, p50, p90, ... as far as they are known; seconds.
        source: the tool's own field or columns, and how they were converted.
        refused: why there are no figures; empty where there are.
    """

    figures_s: Mapping[str, float]
    source: str
    refused: str = ""


@dataclass(frozen=True)
class Tokens:
    """Tokens of all answered requests together.

    Attributes:
        total: NaN where the file does not tell.
        counted: by whom: the server's usage, the client's tokenizer, ...
        refused: why the file's count is not taken; empty where it is.
    """

    total: float
    counted: str
    refused: str = ""


@dataclass(frozen=True)
class RequestColumns:
    """Single requests in the order of the file; what a file does not tell of one is NaN, as are times of failed ones.

    Attributes:
        sent_at_s: when the client sent it, from the first one; None where the file does not say.
        prompt_tokens: of each request, failed ones included where told.
        output_tokens: tokens that the server sent; 0 for failed ones.
        ttft_s: time to first token.
        e2e_s: time to the last token.
        gaps_s: a request's gaps between chunks with tokens; None where the file has none.
        failed: not answered.
    """

    sent_at_s: NDArray[np.float64] | None
    prompt_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    ttft_s: NDArray[np.float64]
    e2e_s: NDArray[np.float64]
    gaps_s: tuple[NDArray[np.float64], ...] | None
    failed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.failed)

    @property
    def tpot_s(self) -> NDArray[np.float64]:
        """Time per output token after the first; NaN for answers of one token."""
        after = np.where(self.output_tokens >= 2, self.output_tokens - 1, np.nan)
        return np.asarray((self.e2e_s - self.ttft_s) / after)

    @property
    def chunks(self) -> NDArray[np.float64]:
        """Chunks with tokens that each request got; NaN where failed or not told."""
        if self.gaps_s is None:
            return np.full(len(self), np.nan)
        return np.where(self.failed, np.nan, np.array([1.0 + len(gaps) for gaps in self.gaps_s]))


@dataclass(frozen=True)
class Measured:
    """One run of a load generator.

    Attributes:
        tool: a key of `infermodel.formats.results.RESULTS`.
        version: of the tool, or in words how it is known.
        files: that tell of this run, the first one named by the user.
        name: of the run among those of its files.
        model: the name that the server was asked for; empty if not told.
        load: how it was sent.
        requests: sent, failed ones included.
        failed: of these, not answered.
        duration_s: from the first request to the last answer; NaN if not told.
        prompt: tokens of the answered requests' prompts.
        output: tokens of their answers.
        latencies: by the keys of `DEFINITIONS`, all four.
        speculation: what the file tells of speculative decoding, in words.
        columns: the single requests, where saved.
        notes: what a reader should know, in sentences.
    """

    tool: str
    version: str
    files: tuple[Path, ...]
    name: str
    model: str
    load: Load
    requests: int
    failed: int
    duration_s: float
    prompt: Tokens
    output: Tokens
    latencies: Mapping[str, Latency]
    speculation: str = ""
    columns: RequestColumns | None = None
    notes: tuple[str, ...] = ()

    @property
    def answered(self) -> int:
        """Requests that were answered."""
        return self.requests - self.failed

    @property
    def in_flight(self) -> float:
        """Mean number of requests in flight, by Little's law; NaN where the file tells too little."""
        mean_s = self.latencies["e2e"].figures_s.get("mean", math.nan)
        return self.answered * mean_s / self.duration_s if self.duration_s > 0 else math.nan


def refusal(reason: str) -> Latency:
    """A latency without figures."""
    return Latency({}, "", reason)


def figures(values_s: NDArray[np.float64]) -> dict[str, float]:
    """Mean, deviation, ends and percentiles of what is known, none if nothing is; percentiles between two requests lie
    on the line between them.

    >>> figures(np.array([1.0, np.nan, 3.0]))["p50"]
    2.0
    """
    known = values_s[~np.isnan(values_s)]
    if not known.size:
        return {}
    told = {"mean": known.mean(), "std": known.std(), "min": known.min(), "max": known.max()}
    told |= {f"p{percent}": np.percentile(known, percent) for percent in PERCENTS}
    return {name: float(value) for name, value in told.items()}


def latency_of(values_s: NDArray[np.float64], source: str, nothing: str) -> Latency:
    """The figures of one latency from single values, or a refusal that says `nothing`."""
    told = figures(values_s)
    return Latency(told, source) if told else refusal(nothing)


def latencies_of(columns: RequestColumns, sources: Mapping[str, str]) -> dict[str, Latency]:
    """All latencies from single requests. Gaps of chunks are told as gaps of tokens only where each chunk holds one.

    Args:
        sources: by the keys of `DEFINITIONS`, the columns of the file that each comes from.
    """
    nobody = "no request was answered"
    told = {
        "ttft": latency_of(columns.ttft_s, sources["ttft"], nobody),
        "tpot": latency_of(columns.tpot_s, sources["tpot"], "no answer of two tokens or more"),
        "itl": refusal("the file has no gaps between chunks"),
        "e2e": latency_of(columns.e2e_s, sources["e2e"], nobody),
    }
    if columns.gaps_s is not None:
        held = tokens_a_chunk(columns)
        if held > 1 + MORE_THAN_NOISE:
            told["itl"] = refusal(f"gaps are of chunks of {held:.1f} tokens, not of tokens")
        else:
            gaps = np.concatenate([np.empty(0), *columns.gaps_s])
            told["itl"] = latency_of(gaps, sources["itl"], "no answer of two tokens or more")
    if columns.failed.all():
        told = dict.fromkeys(told, refusal(nobody))
    return told


def tokens_a_chunk(columns: RequestColumns) -> float:
    """Mean tokens that a chunk held; NaN where not told."""
    chunks = columns.chunks
    counted = ~np.isnan(chunks) & ~np.isnan(columns.output_tokens)
    total = float(chunks[counted].sum())
    return float(columns.output_tokens[counted].sum()) / total if total else math.nan


LATE = 0.1
"""Share of its time by which an answer's end is later than its tokens tell, beyond what different lengths can do."""


def without_late_ends(measured: Measured) -> Measured:
    """A summary's run with E2E refused where a stream's end, to which the tool counts, is later than its last token."""
    mean = {name: latency.figures_s.get("mean", math.nan) for name, latency in measured.latencies.items()}
    tokens = measured.output.total / measured.answered if measured.answered else math.nan
    last_s = mean["ttft"] + mean["tpot"] * (tokens - 1)
    if not mean["e2e"] > last_s * (1 + LATE):
        return measured
    return refusing(
        measured, ("e2e",), "the tool counts to the end of the stream, which here is later than the last token"
    )


def refusing(measured: Measured, names: Sequence[str], reason: str) -> Measured:
    """The run with some latencies refused for one reason."""
    return replace(measured, latencies={**measured.latencies, **dict.fromkeys(names, refusal(reason))})
