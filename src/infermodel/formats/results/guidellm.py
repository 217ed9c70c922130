"""Results of guidellm: one JSON file of all benchmarks with their requests, or the CSV beside it with summaries alone.

Source: guidellm/schemas/base/request_stats.py and benchmark/outputs/csv.py of guidellm 0.8.1.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, bare_name, beside, objects, whole_text
from infermodel.formats.results.measured import Field, Latency, Load, Measured, RequestColumns, Tokens
from infermodel.formats.text import FormatError

TOOL = "guidellm"
EXPECTED = "the JSON that `guidellm run` writes"

FIELDS = (
    Field("time_to_first_token_ms", "ms", "ttft", "to the first chunk with text or reasoning", "as it is"),
    Field("time_to_first_output_token_ms", "ms", "", "to the answer's first chunk, after all reasoning", "not taken"),
    Field("time_per_output_token_ms", "ms", "tpot", "(last token - sending) / tokens: TTFT is inside",
          "not taken: TPOT is computed from the first and the last token's time"),
    Field("inter_token_latency_ms", "ms", "tpot", "(last token - first) / (tokens - 1), one figure a request; means "
          "and percentiles weigh each request by its tokens", "as TPOT, anew from requests with equal weights; the "
          "CSV's only where all answers are equally long"),
    Field("request_latency", "s", "e2e", "to the end of the stream", "computed anew to the last token; the CSV's as "
          "it is"),
    Field("request_scheduled_latency", "s", "", "request_latency and, before it, request_dispatch_delay: the client's "
          "own delay", "not taken"),
)  # fmt: skip
"""What guidellm 0.8.1 writes."""

_NO_GAPS = "the tool keeps no gap between chunks; what it calls inter token latency is a mean a request, here TPOT"
_WEIGHED = "the tool weighs each request by its tokens, and answers differ in length"
_CSV_PERCENTS = (0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)


def recognises(value: Any) -> bool:
    """Whether a JSON value is such a result."""
    return isinstance(value, dict) and "benchmarks" in value and "guidellm_version" in str(value.get("metadata"))


def recognises_csv(first_line: str) -> bool:
    """Whether a CSV file starts as guidellm's."""
    return first_line.startswith("Run Info,")


def read(path: Path) -> tuple[Measured, ...]:
    """The benchmarks of a result file, in order; of a CSV file those of the JSON beside it, where there is one.

    Raises:
        FormatError: with line and column of what is broken.
    """
    if bare_name(path).endswith(".csv"):
        whole = beside(path, f"{bare_name(path).removesuffix('.csv')}.json")
        return _read_json(whole, path, whole) if whole else _read_csv(path)
    return _read_json(path, path)


def _read_json(path: Path, *files: Path) -> tuple[Measured, ...]:
    told: list[Measured] = []
    for whole in objects(path, EXPECTED):
        version = whole.within("metadata").word("guidellm_version")
        runs = whole.entries("benchmarks")
        told += [_run(run, version, files, str(i) if len(runs) > 1 else "") for i, run in enumerate(runs)]
    if not told:
        raise FormatError(path, f"expected {EXPECTED}; it has no benchmark")
    return tuple(told)


