"""Results of `vllm bench serve --save-result`, with the per-request lists of `--save-detailed` where they are there.

The file holds one JSON object, or several after each other where `--append-result` was used. It does not name the
version of vLLM. Source: vllm/benchmarks/serve.py and lib/endpoint_request_func.py of vLLM 0.33.0.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.columns import MOST_TOKENS
from infermodel.formats.results import measured as shape
from infermodel.formats.results.documents import Entry, numbered
from infermodel.formats.results.measured import Field, Latency, Load, Measured, RequestColumns, Tokens
from infermodel.formats.results.seen import TEXT_UNSEEN, several_a_chunk

TOOL = "vllm bench"
EXPECTED = "the JSON that `vllm bench serve --save-result` writes"

FIELDS = (
    Field("ttfts, mean_ttft_ms", "s, ms", "ttft", "to the first chunk with text or `reasoning`; in completions to "
          "the first chunk of any kind", "as it is; refused where a chunk without a token or unseen tokens show"),
    Field("mean_tpot_ms", "ms", "tpot", "(latency - TTFT) / (tokens - 1), of answers of two tokens or more",
          "computed anew from ttfts, itls and output_lens where these are saved; refused as TTFT is"),
    Field("itls, mean_itl_ms", "s, ms", "itl", "gaps between chunks, not tokens",
          "refused where chunks hold several tokens"),
    Field("latencies, mean_e2el_ms", "s, ms", "e2e", "to the last chunk that was timed, not the end of the stream",
          "as it is"),
    Field("queue_times", "s", "", "wait in the client for a place within the limit on concurrency, in no latency",
          "its mean is said"),
)  # fmt: skip
"""What vLLM 0.33.0 writes."""

NOTED_WAIT_S = 0.01
"""A wait of less is the client's own work."""

_KINDS = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
_EMPTY = "more chunks were timed than there are tokens: the client times chunks without text, perhaps as the first"


def recognises(value: Any) -> bool:
    """Whether a JSON value is such a result."""
    return isinstance(value, dict) and {"num_prompts", "total_input_tokens", "completed"} <= value.keys()


def read(path: Path) -> tuple[Measured, ...]:
    """The runs of a result file, in order.

    Raises:
        FormatError: with line and column of what is broken.
    """
    return tuple(_run(entry, name) for entry, name in numbered(path, EXPECTED))


def _run(entry: Entry, name: str) -> Measured:
    answered, requests = entry.count("completed"), entry.count("num_prompts")
    told = Measured(
        tool=TOOL,
        version="0.33.0 or near, by its keys" if "latencies" in entry.values else "before 0.33.0, by its keys",
        files=(entry.path,),
        name=name,
        model=entry.word("model_id"),
        load=_load(entry),
        requests=requests,
        failed=max(0, requests - answered),
        duration_s=entry.number("duration"),
        prompt=Tokens(entry.count("total_input_tokens"), "the server's usage, else the client's tokenizer"),
        output=Tokens(entry.count("total_output_tokens"), "the server's usage, else the client's tokenizer"),
        latencies={name: _summary(entry, name, answered) for name in shape.DEFINITIONS},
        speculation=_speculation(entry),
        notes=_notes(entry),
    )
    if entry.has("ttfts"):
        columns = _columns(entry)
        sources = {"ttft": "ttfts", "tpot": "itls, output_lens", "itl": "itls", "e2e": "ttfts, itls"}
        told = replace(told, columns=columns, latencies=shape.latencies_of(columns, sources))
        if not told.answered:
            return told
        return _judged(told, entry, shape.tokens_a_chunk(columns), _bytes_a_token(entry, columns))
    return _judged(told, entry, _tokens_a_chunk(told, entry), math.nan) if told.answered else told


def _notes(entry: Entry) -> tuple[str, ...]:
    waits = entry.values.get("queue_times")
    if not isinstance(waits, list) or not waits:
        return ()
    mean_s = float(entry.numbers("queue_times", len(waits)).mean())
    held = "requests waited {:.2f} s on average in the client for a free place, which is in none of its latencies"
    load = _load(entry)
    both = load.concurrency is not None and math.isfinite(load.rate_per_s)
    return (held.format(mean_s),) if both and mean_s > NOTED_WAIT_S else ()


def _load(entry: Entry) -> Load:
    ramp = entry.word("ramp_up_strategy")
    if ramp:
        first, last = entry.number("ramp_up_start_rps", 0.0), entry.number("ramp_up_end_rps", 0.0)
        ramp = f"{ramp} ramp from {first:g}/s to {last:g}/s"
    return Load(
        entry.rate("request_rate"),
        entry.count("max_concurrency", 0) or None,
        math.inf if entry.values.get("burstiness") == math.inf else entry.number("burstiness", 1.0),  # evenly spaced
        ramp,
    )


