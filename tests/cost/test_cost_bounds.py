"""Bounds against the fact report (0.1) and claims C25 to C27 of the launch article."""

from dataclasses import replace

import pytest
from tests.kit.dataflow_cases import CS_3, GPT_OSS_120B, LLAMA_8B, LLAMA_70B, LPU_RACK

from infermodel.cost.bounds import bandwidth_bound_tok_s, decode_bounds, stage_bound_tok_s, token_bytes
from infermodel.cost.deployment import Precision
from infermodel.hardware import GpuDevice


def test_21_petabytes_over_16_gigabytes() -> None:
    """1.3 million tokens/s, and about 37,000 when only the region in turn reads (fact report, section 0)."""
    bounds = decode_bounds(LLAMA_8B, CS_3, 1, Precision())
    assert bounds.bandwidth_tok_s == pytest.approx(21e15 / (2 * 8_030_261_248))
    assert bounds.bandwidth_tok_s == pytest.approx(1.3e6, rel=0.01)
    assert bounds.stage_tok_s == pytest.approx(37_000, rel=0.01)


def test_140_gigabytes_times_ten_tokens() -> None:
    """1.4 TB/s make 10 tokens/s of 70B, 140 TB/s make 1,000."""
    assert bandwidth_bound_tok_s(LLAMA_70B, Precision(), 1.4e12) == pytest.approx(10, rel=0.01)
    assert bandwidth_bound_tok_s(LLAMA_70B, Precision(), 140e12) == pytest.approx(1000, rel=0.01)


def test_context_adds_its_keys_and_values() -> None:
    """70B at 8,192 tokens: 141.107 GB of weights and 8,192 x 327,680 B."""
    assert token_bytes(LLAMA_70B, Precision(), 8192) == 2 * 70_553_706_496 + 8192 * 327_680


def test_windows_and_experts_spare_bytes() -> None:
    """gpt-oss-120b in 4.25 bits: 5.71e9 of 116.8e9 weights a token; half its layers see 128 of 1,000 tokens."""
    weights = GPT_OSS_120B.active_parameters * 4.25 / 8
    assert GPT_OSS_120B.active_parameters == pytest.approx(5.71e9, rel=0.01)
    kv = 18 * (1000 + 128) * 2 * 8 * 64 * 2
    assert token_bytes(GPT_OSS_120B, Precision(weights="mxfp4"), 1000) == pytest.approx(weights + kv)


def test_one_layer_of_chips_at_a_time() -> None:
    """70B in 8 bits on 576 chips: 80 layers of 855.7 MB on 7.2 chips of 80 TB/s, 118.8 us."""
    precision = Precision(weights="int8")
    assert stage_bound_tok_s(LLAMA_70B, LPU_RACK, 576, precision) == pytest.approx(1 / 118.8e-6, rel=1e-3)


def test_gpus_have_no_stages() -> None:
    gpu = GpuDevice("h100", "H100", 80e9, 3.35e12, {"bf16": 989e12}, 132, 100, 700)
    node = replace(CS_3, device=gpu, devices=8)
    assert decode_bounds(LLAMA_70B, node, 8, Precision()) == (pytest.approx(8 * 3.35e12 / 141.107e9, rel=1e-5), None)
    with pytest.raises(TypeError, match="H100 is no pipeline"):
        stage_bound_tok_s(LLAMA_70B, node, 8, Precision())