def _run(run: Entry, version: str, files: Sequence[Path], name: str) -> Measured:
    requests = run.within("requests")
    answered, errored = requests.entries("successful"), requests.entries("errored")
    incomplete = requests.entries("incomplete")
    metrics = run.within("metrics")
    totals = metrics.within("request_totals")
    columns = _columns(answered, (*errored, *incomplete)) if answered or errored or incomplete else None
    sources = {"ttft": "first_token_iteration - request_start",
               "tpot": "(last_token_iteration - first_token_iteration) / (tokens - 1)",
               "itl": "", "e2e": "last_token_iteration - request_start"}  # fmt: skip
    latencies = shape.latencies_of(columns, sources) if columns else _summaries(metrics)
    if not (columns and columns.failed.all()):
        latencies["itl"] = shape.refusal(_NO_GAPS)
    sent, failed = totals.count("total", len(columns or ())), totals.count("errored", len(errored))
    notes = [f"{len(incomplete)} requests were cut off at the end of the run; counted as failed"] if incomplete else []
    successful = totals.count("successful", len(answered))
    if len(answered) < successful:
        notes.append(f"the file keeps {len(answered):,} of {successful:,} answered requests")
    held = [each.number("output_tokens_per_iteration", 1.0) for each in answered]
    if held and np.mean(held) > 1 + shape.MORE_THAN_NOISE:
        notes.append(f"chunks held {np.mean(held):.1f} tokens")
    return Measured(
        tool=TOOL,
        version=version,
        files=tuple(files),
        name=name,
        model=run.within("config", "backend").word("model"),
        load=_load(run.within("config", "strategy")),
        requests=sent,
        failed=failed + totals.count("incomplete", len(incomplete)),
        duration_s=run.number("duration", math.nan) if run.has("duration") else math.nan,
        prompt=_tokens(metrics, "prompt_token_count", columns.prompt_tokens[~columns.failed] if columns else None),
        output=_tokens(metrics, "output_token_count", columns.output_tokens[~columns.failed] if columns else None),
        latencies=latencies,
        columns=columns,
        notes=tuple(notes),
    )


def _tokens(metrics: Entry, key: str, counts: NDArray[np.float64] | None) -> Tokens:
    """Of all answered requests: by the summary, which knows of those that the file does not keep, else by the kept."""
    told = metrics.within(key, "successful")
    kept = math.nan if counts is None else float(counts.sum())
    return Tokens(told.number("total_sum", kept), "the server's usage where it sent one, else the client's tokenizer")


def _summaries(metrics: Entry) -> dict[str, Latency]:
    """Latencies of a file that keeps no requests (`sample_size` 0)."""
    lengths = metrics.within("output_token_count", "successful")
    names = {"mean": "mean", "median": "p50", "std_dev": "std", "min": "min", "max": "max"}

    def told(key: str, seconds: float) -> Latency:
        figures = metrics.within(key, "successful").figures(names, seconds)
        return Latency(figures, key) if any(figures.values()) else shape.refusal("no request was answered")

    latencies = {"ttft": told("time_to_first_token_ms", 1e-3), "tpot": told("inter_token_latency_ms", 1e-3),
                 "itl": shape.refusal(_NO_GAPS), "e2e": told("request_latency", 1.0)}  # fmt: skip
    if lengths.number("std_dev", math.nan) != 0:
        latencies["tpot"] = shape.refusal(_WEIGHED)
    return latencies


def _load(strategy: Entry) -> Load:
    kind = strategy.word("type_") or strategy.word("kind")
    if kind == "synchronous":
        return Load(math.inf, 1)
    if kind in ("concurrent", "throughput"):
        return Load(math.inf, strategy.count("streams", 0) or strategy.count("max_concurrency", 0) or None)
    rate = strategy.number("rate", math.nan) if strategy.has("rate") else math.nan
    return Load(rate, None, math.inf if kind == "constant" else 1.0)


def _columns(answered: Sequence[Entry], others: Sequence[Entry]) -> RequestColumns:
    every = (*answered, *others)
    times = [each.within("info", "timings") for each in every]

    def column(entries: Sequence[Entry], key: str) -> NDArray[np.float64]:
        return np.array([each.number(key) if each.has(key) else math.nan for each in entries], dtype=np.float64)

    start, first, last = (
        column(times, key) for key in ("request_start", "first_token_iteration", "last_token_iteration")
    )
    failed = np.arange(len(every)) >= len(answered)
    known = start[~np.isnan(start)]
    return RequestColumns(
        sent_at_s=start - known.min() if len(known) == len(start) else None,
        prompt_tokens=column(every, "prompt_tokens"),
        output_tokens=np.where(failed, 0, column(every, "output_tokens")),
        ttft_s=np.where(failed, np.nan, first - start),
        e2e_s=np.where(failed, np.nan, last - start),
        gaps_s=None,
        failed=failed,
    )


