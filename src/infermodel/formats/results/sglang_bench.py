"""Results of SGLang's serving benchmark: JSON lines, one run each, with single requests after `--output-details`.

The file names neither the client's version nor, unless the server told it, the model. Source:
sglang/benchmark/serving.py of SGLang 0.5.23.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, numbered
from infermodel.formats.results.measured import Field, Latency, Load, Measured, RequestColumns, Tokens

TOOL = "sglang bench"
EXPECTED = "the JSON lines that SGLang's serving benchmark writes"

FIELDS = (
    Field("ttfts, mean_ttft_ms", "s, ms", "ttft", "to the first chunk with text or reasoning", "as it is"),
    Field("mean_tpot_ms", "ms", "tpot", "(end of the stream - TTFT) / (tokens - 1); tokens are those asked where the "
          "server sent no usage", "computed anew to the last chunk with text; refused where the tokens asked were not "
          "sent, or without details where the stream ends after its last token"),
    Field("itls, mean_itl_ms", "s, ms", "itl", "gaps between chunks; of the native endpoint spread evenly over a "
          "chunk's tokens", "refused where chunks hold several tokens"),
    Field("mean_e2e_latency_ms", "ms", "e2e", "to the end of the stream, usage and finish chunks included",
          "computed anew to the last chunk with text where details are saved; else refused where the two differ"),
)  # fmt: skip
"""What SGLang 0.5.23 writes."""

_NATIVE = ("sglang", "sglang-native")
_NAMES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e": "e2e_latency"}
_ASKED = "the file holds the tokens asked, not those sent: the server sent no usage, and its text and chunks differ"
_TAIL = "the tool counts to the end of the stream, which here is later than the last token"


def recognises(value: Any) -> bool:
    """Whether a JSON value is such a result."""
    return isinstance(value, dict) and "total_output_tokens_retokenized" in value


def read(path: Path) -> tuple[Measured, ...]:
    """The runs of a result file, in order.

    Raises:
        FormatError: with line and column of what is broken.
    """
    return tuple(_run(entry, name) for entry, name in numbered(path, EXPECTED))


def _run(entry: Entry, name: str) -> Measured:
    answered = entry.count("completed")
    columns = _columns(entry) if entry.has("ttfts") else None
    server = entry.within("server_info")
    accepted = entry.number("accept_length", 0.0)
    told = Measured(
        tool=TOOL,
        version=_version(server),
        files=(entry.path,),
        name=name,
        model=server.word("served_model_name") or server.word("model_path"),
        load=Load(_rate(entry), entry.count("max_concurrency", 0) or None),
        requests=answered if columns is None else len(columns),
        failed=0 if columns is None else int(columns.failed.sum()),
        duration_s=entry.number("duration"),
        prompt=_prompt(entry, columns),
        output=Tokens(entry.count("total_output_tokens"), "the server's usage, else the tokens asked"),
        latencies={ours: _summary(entry, theirs, answered) for ours, theirs in _NAMES.items()},
        speculation=f"{accepted:.2f} tokens a step by the server" if accepted > 0 else "",
        columns=columns,
    )
    if columns is None:
        told = replace(told, notes=("without details the file does not tell how many requests failed",))
        return _without_details(told) if answered else told
    sources = {"ttft": "ttfts", "tpot": "itls, output_lens", "itl": "itls", "e2e": "ttfts, itls"}
    told = replace(told, latencies=shape.latencies_of(columns, sources))
    return _judged(told, entry, columns) if told.answered else told


def _version(server: Entry) -> str:
    told = f"; the server is {server.word('version')}" if server.word("version") else ""
    return f"0.5.23 or near, by its keys{told}"


def _rate(entry: Entry) -> float:
    return math.nan if entry.word("request_rate") == "trace" else entry.rate("request_rate")


def _summary(entry: Entry, kind: str, answered: int) -> Latency:
    names = {f"mean_{kind}_ms": "mean", f"median_{kind}_ms": "p50", f"std_{kind}_ms": "std"}
    names |= {f"p{percent}_{kind}_ms": f"p{percent}" for percent in shape.PERCENTS}
    told = entry.figures(names, 1e-3)
    if not answered or not told:
        return shape.refusal("no request was answered" if not answered else "the file has no such summary")
    return Latency(told, f"{kind}_ms") if any(told.values()) else shape.refusal("no answer of two tokens or more")


def _prompt(entry: Entry, columns: RequestColumns | None) -> Tokens:
    """Prompt tokens; with details those of the answered requests, by the server's usage where it sent one."""
    if columns is None:
        return Tokens(entry.count("total_input_tokens"), "as asked, by the client's tokenizer")
    known = float(columns.prompt_tokens[~columns.failed].sum())
    return Tokens(known, "the server's usage, else the client's tokenizer")


