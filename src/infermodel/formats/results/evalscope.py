"""Results of `evalscope perf`: `..._summary.json`, `..._percentile.json` and `..._args.json` of a run, side by side.

None names the version. Source: evalscope/perf/utils/benchmark_util.py, db_util.py and plugin/api/default_api.py of
evalscope 1.14.1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, bare_name, beside, is_number, objects
from infermodel.formats.results.measured import Field, Latency, Load, Measured, Tokens

TOOL = "evalscope perf"
EXPECTED = "a JSON report of `evalscope perf`"

FIELDS = (
    Field("Avg TTFT (ms)", "ms", "ttft", "to the first chunk with text or reasoning", "as it is"),
    Field("Avg TPOT (ms)", "ms", "tpot", "(end of the stream - TTFT) / (tokens - 1), of answers of two tokens or more; "
          "0 if there are none", "as it is; refused where the stream ends after its last token"),
    Field("Avg ITL (ms)", "ms", "itl", "gaps between chunks, not tokens; 0 if there are none",
          "refused where chunks hold several tokens"),
    Field("Avg Latency (s)", "s", "e2e", "to the end of the stream", "as it is; refused as TPOT is"),
    Field("percentiles", "ms, s", "", "the value of the request at that rank, never between two", "as they are"),
)  # fmt: skip
"""What evalscope 1.14.1 writes."""

_KINDS = ("summary", "percentile", "args")
_NAMED = re.compile(r"(?P<stem>.*benchmark)_(summary|percentile|args)\.json")
_COLUMNS = {"ttft": ("TTFT (ms)", 1e-3), "tpot": ("TPOT (ms)", 1e-3), "itl": ("ITL (ms)", 1e-3),
            "e2e": ("Latency (s)", 1.0)}  # fmt: skip
_ROWS = {"min": "min", "max": "max"} | {f"{percent}%": f"p{percent}" for percent in shape.PERCENTS}
_NOTHING = "no answer of two tokens or more"
_LATE = "streams ended after their last token, which the tool counts as decoding"


def recognises(value: Any) -> bool:
    """Whether a JSON value is a summary, a list of percentiles, or the arguments of a run."""
    if isinstance(value, list) and value:
        return isinstance(value[0], dict) and {"Percentiles", "Latency (s)"} <= value[0].keys()
    summary = {"Test Duration (s)", "Total Requests"}
    return isinstance(value, dict) and (summary <= value.keys() or {"parallel", "open_loop", "number"} <= value.keys())


def read(path: Path) -> tuple[Measured, ...]:
    """The run that a file belongs to, with what its neighbours tell of it.

    Raises:
        FormatError: with line and column of what is broken.
    """
    named = _NAMED.fullmatch(bare_name(path))
    places = [beside(path, f"{named['stem']}_{kind}.json") if named else None for kind in _KINDS]
    if not any(places):
        places = _renamed(path)
    summary, percentile, args = places
    files = tuple(dict.fromkeys((path, *(each for each in places if each))))
    asked = objects(args, EXPECTED)[0] if args else Entry(path, "", 0, {})
    rows = objects(percentile, EXPECTED) if percentile else ()
    whole = objects(summary, EXPECTED)[0] if summary else None
    return (_run(whole, rows, asked, files),)


def _renamed(path: Path) -> list[Path | None]:
    first = objects(path, EXPECTED)[0].values
    kinds = ["Test Duration (s)" in first, "Percentiles" in first, "open_loop" in first]
    return [path if there else None for there in kinds]


def _run(whole: Entry | None, rows: Sequence[Entry], asked: Entry, files: Sequence[Path]) -> Measured:
    told = whole or Entry(files[0], "", 0, {})
    answered = told.count("Success Requests", 0)
    latencies = {ours: _latency(told, rows, ours) for ours in _COLUMNS}
    measured = Measured(
        tool=TOOL,
        version="1.14 or near, by its keys",
        files=tuple(files),
        name="",
        model=asked.word("model"),
        load=_load(told if whole else asked, asked.values.get("open_loop") is True or _by_rate(files[0])),
        requests=told.count("Total Requests", asked.count("number", 0)),
        failed=told.count("Failed Requests", 0),
        duration_s=told.number("Test Duration (s)", math.nan) if whole else math.nan,
        prompt=_tokens(told, "Avg Input Tokens", answered),
        output=_tokens(told, "Avg Output Tokens", answered),
        latencies=latencies,
        notes=() if whole else ("its summary is not here",),
    )
    if whole is not None and not answered:
        return replace(measured, latencies=dict.fromkeys(_COLUMNS, shape.refusal("no request was answered")))
    if whole is None and not rows:
        return replace(
            measured, latencies=dict.fromkeys(_COLUMNS, shape.refusal("neither summary nor percentiles are here"))
        )
    return _judged(measured, told)


def _tokens(told: Entry, key: str, answered: int) -> Tokens:
    if not told.has(key):
        return Tokens(math.nan, "", "the summary is not here")
    return Tokens(answered * told.number(key), "the server's usage where it sent one, else the client's tokenizer")


def _by_rate(path: Path) -> bool:
    """Whether the tool named a run or its folder after a rate, as it does where nothing holds requests back."""
    return any(name.startswith("rate_") for name in (path.name, path.parent.name))


def _load(told: Entry, open_loop: bool) -> Load:
    """From the summary, or from the arguments, where a rate of -1 is none; an open loop's concurrency means nothing."""
    rate = told.values.get("Request Rate (req/s)", told.values.get("rate"))
    limit = told.values.get("Concurrency", told.values.get("parallel"))
    if rate is None and limit is None:
        return Load(math.nan)
    concurrency = int(limit) if type(limit) is int and 0 < limit < 1e9 and not open_loop else None
    return Load(float(rate) if is_number(rate) and rate else math.inf, concurrency)


def _latency(told: Entry, rows: Sequence[Entry], ours: str) -> Latency:
    column, seconds = _COLUMNS[ours]
    found = {"mean": told.values.get(f"Avg {column}")} if f"Avg {column}" in told.values else {}
    found |= {
        _ROWS[row.word("Percentiles")]: row.values.get(column) for row in rows if row.word("Percentiles") in _ROWS
    }
    known = {name: float(value) * seconds for name, value in found.items() if is_number(value)}
    return Latency(known, column) if any(known.values()) else shape.refusal(_NOTHING)


def _judged(measured: Measured, told: Entry) -> Measured:
    """The run with what its chunks do not allow refused. Gaps and TPOT differ by the tokens of a chunk; where they
    differ otherwise, streams went on after their last token.
    """
    tpot, itl = (measured.latencies[name].figures_s for name in ("tpot", "itl"))
    statistic = "mean" if "mean" in tpot and "mean" in itl else "p50"
    if not itl.get(statistic):
        return measured
    held = told.number("Avg Decoded Tok/Iter", 1.0)
    ratio = tpot.get(statistic, math.nan) * max(held, 1.0) / itl[statistic]
    noise = 5 * shape.MORE_THAN_NOISE
    if ratio > 1 + noise:
        measured = shape.refusing(measured, ("tpot", "e2e"), _LATE)
    if held > 1 + shape.MORE_THAN_NOISE or ratio < 1 - noise:
        held = max(held, 1 / ratio if ratio else held)
        measured = shape.refusing(measured, ("itl",), f"gaps are of chunks of {held:.1f} tokens, not of tokens")
        note = "'Spec. Accept Rate' is worked out from tokens a chunk and tells nothing of speculation"
        measured = replace(measured, notes=(*measured.notes, *([note] if told.has("Spec. Accept Rate") else [])))
    return measured
