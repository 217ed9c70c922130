"""Results of NVIDIA's aiperf: `profile_export.jsonl` (requests), `profile_export_aiperf.json` and `.csv` (summaries).

The files of a run lie side by side; whichever is named, the others are read along. Source: aiperf/metrics/types of
aiperf 0.13.0.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, bare_name, beside, objects, whole_text
from infermodel.formats.results.measured import Field, Latency, Load, Measured, RequestColumns, Tokens
from infermodel.formats.text import FormatError

TOOL = "aiperf"
EXPECTED = "the JSON that `aiperf profile` writes"

FIELDS = (
    Field("time_to_first_token", "ms", "ttft", "to the first chunk with text or reasoning", "as it is"),
    Field("time_to_first_output_token", "ms", "", "to the answer's first chunk, after all reasoning", "not taken"),
    Field("time_to_second_token", "ms", "", "from the first chunk to the second", "not taken"),
    Field("inter_token_latency", "ms", "tpot", "(last token - first) / (tokens - 1), one figure a request; tokens by "
          "the client's tokenizer", "as TPOT, anew by the server's usage where that is told and differs"),
    Field("inter_chunk_latency", "ms", "itl", "gaps between chunks, not tokens",
          "as ITL; refused where chunks hold several tokens"),
    Field("request_latency", "ms", "e2e", "to the last chunk with text or reasoning", "as it is"),
    Field("decode_duration", "ms", "", "request_latency - time_to_first_token", "not taken"),
    Field("effective_latency", "ms", "", "request_latency and, before it, credit_to_start_latency: the client's own "
          "delay", "not taken"),
    Field("http_req_waiting", "ms", "", "from the end of sending to the answer's first byte", "not taken"),
)  # fmt: skip
"""What aiperf 0.13.0 writes."""

_TAGS = {"ttft": "time_to_first_token", "tpot": "inter_token_latency", "itl": "inter_chunk_latency",
         "e2e": "request_latency"}  # fmt: skip
_STATISTICS = {"avg": "mean", "std": "std", "min": "min", "max": "max"} | {f"p{n}": f"p{n}" for n in shape.PERCENTS}
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "sec": 1.0, "s": 1.0}


def recognises(value: Any) -> bool:
    """Whether a JSON value is a summary or a line of requests of aiperf."""
    if not isinstance(value, dict):
        return False
    return "aiperf_version" in value or ("metrics" in value and "request_start_ns" in str(value.get("metadata")))


def recognises_csv(first_line: str) -> bool:
    """Whether a CSV file starts as aiperf's."""
    return first_line.startswith("Metric,avg,min,max,sum,")


def read(path: Path) -> tuple[Measured, ...]:
    """The run that a file belongs to, with what its neighbours tell of it.

    Raises:
        FormatError: with line and column of what is broken.
    """
    stem = bare_name(path)
    for ending in ("_aiperf.json", "_aiperf.csv", ".jsonl"):
        stem = stem.removesuffix(ending)
    places = [beside(path, stem + ending) for ending in ("_aiperf.json", ".jsonl", "_aiperf.csv")]
    summary, lines, table = (each if each is None or not path.samefile(each) else path for each in places)
    if path not in (summary, lines, table):  # renamed: what it is stands in it
        summary, lines, table = _renamed(path)
    files = (path, *(each for each in (summary, lines, table) if each is not None and each != path))
    if summary is not None:
        (entry,) = objects(summary, EXPECTED)[:1]
        told = _summary(entry, files)
    elif table is not None:
        told = _summary(_as_json(table), files)
    else:
        told = _nothing_but_requests(files)
    return (_with_requests(told, objects(lines, EXPECTED)) if lines is not None else told,)


def _renamed(path: Path) -> tuple[Path | None, Path | None, Path | None]:
    if bare_name(path).endswith(".csv"):
        return None, None, path
    return (path, None, None) if "aiperf_version" in objects(path, EXPECTED)[0].values else (None, path, None)


def _summary(entry: Entry, files: Sequence[Path]) -> Measured:
    answered = round(entry.within("request_count").number("avg", 0.0))
    failed = round(entry.within("error_request_count").number("avg", 0.0))
    nothing = "no request was answered" if not answered else "no answer of two tokens or more"
    told = {name: _latency(entry.within(tag), tag, nothing) for name, tag in _TAGS.items()}
    duration = entry.within("benchmark_duration")
    measured = Measured(
        tool=TOOL,
        version=entry.word("aiperf_version") or "not named in its CSV",
        files=tuple(files),
        name="",
        model=_model(entry.within("input_config")),
        load=_load(entry.within("input_config")),
        requests=answered + failed,
        failed=failed,
        duration_s=duration.number("avg") * _unit(duration) if duration.has("avg") else math.nan,
        prompt=_tokens(entry, "usage_prompt_tokens", "input_sequence_length", answered),
        output=_tokens(entry, "usage_completion_tokens", "output_sequence_length", answered),
        latencies=told,
    )
    return _judged(measured, entry)