def _columns(entry: Entry) -> RequestColumns:
    ttfts = entry.values["ttfts"]
    count = len(ttfts) if isinstance(ttfts, list) else 0
    if not count:
        raise entry.wrong("ttfts", "a list of seconds, one a request")
    ttft_s, output = entry.numbers("ttfts", count), entry.numbers("output_lens", count)
    gaps_s = entry.lists_of_numbers("itls", count)
    errors = entry.values.get("errors")
    told = errors if isinstance(errors, list) and len(errors) == count else [""] * count
    failed = np.array([bool(error) for error in told]) | ((output == 0) & (ttft_s == 0))
    ttft_s = np.where(failed, np.nan, ttft_s)
    return RequestColumns(
        sent_at_s=None,
        prompt_tokens=entry.numbers("input_lens", count),
        output_tokens=np.where(failed, 0, output),
        ttft_s=ttft_s,
        e2e_s=ttft_s + np.array([one.sum() for one in gaps_s]),
        gaps_s=gaps_s,
        failed=failed,
    )


def _judged(told: Measured, entry: Entry, columns: RequestColumns) -> Measured:
    """The run with what its details do not bear out refused."""
    kept = entry.number("total_output_tokens_retokenized", math.nan)
    held = shape.tokens_a_chunk(columns)
    native = entry.word("backend") in _NATIVE
    as_chunks = abs(held - 1) <= shape.MORE_THAN_NOISE
    as_text = abs(kept / told.output.total - 1) <= 5 * shape.MORE_THAN_NOISE if told.output.total else False
    if not (as_chunks or as_text or native or told.speculation or _with_usage(entry, columns)):
        known = replace(columns, output_tokens=np.full(len(columns), np.nan))
        told = replace(told, columns=known, output=Tokens(math.nan, "", _ASKED))
        return shape.refusing(told, ("tpot", "itl"), _ASKED)
    ended = entry.number("mean_e2e_latency_ms", 0.0) / 1e3
    mean_s = told.latencies["e2e"].figures_s["mean"]
    if ended > mean_s * (1 + shape.MORE_THAN_NOISE):
        late = (
            f"streams ended {1e3 * (ended - mean_s):.0f} ms after their last token, which the tool counts as decoding"
        )
        told = replace(told, notes=(*told.notes, late))
    if native:
        told = shape.refusing(told, ("itl",), "the tool spreads a chunk's gap evenly over its tokens")
    return told


def _with_usage(entry: Entry, columns: RequestColumns) -> bool:
    """Whether answers differ from what was asked, which only the server's usage can have told."""
    asked = entry.number("random_output_len", math.nan)
    sent = columns.output_tokens[~columns.failed]
    fixed = entry.word("dataset_name").startswith("random") and entry.number("random_range_ratio", 0.0) == 1.0
    return fixed and bool((sent != asked).any())


def _without_details(told: Measured) -> Measured:
    """The run of a summary alone: tokens cannot be told from those asked, and the end of a stream not from its last
    token, unless gaps and times agree with one token a chunk.
    """
    mean = {name: told.latencies[name].figures_s.get("mean", math.nan) for name in shape.DEFINITIONS}
    chunks = 1 + (mean["e2e"] - mean["ttft"]) / mean["itl"] if mean["itl"] > 0 else math.nan
    if abs(told.output.total / told.answered / chunks - 1) <= shape.MORE_THAN_NOISE:
        return told
    reason = f"{_TAIL}, or chunks held several tokens, or {_ASKED}; the file has no details to tell which"
    return shape.refusing(told, ("tpot", "itl", "e2e"), reason)
