"""Results of `vllm bench serve --save-result`, with the per-request lists of `--save-detailed` where they are there.

The file holds one JSON object, or several after each other where `--append-result` was used. Per-request times are in
seconds, summary times in milliseconds; here everything is in seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.columns import MOST_TOKENS
from infermodel.formats.text import FormatError, read_lines, shortened

LONGEST_RESULT = 1_000_000_000  # bytes; all gaps of a run stand on one line


@dataclass(frozen=True)
class BenchRequests:
    """Requests of a benchmark in the order they were issued; times of failed ones are NaN.

    Attributes:
        started_at_s: when the client sent it, from the first one; None where the version of vLLM does not say.
        prompt_tokens: as counted by the benchmark's tokenizer.
        output_tokens: zero for failed requests.
        ttft_s: time to first token.
        e2e_s: time to first token plus all gaps.
        itl_s: per request the gaps between chunks that arrived, which are tokens unless the server sends several.
        failed: no output came.
    """

    started_at_s: NDArray[np.float64] | None
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    ttft_s: NDArray[np.float64]
    e2e_s: NDArray[np.float64]
    itl_s: tuple[NDArray[np.float64], ...]
    failed: NDArray[np.bool_]


@dataclass(frozen=True)
class BenchResult:
    """One run of the benchmark.

    Attributes:
        model: the name that the server was asked for.
        request_rate_per_s: infinite where all requests were sent at once (then `max_concurrency` sets the load).
        burstiness: shape of the gamma law of gaps, 1 for Poisson; cv = 1/sqrt(burstiness).
        max_concurrency: most requests in flight; None for no limit.
        requests: how many were sent.
        completed: how many were answered.
        duration_s: from the first request to the last answer.
        input_tokens: prompt tokens of all completed requests.
        output_tokens: tokens generated.
        latency_s: the summary figures by vLLM's names without unit: mean_ttft, p99_tpot, median_itl, std_e2el, ...
        detail: the single requests, where saved.
    """

    model: str
    request_rate_per_s: float
    burstiness: float
    max_concurrency: int | None
    requests: int
    completed: int
    duration_s: float
    input_tokens: int
    output_tokens: int
    latency_s: Mapping[str, float]
    detail: BenchRequests | None


def read(path: Path) -> tuple[BenchResult, ...]:
    """The runs of a result file, in order.

    Raises:
        FormatError: with line and column of what is broken.
    """
    text = "\n".join(read_lines(path, LONGEST_RESULT))
    decoder = json.JSONDecoder()
    results: list[BenchResult] = []
    begin = 0
    while text[begin:].strip():
        begin += len(text[begin:]) - len(text[begin:].lstrip())
        try:
            entry, end = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            raise _at(path, text, error.pos, f"expected a JSON object: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise _at(path, text, begin, f"expected a JSON object: {error}") from None
        if not isinstance(entry, dict):
            raise _at(path, text, begin, "expected a JSON object as `vllm bench serve --save-result` writes it")
        results.append(_result(_Entry(path, text, begin, entry)))
        begin = end
    if not results:
        raise FormatError(path, "expected the JSON that `vllm bench serve --save-result` writes; the file is empty")
    return tuple(results)


@dataclass(frozen=True)
class _Entry:
    """One JSON object and where it stands, for messages."""

    path: Path
    text: str
    begin: int
    values: dict[str, Any]

    def wrong(self, key: str, expected: str) -> FormatError:
        """The error for a key whose value is not what was expected."""
        if key not in self.values:
            return _at(self.path, self.text, self.begin, f"{key}: expected {expected}; the key is missing")
        got = shortened(json.dumps(self.values[key]))
        place = self.text.find(f'"{key}"', self.begin)
        return _at(self.path, self.text, place, f"{key}: expected {expected}, got {got}", len(key) + 2)

    def number(self, key: str, otherwise: float | None = None) -> float:
        """A number, 0 or more, perhaps infinite; `otherwise` where the key is absent or null."""
        value = self.values.get(key)
        if value is None and otherwise is not None:
            return otherwise
        if value in ("inf", math.inf):
            return math.inf
        if not _is_number(value):
            raise self.wrong(key, "a number, 0 or more")
        return float(value)  # type: ignore[arg-type]  # a number, see above

    def count(self, key: str, otherwise: int | None = None) -> int:
        """A whole number, 0 or more."""
        value = self.number(key, otherwise)
        if value > 2**53 or value != int(value):
            raise self.wrong(key, "a whole number, 0 or more")
        return int(value)

    def list_of_numbers(self, key: str, length: int) -> NDArray[np.float64]:
        """As many numbers, 0 or more, as there are requests."""
        value = self.values.get(key)
        if not isinstance(value, list) or len(value) != length or not all(map(_is_number, value)):
            raise self.wrong(key, f"a list of {length} numbers, 0 or more")
        return np.array(value, dtype=np.float64)


def _result(entry: _Entry) -> BenchResult:
    concurrency = entry.count("max_concurrency", 0)
    requests = entry.count("num_prompts")
    summaries = {
        key.removesuffix("_ms"): entry.number(key) / 1e3
        for key in entry.values
        if key.endswith("_ms") and key.split("_")[-2] in ("ttft", "tpot", "itl", "e2el")
    }
    return BenchResult(
        model=str(entry.values.get("model_id", "")),
        request_rate_per_s=entry.number("request_rate", math.inf),
        burstiness=entry.number("burstiness", 1.0),
        max_concurrency=concurrency or None,
        requests=requests,
        completed=entry.count("completed"),
        duration_s=entry.number("duration"),
        input_tokens=entry.count("total_input_tokens"),
        output_tokens=entry.count("total_output_tokens"),
        latency_s=summaries,
        detail=_detail(entry) if "ttfts" in entry.values else None,
    )


def _detail(entry: _Entry) -> BenchRequests:
    prompts = entry.values.get("input_lens")
    if not isinstance(prompts, list) or not prompts:
        raise entry.wrong("input_lens", "a list of the prompts' tokens")
    count = len(prompts)
    lengths: dict[str, NDArray[np.int64]] = {}
    for key in ("input_lens", "output_lens"):
        values = entry.list_of_numbers(key, count)
        if not np.all((values <= MOST_TOKENS) & (values == np.rint(values))):
            raise entry.wrong(key, f"a list of {count} whole numbers of tokens")
        lengths[key] = values.astype(np.int64)
    gaps = entry.values.get("itls")
    if not isinstance(gaps, list) or len(gaps) != count:
        raise entry.wrong("itls", f"a list of {count} lists of seconds")
    if not all(isinstance(one, list) and all(map(_is_number, one)) for one in gaps):
        raise entry.wrong("itls", f"a list of {count} lists of seconds, 0 or more")
    itl_s = tuple(np.array(one, dtype=np.float64) for one in gaps)
    failed = lengths["output_lens"] == 0
    ttft_s = np.where(failed, np.nan, entry.list_of_numbers("ttfts", count))
    starts = entry.list_of_numbers("start_times", count) if "start_times" in entry.values else None
    return BenchRequests(
        started_at_s=None if starts is None else starts - starts.min(),
        prompt_tokens=lengths["input_lens"],
        output_tokens=lengths["output_lens"],
        ttft_s=ttft_s,
        e2e_s=ttft_s + np.array([one.sum() for one in itl_s]),
        itl_s=itl_s,
        failed=failed,
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e15  # type: ignore[operator]  # a number by then


def _at(path: Path, text: str, place: int, problem: str, width: int = 1) -> FormatError:
    """The error for a place in a text of several lines."""
    before = text[:place]
    line = before.count("\n") + 1
    start = before.rfind("\n") + 1
    end = text.find("\n", start)
    whole = text[start:] if end < 0 else text[start:end]
    return FormatError(path, problem, line=line, column=place - start + 1, text=whole, width=width)
