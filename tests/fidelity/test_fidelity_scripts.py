"""How servers were started whose rows do not say it."""

from __future__ import annotations

import math

import pytest
from tests.fidelity.measured_rows import row

from infermodel.catalog import load_engine
from infermodel.engine import Engine
from infermodel.fidelity.scripts import as_scripted, tokens_of_a_step

SGLANG, TENSORRT = load_engine("sglang"), load_engine("tensorrt-llm")
LLAMA = {"model": "llama-3.3-70b", "engine": "tensorrt-llm", "prompt_tokens": 1024.0, "output_tokens": 1024.0}


@pytest.mark.parametrize(
    ("source", "gpu", "users", "interval"),
    [
        ("inferencex", "b200", 8, 10),
        ("inferencex_history", "b200", 16, 30),
        ("inferencex_2026", "b300", 512, 30),
        ("inferencex", "h200-sxm", 8, 1),
        ("ours", "b200", 8, 1),
    ],
)
def test_sglang_looks_for_newcomers_after_some_steps(source: str, gpu: str, users: int, interval: int) -> None:
    asked = row(source_set=source, engine="sglang", gpu=gpu, concurrency=float(users))
    assert as_scripted(asked, SGLANG).receive_interval == interval


def habits(engine: Engine) -> tuple[int, int, float]:
    return engine.ranks_wait_steps, engine.batch_wait_steps, engine.batch_wait_share


def test_tensorrt_llm_lets_prompts_and_tokens_wait() -> None:
    # Nine tenths of a step's tokens or 20 steps where a script says so, which it does not of eight GPUs.
    four, eight = (as_scripted(row(source_set="inferencex", gpus=n, **LLAMA), TENSORRT) for n in (4, 8))
    assert habits(four) == (60, 20, 0.9)
    assert habits(eight) == (60, 0, 0.0)
    assert four.host_sequence_s == eight.host_sequence_s == TENSORRT.host_sequence_s / 10
    assert as_scripted(row(gpus=4, **LLAMA), TENSORRT) == TENSORRT
    gpt_oss = as_scripted(row(source_set="inferencex", **{**LLAMA, "model": "gpt-oss-120b"}), TENSORRT)
    assert gpt_oss.host_sequence_s == TENSORRT.host_sequence_s / 20


@pytest.mark.parametrize(
    ("model", "said", "tokens"),
    [
        ("gpt-oss-20b", math.nan, 20_000),
        ("deepseek-r1", math.nan, 1152),  # 1,024 + 32 + 64 = 1,120, on to the next multiple of 64
        ("deepseek-r1", 4096.0, 4096),
    ],
)
def test_tokens_of_a_step(model: str, said: float, tokens: int) -> None:
    asked = row(
        source_set="inferencex", engine="tensorrt-llm", model=model, prompt_tokens=1024.0, concurrency=32.0,
        max_batched_tokens=said,
    )  # fmt: skip
    assert tokens_of_a_step(asked) == tokens
    assert math.isnan(tokens_of_a_step(row(engine="tensorrt-llm", model=model)))
