"""What a real server refuses is refused: a served context of which not one sequence fits the memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infermodel.scenario import ScenarioErrors, load, resolve

SCENARIO = """\
title: One server at its defaults
requests: 100
traffic:
  arrivals: {{kind: poisson, rate: 1 /s}}
  prompt_tokens: {{kind: fixed, tokens: 500}}
  output_tokens: {{kind: fixed, tokens: 100}}
services:
  - name: S
    model: {model}
    engine: {engine}
    fleet: {{system: {system}, tensor_parallel: {gpus}, replicas: 1}}
    price: {{rental: 2 USD/h}}
"""


def scenario(folder: Path, model: str, system: str, gpus: int, engine: str = "vllm") -> Path:
    path = folder / "s.yaml"
    path.write_text(SCENARIO.format(model=model, system=system, gpus=gpus, engine=engine))
    return path


THREE = [
    # By hand, in GiB of one GPU: share of its memory - weights - (activations + 1.04 GB), over bytes of a token.
    # 0.92 x 79.19 - 61.02 - 2.30 = 9.53 over 262,144 bytes; Qwen3 32B reads 40,960 tokens.
    ("qwen3-32b", "dgx-h100", 1, 40_960, 39_050),
    # 0.92 x 23.52 - 14.96 - 1.17 = 5.51 over 131,072 bytes; Llama 3.1 reads 131,072 tokens.
    ("llama-3.1-8b", "rtx-4090-8", 1, 131_072, 45_160),
    # 0.92 x 79.19 - 65.71 - 1.87 = 5.27 over 163,840 bytes.
    ("llama-3.1-70b", "dgx-h100", 2, 131_072, 34_540),
]


@pytest.mark.parametrize(("model", "system", "gpus", "context", "longest"), THREE)
def test_vllm_does_not_start_with_a_context_that_does_not_fit(
    tmp_path: Path, model: str, system: str, gpus: int, context: int, longest: int
) -> None:
    path = scenario(tmp_path, model, system, gpus)
    with pytest.raises(ScenarioErrors) as refused:
        resolve(load(path, ()))
    said = str(refused.value)
    assert f"max_context of {context} tokens does not fit" in said
    assert "vLLM would not start" in said
    named = re.search(r"max_context: (\d+)", said)
    assert named is not None
    assert int(named[1]) == pytest.approx(longest, rel=0.002)
    # The longest that it names is served, one block more is not.
    found = resolve(load(path, (f"services.S.limits.max_context={named[1]}",)))
    assert found.services[0].pool.step_model.kv_memory.tokens >= int(named[1])
    with pytest.raises(ScenarioErrors, match=r"services.0.limits.max_context: one sequence of the max_context"):
        resolve(load(path, (f"services.S.limits.max_context={int(named[1]) + 16}",)))


@pytest.mark.parametrize(("engine", "share"), [("sglang", 0.55), ("tensorrt-llm", 0.2)])
def test_engines_that_cut_the_context_start(tmp_path: Path, engine: str, share: float) -> None:
    path = scenario(tmp_path, "llama-3.1-70b", "hgx-h200", 2, engine)
    path.write_text(path.read_text().replace("price:", f"limits: {{memory_utilisation: {share}}}\n    price:"))
    found = resolve(load(path, ())).services[0]
    assert found.pool.step_model.kv_memory.tokens < found.pool.limits.max_context == 131_072


def test_a_windowed_layer_is_charged_its_window_and_what_is_on_its_way(tmp_path: Path) -> None:
    # gpt-oss-120b on one H100: of 36 layers 18 keep 128 tokens and twice 8,192 that are on their way, 36,864 bytes
    # each; the other 18 keep all, 36,864 bytes a token.
    path = scenario(tmp_path, "gpt-oss-120b", "dgx-h100", 1)
    service = resolve(load(path, ())).services[0]
    memory = service.pool.step_model.kv_memory
    room = 0.92 * 79.19 * 2**30 - memory.weights_bytes
    beside = 8192 * 2 * 4 * (2880 + 2 * 2880) + 8192 * 2 * 2880 + 1024 * 201_088 * 6 + 1.04e9 + 1e9
    assert memory.longest == pytest.approx((room - beside) / 36_864 - 128 - 2 * 8192, abs=32)
