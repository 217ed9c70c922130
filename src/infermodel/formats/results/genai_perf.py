"""Results of NVIDIA's genai-perf: `profile_export_genai_perf.json`, a summary.

Written from the source of genai-perf 0.0.16 (genai_perf/export_data/json_exporter.py, profile_data_parser/
llm_profile_data_parser.py); not tried on a file of the publisher.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, objects
from infermodel.formats.results.measured import Field, Latency, Load, Measured, Tokens
from infermodel.formats.text import FormatError

TOOL = "genai-perf"
EXPECTED = "the JSON summary that `genai-perf profile` writes"

FIELDS = (
    Field("time_to_first_token", "ms", "ttft", "to the first response with text", "as it is"),
    Field("inter_token_latency", "ms", "tpot", "(last response - first) / (tokens - 1), one figure a request; tokens "
          "by the client's tokenizer", "as TPOT"),
    Field("request_latency", "ms", "e2e", "to the last response with text", "as it is"),
)  # fmt: skip
"""What genai-perf 0.0.16 writes."""

_TAGS = {"ttft": "time_to_first_token", "tpot": "inter_token_latency", "e2e": "request_latency"}
_STATISTICS = {"avg": "mean", "std": "std", "min": "min", "max": "max"} | {f"p{n}": f"p{n}" for n in shape.PERCENTS}
_NO_GAPS = "the tool keeps no gap between chunks; what it calls inter token latency is a mean a request, here TPOT"


def recognises(value: Any) -> bool:
    """Whether a JSON value is such a summary."""
    return (
        isinstance(value, dict)
        and "aiperf_version" not in value
        and {"request_latency", "request_throughput", "input_config"} <= value.keys()
    )


def recognises_csv(first_line: str) -> bool:
    """Whether a CSV file starts as genai-perf's."""
    return first_line.startswith("Metric,avg,min,max,p99,")


def read(path: Path) -> tuple[Measured, ...]:
    """The run that a summary tells of.

    Raises:
        FormatError: with line and column of what is broken.
    """
    if path.name.removesuffix(".gz").endswith(".csv"):
        raise FormatError(path, "is genai-perf's table for a screen; name the .json that it writes beside it")
    return tuple(_run(entry) for entry in objects(path, EXPECTED))


def _run(entry: Entry) -> Measured:
    answered = round(entry.within("request_count").number("avg", 0.0))
    config = entry.within("input_config")
    latencies = {name: _latency(entry.within(tag), tag) for name, tag in _TAGS.items()}
    rate = entry.within("request_throughput").number("avg", 0.0)
    return Measured(
        tool=TOOL,
        version="0.0.16 or near, by its keys",
        files=(entry.path,),
        name="",
        model=", ".join(_names(config)),
        load=_load(config),
        requests=answered,
        failed=0,
        duration_s=answered / rate if rate and math.isfinite(rate) else math.nan,
        prompt=_tokens(entry, "input_sequence_length", answered),
        output=_tokens(entry, "output_sequence_length", answered),
        latencies={**latencies, "itl": shape.refusal(_NO_GAPS)},
        notes=("the file does not tell how many requests failed", "this reader was not tried on the publisher's file"),
    )


def _names(config: Entry) -> list[str]:
    for place in (config, config.within("models")):
        for key in ("model_names", "model", "models"):
            value = place.values.get(key)
            if isinstance(value, str):
                return [value]
            if isinstance(value, list):
                return [each for each in value if isinstance(each, str)]
    return []


def _load(config: Entry) -> Load:
    stimulus = config.within("perf_analyzer", "stimulus")
    if stimulus.has("request_rate"):
        return Load(stimulus.number("request_rate"), None, math.nan)
    if stimulus.has("concurrency"):
        return Load(math.inf, stimulus.count("concurrency"))
    return Load(math.nan)


def _latency(metric: Entry, tag: str) -> Latency:
    if metric.word("unit") not in ("", "ms"):
        raise metric.wrong("unit", "'ms'")
    told = metric.figures(_STATISTICS, 1e-3)
    return Latency(told, tag) if any(told.values()) else shape.refusal("the file has no such figure; was it streamed?")


def _tokens(entry: Entry, tag: str, answered: int) -> Tokens:
    metric = entry.within(tag)
    return Tokens(answered * metric.number("avg") if metric.has("avg") else math.nan, "the client's tokenizer")
