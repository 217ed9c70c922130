"""What engines take where nobody says otherwise, by the sources of vLLM 0.33.0, 0.10.2 and SGLang 0.5.23."""

from __future__ import annotations

import pytest

from infermodel.catalog import load_device, load_engine, load_model
from infermodel.cost.defaults import with_defaults
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.memory import stage_memory

GIB = 2**30


def defaults(engine: str, device: str, model: str = "llama-3.1-8b", *, said=None, **layout) -> Deployment:
    """The model's own context, everything else left open but what is `said`."""
    on, architecture = load_device(device), load_model(model)
    asked = Deployment(max_context=architecture.max_context, **layout)
    return with_defaults(asked, architecture, on, load_engine(engine).on(on), **(said or {}))


@pytest.mark.parametrize(
    ("engine", "device", "tokens", "sequences", "share"),
    [
        ("vllm", "h100-sxm", 8192, 1024, 0.92),
        ("vllm", "h200-sxm", 8192, 1024, 0.92),  # 139.8 GiB: below 160
        ("vllm", "b200", 16384, 1024, 0.92),
        ("vllm", "mi300x", 16384, 1024, 0.92),
        ("vllm", "a100-sxm-80gb", 2048, 256, 0.92),  # by its name, whatever its memory
        ("vllm", "l40s", 2048, 256, 0.92),
        ("vllm", "rtx-4090", 2048, 256, 0.92),
        ("vllm-0.20", "b200", 8192, 1024, 0.92),  # 0.23.0 has no larger tier yet
        ("vllm-0.14", "b200", 8192, 1024, 0.90),
        ("vllm-0.10", "a100-pcie-80gb", 2048, 256, 0.90),
    ],
)
def test_vllm_looks_at_the_memory_and_at_the_name(
    engine: str, device: str, tokens: int, sequences: int, share: float
) -> None:
    found = defaults(engine, device)
    assert (found.max_batched_tokens, found.max_sequences, found.memory_utilisation) == (tokens, sequences, share)


@pytest.mark.parametrize(
    ("device", "tokens", "share"),
    [  # at TP 1 without latent attention; worked by hand from what nvidia-smi shows, which the catalog has within 1 %
        ("h100-sxm", 8192, 0.83),  # 512 + 8192 x 1.5 + 128 + 256 x 2 + 58 x 8 = 13,904 MiB of 81,559
        ("h200-sxm", 8192, 0.90),  # 13,904 of 143,771
        ("b200", 16384, 0.85),  # 512 + 24,576 + 128 + 512 x 2 + 74 x 8 = 26,832 of 183,359
        ("mi300x", 16384, 0.86),  # 26,832 of 196,592
        ("l40s", 4096, 0.84),  # 512 + 6,144 + 128 + 32 x 2 + 50 x 8 = 7,248 of 46,068
        ("rtx-4090", 4096, 0.70),  # 512 + 6,144 + 128 + 48 x 2 + 50 x 8 = 7,280 of 24,564
    ],
)
def test_sglang_keeps_back_what_its_rule_says(device: str, tokens: int, share: float) -> None:
    found = defaults("sglang", device)
    assert found.max_batched_tokens == tokens
    assert found.memory_utilisation == pytest.approx(share, abs=0.006)


def test_sglang_keeps_back_more_for_latent_attention_and_for_more_gpus() -> None:
    # DeepSeek R1 on eight H200: 512 + 12,288 + 8 x 128 + 512 x 2 (captured decoding of four GPUs and more) + 1,536 =
    # 16,384 MiB of 139.8 GiB = 143,155: 1 - 0.11445.
    found = defaults("sglang", "h200-sxm", "deepseek-r1", tensor_parallel=8, precision=Precision("fp8", "bf16", "fp8"))
    assert found.memory_utilisation == pytest.approx(1 - 16_384 / 143_155, abs=0.0006)


def test_sglang_runs_2048_to_4096_requests_by_its_memory() -> None:
    # 512 for each context of 131,072 that fits: at 2,048 that is four, at 4,096 eight, 1.05 million tokens.
    assert defaults("sglang", "rtx-4090").max_sequences == 2048
    assert defaults("sglang", "b200").max_sequences == 4096
    # Half the tokens at most: 0.68 x 25.254 GB - 16.06 GB of weights - 1 GB are 113 MB, 860 tokens of 131,072 B.
    assert defaults("sglang", "rtx-4090", said={"memory_utilisation": 0.68}).max_sequences == pytest.approx(430, abs=8)