def _read_csv(path: Path) -> tuple[Measured, ...]:
    """The benchmarks of a CSV, whose three first lines name group, figure and statistic of each column."""
    try:
        rows = [row for row in csv.reader(whole_text(path).split("\n"), strict=True) if row]
    except csv.Error as error:
        raise FormatError(path, f"expected comma-separated cells: {error}") from None
    if len(rows) < 4 or len({len(row) for row in rows}) != 1:
        raise FormatError(path, "expected three lines of column names and a line for each benchmark, all equally wide")
    keys = [tuple(column) for column in zip(*rows[:3], strict=True)]
    benchmarks = [dict(zip(keys, row, strict=True)) for row in rows[3:]]
    return tuple(_of_csv(path, cells, str(i) if len(benchmarks) > 1 else "") for i, cells in enumerate(benchmarks))


def _of_csv(path: Path, cells: Mapping[tuple[str, ...], str], name: str) -> Measured:
    def number(*key: str) -> float:
        text = cells.get(key, "")
        try:
            value = float(text) if text else math.nan
        except ValueError:
            raise FormatError(path, f"{' '.join(key)}: expected a number, got {text[:40]!r}") from None
        if not (math.isnan(value) or 0 <= value < 1e15):
            raise FormatError(path, f"{' '.join(key)}: expected a number, 0 or more, got {text[:40]!r}")
        return value

    def latency(group: str, unit: str, seconds: float) -> Latency:
        names = {"Mean": "mean", "Median": "p50", "Std Dev": "std"}
        told = {ours: seconds * number(group, f"Successful {unit}", theirs) for theirs, ours in names.items()}
        percentiles = _json(cells.get((group, f"Successful {unit}", "Percentiles"), ""))
        if isinstance(percentiles, list) and len(percentiles) == len(_CSV_PERCENTS):
            kept = zip(_CSV_PERCENTS, percentiles, strict=True)
            told |= {f"p{percent:g}": seconds * float(value) for percent, value in kept if type(value) in (int, float)}
        told = {key: value for key, value in told.items() if not math.isnan(value)}
        return Latency(told, group) if any(told.values()) else shape.refusal("the file has no such figure")

    latencies = {
        "ttft": latency("Time to First Token", "ms", 1e-3),
        "tpot": latency("Inter Token Latency", "ms", 1e-3),
        "itl": shape.refusal(_NO_GAPS),
        "e2e": latency("Request Latency", "Sec", 1.0),
    }
    if number("Token Metrics", "Successful Output Tokens", "Std Dev") != 0:
        latencies["tpot"] = shape.refusal(_WEIGHED)
    successful = _whole(number("Request Counts", "Successful", ""))
    total = _whole(number("Request Counts", "Total", "")) or successful
    backend = _json(cells.get(("Run Info", "Backend", ""), ""))
    strategy = cells.get(("Benchmark", "Strategy", ""), "")
    if not successful:
        latencies = dict.fromkeys(latencies, shape.refusal("no request was answered"))
    told = Measured(
        tool=TOOL,
        version="not named in its CSV",
        files=(path,),
        name=name,
        model=str(backend.get("model") or "") if isinstance(backend, dict) else "",
        load=_load_in_words(strategy),
        requests=total,
        failed=total - successful,
        duration_s=number("Timings", "Duration", "Sec"),
        prompt=Tokens(successful * number("Token Metrics", "Successful Input Tokens", "Mean"), "as in the JSON"),
        output=Tokens(successful * number("Token Metrics", "Successful Output Tokens", "Mean"), "as in the JSON"),
        latencies=latencies,
    )
    return shape.without_late_ends(told)


def _whole(value: float) -> int:
    return 0 if math.isnan(value) else round(value)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _load_in_words(strategy: str) -> Load:
    """`concurrent@2`, `poisson@3.0` and the like."""
    kind, _, amount = strategy.partition("@")
    try:
        value = float(amount) if amount else math.nan
    except ValueError:
        value = math.nan
    if kind == "synchronous":
        return Load(math.inf, 1)
    if kind in ("concurrent", "throughput"):
        return Load(math.inf, int(value) if 0 < value < 1e9 else None)
    return Load(value, None, math.inf if kind == "constant" else 1.0)
