"""Which rows tell constants of engines on some devices, and what is known of such servers beside."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fidelity.measured_rows import row

from infermodel.fidelity.by_device import ON_SOME, in_blocks, may_be_drafted
from infermodel.fidelity.replay import cold_wave_ms, replay
from infermodel.fidelity.server import deployment_of, server_of

HERE = Path(__file__).parent
R1 = {
    "gpu": "h200-sxm",
    "gpus": 8,
    "tensor_parallel": 8,
    "engine": "tensorrt-llm",
    "attention_data_parallel": 1,
    "engine_version": "1.1.0rc2",
    "model": "deepseek-r1",
    "weights_precision": "fp8",
    "kv_precision": "fp8",
    "concurrency": 4.0,
    "requests": 40.0,
    "prompt_tokens": 1024.0,
    "output_tokens": 1024.0,
}


def test_a_server_much_quicker_than_its_like_may_verify_drafts() -> None:
    # 13.8 ms, and 8.6 ms with a wider cache: 1.6 times. Its other rows go with it; a model without layers that draft
    # has none to verify.
    plain = row(id="a", **{**R1, "measured": {"tpot_mean_ms": 13.8}})
    quick = row(id="b", **{**R1, "kv_precision": "bf16", "measured": {"tpot_mean_ms": 8.6}})
    another = row(id="c", **{**R1, "kv_precision": "bf16", "concurrency": 64.0, "measured": {"tpot_mean_ms": 32.0}})
    assert may_be_drafted([plain, quick, another]) == {"b", "c"}
    assert not may_be_drafted([plain, row(id="b", **{**R1, "measured": {"tpot_mean_ms": 11.0}})])
    llamas = [
        row(id=str(ms), **{**R1, "model": "llama-3.3-70b", "measured": {"tpot_mean_ms": ms}}) for ms in (13.8, 8.6)
    ]
    assert not may_be_drafted(llamas)
    told = {known.id for some in ON_SOME for known in some.told_by([plain, quick, another])}
    assert told == {"a"}


def test_kernels_for_blocks_are_made_when_first_met() -> None:
    # 1.4 s for the first of ten requests of a user: 140 ms of a mean; a model scaled by tensor waits for nothing.
    measured = row(**R1)
    engine = server_of(measured).engine
    assert cold_wave_ms(measured, engine, in_blocks=True) == pytest.approx(140)
    assert cold_wave_ms(measured, engine, in_blocks=False) == 0
    assert cold_wave_ms(row(**{**R1, "requests": 4000.0}), engine, in_blocks=True) == 0
    assert in_blocks(measured)
    assert not in_blocks(row(**{**R1, "model": "llama-3.3-70b"}))


def test_gpt_oss_in_fp8_keeps_its_experts_in_four_bits() -> None:
    fields = {"model": "gpt-oss-20b", "engine": "tensorrt-llm", "engine_version": "1.1.0", "load": "offline"}
    named, kept = (row(weights_precision=name, requests=32.0, **fields) for name in ("fp8", "mxfp4"))
    assert deployment_of(named, server_of(named)).precision.weights == "mxfp4"
    assert replay(named, HERE).predicted == replay(kept, HERE).predicted
