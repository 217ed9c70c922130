"""How servers of a source were started, where its scripts say so and its rows have no column for it.

Flags and their values are those of the public launch scripts in that benchmark's repository, one for each model, GPU
and engine (github.com/SemiAnalysisAI/InferenceX, folder `benchmarks`, read 2026-11, for flags alone: no result was
taken from there). Conditions on a model, on users or on lengths are the scripts' own.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf, isnan, nan

from infermodel.engine import Engine
from infermodel.fidelity.rows import Row

INFERENCEX = "inferencex"
"""Beginning of the names of its sets of rows."""

LOOKS_AFTER = ((16, 10), (inf, 30))
"""SGLang on B200 and B300 looks for newcomers after so many steps of decoding, below so many users."""

RANKS_WAIT_STEPS = 60
"""TensorRT-LLM with ranks of attention: `attention_dp_config: {enable_balance: true, timeout_iters: 60}`."""

STREAM_INTERVAL, GPT_OSS_STREAM_INTERVAL = 10, 20
"""TensorRT-LLM streams so many tokens together."""

BATCH_WAIT = (20, 0.9)
"""TensorRT-LLM with Llama 3.3 70B on fewer than eight GPUs, 1,024 tokens in and out: `batch_wait_timeout_iters` and
`batch_wait_max_tokens_ratio`."""

GPT_OSS_TOKENS = 20_000
"""Of a step, of TensorRT-LLM with gpt-oss."""

R1_SPARE_TOKENS, R1_ROUND_TO = 64, 64
"""A step of TensorRT-LLM with DeepSeek R1 has room for one prompt, a token of each user, and so many more."""


def tokens_of_a_step(row: Row) -> float:
    """`max_num_tokens` where a row's source says it and the row does not; NaN where nobody does."""
    if not (row.source_set.startswith(INFERENCEX) and row.engine == "tensorrt-llm" and isnan(row.max_batched_tokens)):
        return row.max_batched_tokens
    if row.model.startswith("gpt-oss"):
        return GPT_OSS_TOKENS
    if row.model == "deepseek-r1":
        return R1_ROUND_TO * ceil((row.concurrency + row.prompt_tokens + R1_SPARE_TOKENS) / R1_ROUND_TO)
    return nan


def as_scripted(row: Row, engine: Engine) -> Engine:
    """The engine as a row's source starts it."""
    if not row.source_set.startswith(INFERENCEX):
        return engine
    if row.engine == "sglang" and row.gpu in ("b200", "b300"):
        return replace(engine, receive_interval=next(steps for users, steps in LOOKS_AFTER if row.concurrency < users))
    if row.engine != "tensorrt-llm":
        return engine
    together = GPT_OSS_STREAM_INTERVAL if row.model.startswith("gpt-oss") else STREAM_INTERVAL
    streamed = replace(engine.streaming(together), ranks_wait_steps=RANKS_WAIT_STEPS)
    gathers = row.model == "llama-3.3-70b" and row.gpus < 8 and row.prompt_tokens == row.output_tokens == 1024
    if not gathers:
        return streamed
    steps, share = BATCH_WAIT
    return replace(streamed, batch_wait_steps=steps, batch_wait_share=share)