def _judged(told: Measured, entry: Entry) -> Measured:
    """The summary with what it does not bear out refused."""
    client, server = (entry.within(tag) for tag in ("output_sequence_length", "usage_completion_tokens"))
    ours, theirs = client.number("avg", 0.0), server.number("avg", 0.0)
    chunks = entry.within("inter_chunk_latency")
    if ours and theirs and abs(ours / theirs - 1) > shape.MORE_THAN_NOISE:
        reason = f"the client counted {ours:g} tokens an answer and the server {theirs:g}; the requests are not here"
        told = shape.refusing(told, ("tpot", "itl"), reason)
    elif told.answered and chunks.has("count") and told.latencies["itl"].figures_s:
        held = told.output.total / (chunks.count("count") + told.answered)
        if held > 1 + shape.MORE_THAN_NOISE:
            told = shape.refusing(told, ("itl",), f"gaps are of chunks of {held:.1f} tokens, not of tokens")
    elif told.latencies["itl"].figures_s:
        told = shape.refusing(told, ("itl",), "gaps are of chunks, and the file does not tell how many")
    return told


def _latency(metric: Entry, tag: str, nothing: str) -> Latency:
    told = metric.figures(_STATISTICS, _unit(metric))
    return Latency(told, tag) if told else shape.refusal(nothing)


def _unit(metric: Entry) -> float:
    if metric.word("unit") and metric.word("unit") not in _UNITS:
        raise metric.wrong("unit", "a unit of time: ns, us, ms or sec")
    return _UNITS[metric.word("unit") or "ms"]


def _tokens(entry: Entry, server: str, client: str, answered: int) -> Tokens:
    for tag, counted in ((server, "the server's usage"), (client, "the client's tokenizer")):
        if entry.within(tag).has("avg"):
            return Tokens(answered * entry.within(tag).number("avg"), counted)
    return Tokens(0.0 if not answered else math.nan, "")


def _model(config: Entry) -> str:
    models = config.within("models").entries("items") or ()
    names = [each.word("name") for each in models]
    return names[0] if len(set(names)) == 1 else ", ".join(names)


def _load(config: Entry) -> Load:
    phases = [phase for phase in config.entries("phases") if phase.word("kind") != "warmup"]
    if len(phases) != 1:
        return Load(math.nan, None, ramp=f"{len(phases)} phases" if phases else "")
    (phase,) = phases
    rate = phase.rate("rate")
    law = {"constant": math.inf, "gamma": phase.number("smoothness", 1.0)}.get(phase.word("type"), 1.0)
    ramped = [key for key in ("rate_ramp", "concurrency_ramp", "rate_ramp_duration") if phase.has(key)]
    limit = phase.count("concurrency", 0) or None
    known = phase.word("type") in ("concurrency", "poisson", "constant", "gamma")
    return Load(rate if known else math.nan, limit, law, "a load that rises" if ramped else "")


def _nothing_but_requests(files: Sequence[Path]) -> Measured:
    return Measured(
        tool=TOOL,
        version="not named in its requests; no summary lies beside them",
        files=tuple(files),
        name="",
        model="",
        load=Load(math.nan),
        requests=0,
        failed=0,
        duration_s=math.nan,
        prompt=Tokens(math.nan, ""),
        output=Tokens(math.nan, ""),
        latencies={},
    )