def _speculation(entry: Entry) -> str:
    if not entry.has("spec_decode_acceptance_length"):
        return ""
    return f"{entry.number('spec_decode_acceptance_length'):.2f} tokens a step by the server's metrics"


def _summary(entry: Entry, ours: str, answered: int) -> Latency:
    """One latency from the summary figures, which are 0 where there was nothing to measure."""
    kinds = [key for key in entry.values if key.endswith("_ms") and key.split("_")[-2] in _KINDS]
    named = [key for key in kinds if _KINDS[key.split("_")[-2]] == ours]
    told = {_statistic(key): entry.number(key) / 1e3 for key in named}
    if not answered:
        return shape.refusal("no request was answered")
    if not told and ours == "e2e" and isinstance(entry.values.get("latencies"), list):
        seconds = entry.numbers("latencies", len(entry.values["latencies"]))
        return shape.latency_of(seconds[seconds > 0], "latencies", "no request was answered")
    if not told:
        return shape.refusal("the file has no such summary")
    if not any(told.values()):
        return shape.refusal("no answer of two tokens or more")
    return Latency(told, f"{named[0].split('_', 1)[1]}")


def _statistic(key: str) -> str:
    return {"median": "p50"}.get(key.split("_", 1)[0], key.split("_", 1)[0])


def _columns(entry: Entry) -> RequestColumns:
    prompts = entry.values.get("input_lens")
    if not isinstance(prompts, list) or not prompts:
        raise entry.wrong("input_lens", "a list of the prompts' tokens")
    count = len(prompts)
    lengths: dict[str, NDArray[np.float64]] = {}
    for key in ("input_lens", "output_lens"):
        lengths[key] = entry.numbers(key, count)
        if not np.all((lengths[key] <= MOST_TOKENS) & (lengths[key] == np.rint(lengths[key]))):
            raise entry.wrong(key, f"a list of {count} whole numbers of tokens")
    gaps_s = entry.lists_of_numbers("itls", count)
    ttft_s = entry.numbers("ttfts", count)
    errors = entry.values.get("errors")
    told = errors if isinstance(errors, list) and len(errors) == count else [""] * count
    failed = np.array([bool(error) for error in told]) | ((lengths["output_lens"] == 0) & (ttft_s == 0))
    ttft_s = np.where(failed, np.nan, ttft_s)
    starts = entry.numbers("start_times", count) if entry.has("start_times") else None
    return RequestColumns(
        sent_at_s=None if starts is None else starts - starts.min(),
        prompt_tokens=lengths["input_lens"],
        output_tokens=lengths["output_lens"],
        ttft_s=ttft_s,
        e2e_s=ttft_s + np.array([one.sum() for one in gaps_s]),
        gaps_s=gaps_s,
        failed=failed,
    )


def _tokens_a_chunk(told: Measured, entry: Entry) -> float:
    """Tokens a chunk from the summary alone: all gaps together last as long as all answers after their first chunk, so
    their number follows from their mean. NaN where that is not told.
    """
    mean = {name: told.latencies[name].figures_s.get("mean", math.nan) for name in ("ttft", "itl", "e2e")}
    if not mean["itl"] > 0:
        return math.nan
    chunks = told.answered * (1 + (mean["e2e"] - mean["ttft"]) / mean["itl"])
    return told.output.total / chunks if chunks > 0 else math.nan


def _bytes_a_token(entry: Entry, columns: RequestColumns) -> float:
    texts = entry.values.get("generated_texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return math.nan
    total = float(columns.output_tokens.sum())
    return sum(len(text.encode("utf-8", "replace")) for text in texts) / total if total else math.nan


def _judged(told: Measured, entry: Entry, held: float, bytes_a_token: float) -> Measured:
    """The run with what its chunks do not allow refused."""
    if held < 1 - shape.MORE_THAN_NOISE:
        return shape.refusing(told, ("ttft", "tpot", "itl"), _EMPTY)
    if not held > 1 + shape.MORE_THAN_NOISE:
        return told
    completions = entry.word("endpoint_type") in ("openai", "vllm")
    if completions or told.speculation or several_a_chunk(bytes_a_token):
        told = shape.refusing(told, ("itl",), f"gaps are of chunks of {held:.1f} tokens, not of tokens")
        return replace(told, notes=(*told.notes, f"chunks held {held:.1f} tokens"))
    return shape.refusing(told, ("ttft", "tpot", "itl"), TEXT_UNSEEN.format(held=held))
