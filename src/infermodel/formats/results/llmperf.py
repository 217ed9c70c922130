"""Results of Ray's llmperf: `..._summary.json` and `..._individual_responses.json` of a run, side by side.

Written from the source (token_benchmark_ray.py and ray_clients/openai_chat_completions_client.py, file version
2023-08-31) and tried on small files of our own; not tried on a file of the publisher.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, bare_name, beside, objects
from infermodel.formats.results.measured import Field, Latency, Load, Measured, RequestColumns, Tokens
from infermodel.formats.text import FormatError

TOOL = "llmperf"
EXPECTED = "the JSON that llmperf's token_benchmark_ray.py writes"

FIELDS = (
    Field("ttft_s", "s", "ttft", "to the first chunk with text; reasoning is not seen", "as it is"),
    Field("inter_token_latency_s", "s", "tpot", "time to the last chunk with text / tokens of the text: TTFT is inside",
          "with single requests (it * tokens - TTFT) / (tokens - 1); else refused"),
    Field("end_to_end_latency_s", "s", "e2e", "to the end of the stream",
          "with single requests it * tokens; else as it is"),
)  # fmt: skip
"""What llmperf writes in files of version 2023-08-31."""

_ENDINGS = ("_summary.json", "_individual_responses.json")
_INSIDE = "TTFT is inside what the tool calls inter token latency; single requests, which would tell, are not here"
_NO_GAPS = "the tool keeps no gap between chunks"
_NOT_TRIED = "this reader was not tried on the publisher's file"


def recognises(value: Any) -> bool:
    """Whether a JSON value is a summary or a list of requests of llmperf."""
    if isinstance(value, list) and value:
        return isinstance(value[0], dict) and {"ttft_s", "number_output_tokens"} <= value[0].keys()
    return isinstance(value, dict) and {"results_ttft_s_mean", "num_concurrent_requests"} <= value.keys()


def read(path: Path) -> tuple[Measured, ...]:
    """The run that a file belongs to, with what its neighbour tells of it.

    Raises:
        FormatError: with line and column of what is broken.
    """
    stem = bare_name(path)
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    summary, single = (beside(path, stem + ending) for ending in _ENDINGS)
    if path not in (summary, single):
        first = objects(path, EXPECTED)[0].values
        summary, single = (path, None) if "results_ttft_s_mean" in first else (None, path)
    files = (path, *(each for each in (summary, single) if each and each != path))
    whole = objects(summary, EXPECTED)[0] if summary else None
    lines = objects(single, EXPECTED) if single else ()
    return (_run(whole, lines, files),)


def _run(whole: Entry | None, lines: Sequence[Entry], files: Sequence[Path]) -> Measured:
    told = whole or Entry(files[0], "", 0, {})
    columns = _columns(lines) if lines else None
    if columns is not None:
        latencies = shape.latencies_of(columns, {
            "ttft": "ttft_s", "tpot": "(inter_token_latency_s * tokens - ttft_s) / (tokens - 1)", "itl": "",
            "e2e": "inter_token_latency_s * tokens"})  # fmt: skip
    else:
        latencies = {"ttft": _summary(told, "ttft_s"), "e2e": _summary(told, "end_to_end_latency_s")}
        latencies["tpot"] = shape.refusal(_INSIDE)
    latencies["itl"] = shape.refusal(_NO_GAPS)
    answered = told.count("results_num_completed_requests", 0 if columns is None else int((~columns.failed).sum()))
    failed = told.count("results_number_errors", 0 if columns is None else int(columns.failed.sum()))
    per_minute = told.number("results_num_completed_requests_per_min", 0.0)
    if not answered:
        latencies = dict.fromkeys(shape.DEFINITIONS, shape.refusal("no request was answered"))
    return Measured(
        tool=TOOL,
        version=f"of file version {told.word('version')}" if told.word("version") else "not named",
        files=tuple(files),
        name="",
        model=told.word("model"),
        load=Load(math.inf, told.count("num_concurrent_requests")) if whole else Load(math.nan),
        requests=answered + failed,
        failed=failed,
        duration_s=60 * answered / per_minute if per_minute else math.nan,
        prompt=_tokens(told, columns, "input", answered),
        output=_tokens(told, columns, "output", answered),
        latencies=latencies,
        columns=columns,
        notes=("prompts that found no free client were never sent and are not counted", _NOT_TRIED),
    )


def _summary(told: Entry, key: str) -> Latency:
    names = {f"results_{key}_{name}": ours for name, ours in
             (("mean", "mean"), ("stddev", "std"), ("min", "min"), ("max", "max"))}  # fmt: skip
    names |= {f"results_{key}_quantiles_p{percent}": f"p{percent}" for percent in shape.PERCENTS}
    figures = told.figures(names, 1.0)
    return Latency(figures, key) if figures else shape.refusal("the file has no such summary")


def _tokens(told: Entry, columns: RequestColumns | None, which: str, answered: int) -> Tokens:
    if columns is not None:
        counts = columns.prompt_tokens if which == "input" else columns.output_tokens
        return Tokens(float(counts[~columns.failed].sum()), "the client's tokenizer")
    key = f"results_number_{which}_tokens_mean"
    return Tokens(answered * told.number(key) if told.has(key) else math.nan, "the client's tokenizer")


def _columns(lines: Sequence[Entry]) -> RequestColumns:
    def column(key: str) -> NDArray[np.float64]:
        return np.array([line.number(key) if line.has(key) else math.nan for line in lines], dtype=np.float64)

    failed = np.array([line.has("error_code") for line in lines], dtype=bool)
    output = column("number_output_tokens")
    if np.isnan(output[~failed]).any():
        raise FormatError(lines[0].path, "number_output_tokens: expected in each request; it is missing in some")
    return RequestColumns(
        sent_at_s=None,
        prompt_tokens=column("number_input_tokens"),
        output_tokens=np.where(failed, 0, output),
        ttft_s=np.where(failed, np.nan, column("ttft_s")),
        e2e_s=np.where(failed, np.nan, column("inter_token_latency_s") * output),
        gaps_s=None,
        failed=failed,
    )