def _with_requests(told: Measured, lines: Sequence[Entry]) -> Measured:
    """The run with its requests, all latencies computed from them; those of a warm-up are left out."""
    measured = [line for line in lines if line.within("metadata").word("benchmark_phase") != "warmup"]
    columns = _columns(measured)
    server = _column(measured, "usage_completion_tokens")
    told = replace(
        told,
        requests=len(columns),
        failed=int(columns.failed.sum()),
        columns=columns,
        prompt=Tokens(float(columns.prompt_tokens[~columns.failed].sum()), _counted(measured, "usage_prompt_tokens")),
        output=Tokens(float(columns.output_tokens.sum()), _counted(measured, "usage_completion_tokens")),
        latencies=shape.latencies_of(columns, _TAGS),
    )
    reasoning = _column(measured, "reasoning_token_count")
    if np.nansum(reasoning) > 0:
        told = replace(told, notes=(*told.notes, f"{np.nansum(reasoning):,.0f} of the tokens are reasoning"))
    if columns.sent_at_s is not None and math.isnan(told.duration_s):
        ends = columns.sent_at_s + np.nan_to_num(columns.e2e_s)
        told = replace(told, duration_s=float(ends.max()))
    client = _column(measured, "output_sequence_length")
    if abs(np.nansum(client) - np.nansum(server)) > shape.MORE_THAN_NOISE * np.nansum(server) > 0:
        said = f"the client's tokenizer counted {np.nansum(client):,.0f} tokens, the server {np.nansum(server):,.0f}"
        told = replace(told, notes=(*told.notes, said))
    return told


def _counted(lines: Sequence[Entry], usage: str) -> str:
    known = not np.isnan(_column(lines, usage)).all()
    return "the server's usage" if known else "the client's tokenizer"


def _column(lines: Sequence[Entry], tag: str) -> NDArray[np.float64]:
    """A metric of each request in its own unit, NaN where it has none."""
    metrics = [line.within("metrics", tag) for line in lines]
    return np.array([each.number("value") if each.has("value") else math.nan for each in metrics], dtype=np.float64)


def _columns(lines: Sequence[Entry]) -> RequestColumns:
    failed = np.array([line.has("error") for line in lines], dtype=bool)
    start = np.array([line.within("metadata").number("request_start_ns", 0.0) for line in lines], dtype=np.float64)

    def seconds(tag: str) -> NDArray[np.float64]:
        units = np.array([_unit(line.within("metrics", tag)) for line in lines])
        return np.where(failed, np.nan, _column(lines, tag) * units)

    def counted(server: str, client: str) -> NDArray[np.float64]:
        usage = _column(lines, server)
        return np.where(np.isnan(usage), _column(lines, client), usage)

    gaps = [line.within("metrics", "inter_chunk_latency") for line in lines]
    prompt = counted("usage_prompt_tokens", "input_sequence_length")
    return RequestColumns(
        sent_at_s=(start - start.min()) / 1e9 if len(start) and start.min() > 0 else None,
        prompt_tokens=np.where(failed, _column(lines, "error_isl"), prompt),
        output_tokens=np.where(failed, 0, counted("usage_completion_tokens", "output_sequence_length")),
        ttft_s=seconds("time_to_first_token"),
        e2e_s=seconds("request_latency"),
        gaps_s=tuple(_gaps(each) for each in gaps),
        failed=failed,
    )


def _gaps(metric: Entry) -> NDArray[np.float64]:
    value = metric.values.get("value")
    count = len(value) if isinstance(value, list) else 0
    return metric.numbers("value", count) * _unit(metric) if count else np.empty(0)


def _as_json(path: Path) -> Entry:
    """A CSV summary as the JSON has it: an object of metrics by tag, each with its statistics."""
    try:
        rows = [row for row in csv.reader(whole_text(path).split("\n"), strict=True) if row]
    except csv.Error as error:
        raise FormatError(path, f"expected comma-separated cells: {error}") from None
    metrics: dict[str, Any] = {}
    names: Sequence[str] = ()
    for row in rows:
        if row[0] in ("Metric", "Endpoint"):
            names = ("Metric", "avg") if row[1:] == ["Value"] else row
        elif names and names[0] == "Metric" and len(row) == len(names):
            tag, unit = _tag(row[0])
            metrics[tag] = {"unit": unit} | _cells(path, row[0], dict(zip(names[1:], row[1:], strict=True)))
    return Entry(path, "", 0, metrics)


def _cells(path: Path, metric: str, cells: Mapping[str, str]) -> dict[str, float]:
    try:
        return {name: float(cell) for name, cell in cells.items() if cell}
    except ValueError:
        raise FormatError(path, f"{metric}: expected numbers, got {', '.join(cells.values())[:60]!r}") from None


def _tag(title: str) -> tuple[str, str]:
    """The JSON's name of a metric and its unit.

    >>> _tag("Time to First Token (ms)"), _tag("Request Count")
    (('time_to_first_token', 'ms'), ('request_count', ''))
    """
    name, _, unit = title.partition(" (")
    return name.lower().replace(" ", "_"), unit.removesuffix(")")