def test_vllm_takes_no_more_tokens_than_its_sequences_can_have() -> None:
    # min(max_num_seqs x max_model_len, default), and sequences at most tokens; what is said stays.
    on, model = load_device("h100-sxm"), load_model("llama-3.1-8b")
    engine = load_engine("vllm").on(on)
    short = with_defaults(Deployment(max_context=16), model, on, engine, max_sequences=8)
    assert (short.max_sequences, short.max_batched_tokens) == (8, 128)
    narrow = with_defaults(Deployment(max_context=4096), model, on, engine, max_batched_tokens=512)
    assert (narrow.max_sequences, narrow.max_batched_tokens) == (512, 512)


def test_latent_attention_has_blocks_of_64_tokens_in_vllm() -> None:
    layout = {"tensor_parallel": 8, "precision": Precision("fp8", "bf16", "fp8")}
    assert defaults("vllm", "h200-sxm", "deepseek-r1", **layout).kv_block_tokens == 64
    assert defaults("vllm", "h200-sxm").kv_block_tokens == 16


@pytest.mark.parametrize(
    ("model", "gpus", "measured_gib"), [("llama-3.1-8b", 1, 1.8), ("llama-3.1-70b", 4, 1.8), ("qwen3-32b", 1, 2.3)]
)
def test_memory_beside_weights_and_kv_is_what_was_measured(model: str, gpus: int, measured_gib: float) -> None:
    # The reserve was fitted to these three (the third is an upper bound), so that this holds the law, not a prediction.
    device, architecture = load_device("h100-sxm"), load_model(model)
    engine = load_engine("vllm").on(device)
    memory = stage_memory(0, architecture, device, defaults("vllm", "h100-sxm", model, tensor_parallel=gpus), engine)
    assert memory.beside_bytes / GIB == pytest.approx(measured_gib, abs=0.05)


def test_experts_in_mxfp4_are_padded() -> None:
    # gpt-oss-120b: 36 layers x 128 experts x 3 x (2944^2 - 2880^2) weights x 17/32 bytes = 2.74 GB; some 2.4 GiB seen.
    device, model = load_device("h100-sxm"), load_model("gpt-oss-120b")
    layout = {"precision": Precision("mxfp4", "bf16", "bf16")}
    deployment = defaults("vllm", "h100-sxm", "gpt-oss-120b", **layout)
    padded = stage_memory(0, model, device, deployment, load_engine("vllm").on(device)).weights_bytes
    plain = stage_memory(0, model, device, deployment, load_engine("sglang").on(device)).weights_bytes
    assert padded - plain == pytest.approx(36 * 128 * 3 * (2944**2 - 2880**2) * 17 / 32, rel=1e-6)


def test_workspaces_of_experts_grow_with_top_k() -> None:
    # DeepSeek R1 on eight: 2,048 / 8 columns are narrower than the input, so 2 x 8 experts x 7,168 x 2 bytes a token.
    device, model = load_device("h200-sxm"), load_model("deepseek-r1")
    engine = load_engine("vllm").on(device)
    layout = {"tensor_parallel": 8, "precision": Precision("fp8", "bf16", "fp8")}
    deployment = defaults("vllm", "h200-sxm", "deepseek-r1", **layout)
    beside = stage_memory(0, model, device, deployment, engine).beside_bytes
    workspace = 8192 * 2 * 8 * 7168 * 2
    logits = 8192 * 2 * 7168 + 1024 * 129280 * 6  # more than one layer's 8192 x 2 x (2 x 7168 + 3 x 18432 / 8)
    assert beside == pytest.approx(
        workspace + logits + engine.memory_reserve_bytes + engine.constants["expert_reserve_bytes"], rel=1e-9
    )


def test_an_engine_without_a_table_is_the_same_everywhere() -> None:
    engine = load_engine("tensorrt-llm-0.17")
    for device in ("h100-sxm", "l40s", "b200"):
        assert engine.on(load_device(device)) == engine
