"""Results of inference-perf: summary, stages and single requests, each a JSON file, and the configuration beside them.

Files of a run lie in one folder; whichever is named, the others are read along. None names the version. Source:
inference_perf/reportgen/base.py of inference-perf 0.7.0.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, bare_name, beside, objects, whole_text
from infermodel.formats.results.measured import Field, Latency, Load, Measured, RequestColumns, Tokens
from infermodel.formats.text import FormatError

TOOL = "inference-perf"
EXPECTED = "a JSON report of inference-perf"

FIELDS = (
    Field("time_to_first_token", "s", "ttft", "to the first chunk of the answer: reasoning is not seen; answers of "
          "one token are left out", "computed anew from chunk_times where requests are saved; refused where reasoning "
          "was unseen"),
    Field("time_per_output_token", "s", "tpot", "(last chunk - first) / (tokens that the client saw - 1)",
          "computed anew from chunk_times; of the answer's tokens alone where reasoning was unseen"),
    Field("inter_token_latency", "s", "itl", "gaps between tokens, those of one chunk at one instant, hence zeros",
          "computed anew from chunk_times; refused where chunks hold several tokens"),
    Field("normalized_time_per_output_token", "s", "", "request_latency / tokens: TTFT is inside", "not taken"),
    Field("request_latency", "s", "e2e", "to the end of the stream", "computed anew to the last chunk where requests "
          "are saved; else as it is"),
    Field("schedule_delay", "s", "", "by how much the client sent late, in no latency", "not taken"),
)  # fmt: skip
"""What inference-perf 0.7.0 writes."""

SUMMARY, STAGE, REQUESTS = "summary_lifecycle_metrics", "stage_{}_lifecycle_metrics", "per_request_lifecycle_metrics"
_KEYS = {"ttft": "time_to_first_token", "tpot": "time_per_output_token", "itl": "inter_token_latency",
         "e2e": "request_latency"}  # fmt: skip
_STATISTICS = {"mean": "mean", "min": "min", "max": "max", "median": "p50"} | {f"p{n}": f"p{n}" for n in (90, 95, 99)}
_NAMED = re.compile(r"(?P<prefix>.*?)(summary|per_request|stage_(?P<stage>\d+))_lifecycle_metrics\.json")
_UNSEEN = "the client saw no reasoning, so that its first token is the answer's first"
_MOST_STAGES = 1000


def recognises(value: Any) -> bool:
    """Whether a JSON value is a report of a run or of a stage, or a list of its requests."""
    if isinstance(value, list) and value:
        value = value[0]
        return isinstance(value, dict) and {"start_time", "end_time", "error"} <= value.keys()
    return isinstance(value, dict) and {"load_summary", "successes", "failures"} <= value.keys()


def read(path: Path) -> tuple[Measured, ...]:
    """The run that a file belongs to; each stage by itself where there are several.

    Raises:
        FormatError: with line and column of what is broken.
    """
    named = _NAMED.fullmatch(bare_name(path))
    prefix = named["prefix"] if named else ""
    config_path = beside(path, f"{prefix}config.yaml")
    config = _config(config_path) if config_path else Entry(path, "", 0, {})
    if named is None and path != config_path:
        return (_renamed(path),)
    stages = [beside(path, prefix + STAGE.format(number) + ".json") for number in range(_stages(config, path, prefix))]
    summary, requests = (beside(path, f"{prefix}{kind}.json") for kind in (SUMMARY, REQUESTS))
    if len(stages) > 1 and all(stages):
        found = [(each, f"stage {number}") for number, each in enumerate(stages) if each]
        asked = config.within("load").entries("stages")
        loads = [_load(config, asked[i] if i < len(asked) else None) for i in range(len(found))]
        return tuple(
            _report(objects(each, EXPECTED)[0], (each, *_others(config_path)), name, config, load)
            for (each, name), load in zip(found, loads, strict=True)
        )
    source = summary or next((each for each in stages if each), None)
    files = tuple(dict.fromkeys(each for each in (path, source, requests, *stages, config_path) if each))
    asked = config.within("load").entries("stages")
    load = _load(config, asked[0] if len(asked) == 1 else None)
    told = _report(objects(source, EXPECTED)[0], files, "", config, load) if source else None
    if requests is None:
        if told is None:
            raise FormatError(path, "expected the reports of inference-perf beside its configuration, found none")
        return (told,)
    return (_with_requests(told, objects(requests, EXPECTED), files, config, load),)


def _others(config: Path | None) -> tuple[Path, ...]:
    return (config,) if config else ()


def _renamed(path: Path) -> Measured:
    """A report under a name of its own: nothing is known of its neighbours."""
    found = objects(path, EXPECTED)
    nothing = Entry(path, "", 0, {})
    if "load_summary" in found[0].values:
        return _report(found[0], (path,), "", nothing, Load(math.nan))
    return _with_requests(None, found, (path,), nothing, Load(math.nan))


def _stages(config: Entry, path: Path, prefix: str) -> int:
    """How many stages there are: as the configuration lists, else as many as there are files."""
    asked = len(config.within("load").entries("stages"))
    while asked < _MOST_STAGES and beside(path, prefix + STAGE.format(asked) + ".json"):
        asked += 1
    return asked


def _config(path: Path) -> Entry:
    """The configuration that the tool saves beside its reports."""
    try:
        value = yaml.safe_load(whole_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FormatError(path, f"expected YAML: {str(error).splitlines()[0]}") from None
    return Entry(path, "", 0, value if isinstance(value, dict) else {})


def _load(config: Entry, stage: Entry | None) -> Load:
    load = config.within("load")
    if stage is None:
        stages = load.entries("stages")
        return Load(math.nan, ramp=f"{len(stages)} stages" if len(stages) > 1 else "")
    if stage.has("concurrency_level"):
        return Load(math.inf, stage.count("concurrency_level"))
    rate = stage.number("rate") if stage.has("rate") else math.nan
    return Load(rate, None, math.inf if load.word("type") == "constant" else 1.0)


def _report(entry: Entry, files: Sequence[Path], name: str, config: Entry, load: Load) -> Measured:
    """What a summary tells."""
    successes, failures = entry.within("successes"), entry.within("failures")
    answered, failed = successes.count("count"), failures.count("count")
    asked = entry.within("load_summary")
    if not load.known and not load.ramp and asked.has("requested_rate"):
        load = Load(asked.number("requested_rate"), None, math.nan)
    output = successes.within("output_tokens")
    told = Measured(
        tool=TOOL,
        version="0.7.0 or near, by its keys",
        files=tuple(files),
        name=name,
        model=config.within("server").word("model_name"),
        load=load,
        requests=answered + failed,
        failed=failed,
        duration_s=entry.number("benchmark_time_seconds", math.nan)
        if entry.has("benchmark_time_seconds")
        else math.nan,
        prompt=Tokens(successes.within("prompt_tokens").number("total", 0.0), "the server's usage where it sent one"),
        output=Tokens(output.number("total", 0.0), "the server's usage where it sent one"),
        latencies={ours: _latency(successes.within("latency", key), key) for ours, key in _KEYS.items()},
    )
    if not answered:
        return replace(told, latencies=dict.fromkeys(_KEYS, shape.refusal("no request was answered")))
    seen = successes.within("output_len").number("mean", math.nan) * answered
    if seen < told.output.total * (1 - shape.MORE_THAN_NOISE):
        told = shape.refusing(told, ("ttft",), _UNSEEN)
        told = replace(told, notes=(f"the client saw {seen:,.0f} of {told.output.total:,.0f} tokens",))
    elif seen > told.output.total * (1 + shape.MORE_THAN_NOISE) and told.output.total:
        reason = f"the client counted {seen:,.0f} tokens, the server {told.output.total:,.0f}; requests are not here"
        told = shape.refusing(told, ("tpot", "itl"), reason)
    if told.latencies["itl"].figures_s.get("min") == 0.0:
        told = shape.refusing(told, ("itl",), "tokens of one chunk count as gaps of zero")
    return shape.without_late_ends(told)


def _latency(metric: Entry, key: str) -> Latency:
    told = metric.figures(_STATISTICS, 1.0)
    return Latency(told, key) if told else shape.refusal("the tool leaves out answers of one token, and has no others")


def _with_requests(
    told: Measured | None, lines: Sequence[Entry], files: Sequence[Path], config: Entry, load: Load
) -> Measured:
    """The run with its requests, all latencies computed from them."""
    columns = _columns(lines)
    hidden = np.array([_unseen(line) for line in lines])
    sources = dict.fromkeys(shape.DEFINITIONS, "chunk_times, usage")
    latencies = shape.latencies_of(columns, sources)
    notes: tuple[str, ...] = ()
    total = float(columns.output_tokens[~columns.failed].sum())
    if hidden.any():
        notes = (f"{hidden.sum():,.0f} of the tokens are reasoning that the client did not see",)
        if not columns.failed.all():
            latencies["ttft"] = shape.refusal(_UNSEEN)
        columns = replace(columns, ttft_s=np.full(len(columns), np.nan), output_tokens=columns.output_tokens + hidden)
        total += float(hidden.sum())
    starts = [line.number("start_time", 0.0) for line in lines]
    ends = [line.number("end_time", 0.0) for line in lines]
    asked = _asked_model(lines[0])
    base = told or Measured(TOOL, "0.7.0 or near, by its keys", tuple(files), "", "", load, 0, 0,
                            max(ends) - min(starts), Tokens(0, ""), Tokens(0, ""), {})  # fmt: skip
    return replace(
        base,
        model=base.model or config.within("server").word("model_name") or asked,
        requests=len(columns),
        failed=int(columns.failed.sum()),
        prompt=Tokens(float(columns.prompt_tokens[~columns.failed].sum()), "the server's usage where it sent one"),
        output=Tokens(total, "the server's usage where it sent one"),
        latencies=latencies,
        columns=columns,
        notes=notes,
    )


def _asked_model(line: Entry) -> str:
    try:
        body = json.loads(line.word("request") or "{}")
    except (ValueError, RecursionError):
        return ""
    return str(body.get("model") or "") if isinstance(body, dict) else ""


def _usage(line: Entry) -> Entry:
    return line.within("info", "response_metrics", "server_usage")


def _unseen(line: Entry) -> float:
    """Reasoning tokens by the server's usage that the client's own count lacks."""
    reasoning = _usage(line).within("completion_tokens_details").number("reasoning_tokens", 0.0)
    missing = _usage(line).number("completion_tokens", 0.0) - line.within("info", "response_metrics").number(
        "output_tokens", 0.0
    )
    return reasoning if 0 < reasoning <= missing + 1 else 0.0


def _columns(lines: Sequence[Entry]) -> RequestColumns:
    """Single requests; the tokens of those with unseen reasoning are the answer's alone."""
    failed = np.array([line.has("error") for line in lines], dtype=bool)
    start = np.array([line.number("start_time", 0.0) for line in lines], dtype=np.float64)
    times = [_times(line) for line in lines]
    ttft_s = np.array([each[0] if each.size else math.nan for each in times]) - start
    e2e_s = np.array([each[-1] if each.size else math.nan for each in times]) - start
    prompt, output = [], []
    for line in lines:
        seen, usage = line.within("info", "response_metrics"), _usage(line)
        client = line.within("info", "request_metrics", "text").number("input_tokens", 0.0)
        prompt.append(usage.number("prompt_tokens", client))
        output.append(usage.number("completion_tokens", seen.number("output_tokens", 0.0)) - _unseen(line))
    return RequestColumns(
        sent_at_s=start - start.min() if len(start) else None,
        prompt_tokens=np.array(prompt, dtype=np.float64),
        output_tokens=np.where(failed, 0, np.array(output, dtype=np.float64)),
        ttft_s=np.where(failed, np.nan, ttft_s),
        e2e_s=np.where(failed, np.nan, e2e_s),
        gaps_s=tuple(np.diff(each) for each in times) if any(each.size for each in times) else None,
        failed=failed,
    )


def _times(line: Entry) -> Any:
    """When each chunk with tokens came."""
    seen = line.within("info", "response_metrics")
    value = seen.values.get("chunk_times")
    return seen.numbers("chunk_times", len(value)) if isinstance(value, list) and value else np.empty(0)
