"""Layers that draft and EAGLE-3 layers: weights, steps and memory by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.drafts import Drafter, eagle3, mtp
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.graphs import largest_captured, of_rounds
from infermodel.cost.speculative import Speculation, SpeculativeModel, speculative_model
from infermodel.cost.step import Batch, Chunk, DoesNotFit

R1, QWEN, NODE = load_model("deepseek-r1"), load_model("qwen3-8b"), load_system("dgx-b200")
EIGHT = Deployment(tensor_parallel=8, max_context=8192, precision=Precision("fp8", "fp8", "fp8"))
RANKS = replace(EIGHT, tensor_parallel=1, data_parallel=8, expert_parallel=8)


def drafting(by: Drafter, deployment: Deployment = EIGHT, drafted: int = 3) -> SpeculativeModel:
    draft = mtp(R1) if by == "mtp" else eagle3(R1)
    speculation = Speculation((0.8,) * drafted, draft, by=by)
    return speculative_model(R1, NODE, deployment, load_engine("sglang"), speculation)


def test_a_layer_that_drafts_has_the_weights_of_a_layer_and_what_joins() -> None:
    # DeepSeek R1 in fp8: a layer of experts (256 + 1) x 3 x 7168 x 2048 + 7168 x 256, attention 187,107,328, and
    # 2 x 7168 x 7168 that join a hidden state and an embedding; all divided over 8 GPUs but the projections to latents
    model, plain = drafting("mtp"), step_model(R1, NODE, EIGHT, load_engine("sglang"))
    experts = 257 * 3 * 7168 * 2048
    more = model.kv_memory.weights_bytes - plain.kv_memory.weights_bytes
    copied = 8 * (7168 * (1536 + 576) + 7168 * 256 + 2 * 7168 * 7168)  # on every GPU whole
    divided = 1536 * 128 * 192 + 512 * 128 * 256 + 128 * 128 * 7168
    norms = 8 * 4 * 7168
    assert more == pytest.approx(experts + copied + divided + norms, rel=1e-6)


def test_its_keys_and_values_are_a_layers() -> None:
    model, plain = drafting("mtp"), step_model(R1, NODE, EIGHT, load_engine("sglang"))
    assert model.kv_memory.bytes_per_token / plain.kv_memory.bytes_per_token == pytest.approx(62 / 61)


def test_a_round_is_all_verified_tokens_then_drafts_one_by_one_then_the_model() -> None:
    model = drafting("mtp")
    assert isinstance(model.draft, GpuStepModel)
    for batch in (Batch(1, 1000, 1000), Batch(64, 64_000, 1000)):
        wide = batch.changed(tokens_each=4)
        by_hand = model.draft.step(wide).latency_s + 2 * model.draft.step(batch).latency_s
        by_hand += model.model.step(wide).latency_s
        tokens = 1 + 0.8 + 0.8**2 + 0.8**3
        assert model.step(batch).latency_s == pytest.approx(by_hand / tokens, rel=1e-9)


def test_a_draft_step_is_a_layer_an_embedding_and_a_head_without_the_host() -> None:
    # A step of the model less its host's gap is 58 such layers, 3 dense ones and the head: one of 61 and a head cost a
    # 61st to a 10th of it.
    model = drafting("mtp")
    assert isinstance(model.draft, GpuStepModel)
    plain = step_model(R1, NODE, EIGHT, load_engine("sglang"))
    batch = Batch(16, 16_000, 1000)
    without = plain.step(batch).latency_s - load_engine("sglang").host_step_s
    assert without / 61 < model.draft.step(batch).latency_s < without / 10
    assert model.draft.replica.engine.host_step_s == 0.0


@pytest.mark.parametrize("deployment", [EIGHT, RANKS, replace(EIGHT, tensor_parallel=4, pipeline_parallel=2)])
@pytest.mark.parametrize("by", ["mtp", "eagle3"])
def test_drafts_lie_on_any_layout(by: Drafter, deployment: Deployment) -> None:
    model = drafting(by, deployment)
    plain = step_model(R1, NODE, deployment, load_engine("sglang"))
    assert 0 < model.kv_memory.tokens < plain.kv_memory.tokens
    batch = Batch(64, 64_000, 1000)
    assert 0 < model.step(batch).latency_s < plain.step(batch).latency_s
    prompts = Batch(64, 64_000, 1000, (), 1, (Chunk(512, 0),), 1)
    assert model.step(prompts).latency_s > model.step(batch).latency_s


@pytest.mark.parametrize("by", ["mtp", "eagle3"])
def test_a_ramp_is_its_steps(by: Drafter) -> None:
    model = drafting(by)
    batch = Batch(16, 16_000, 1000)
    ramp = model.ramp(batch)
    for i in (1, 777):
        later = Batch(16, 16_000 + 16 * i, 1000 + i)
        assert ramp.first_s + i * ramp.slope_s == pytest.approx(model.step(later).latency_s, rel=1e-9)


@pytest.mark.parametrize("name", ["qwen3.5-397b-a17b", "glm-5.2", "nemotron-3-super-120b-a12b", "glm-4.7"])
def test_hybrid_and_sparse_models_draft_too(name: str) -> None:
    model, deployment = load_model(name), replace(EIGHT, max_context=32768)
    drafts = Speculation((0.8, 0.6), mtp(model), by="mtp")
    found = speculative_model(model, NODE, deployment, load_engine("vllm-0.33"), drafts)
    plain = step_model(model, NODE, deployment, load_engine("vllm-0.33"))
    assert 0 < found.kv_memory.tokens < plain.kv_memory.tokens


def test_an_eagle3_layer_has_the_weights_of_its_paper() -> None:
    # Qwen3 8B: 3 x 4096 x 4096 joined; attention on 2 x 4096 inputs: 8192 x (4096 + 2 x 1024) and 4096 x 4096 out; a
    # network of 3 x 4096 x 12288; a head of 32,000 x 4096; norms
    draft = eagle3(QWEN)
    by_hand = 3 * 4096**2 + 8192 * 6144 + 4096**2 + 3 * 4096 * 12288 + 32_000 * 4096
    own = draft.layers[0].parameters(4096) + draft.head_parameters
    assert own == pytest.approx(by_hand, rel=1e-3)
    assert own == pytest.approx(0.4e9, rel=0.01)  # what the published heads of models of 8B have
    assert (draft.vocabulary, len(draft.layers)) == (32_000, 1)


def test_an_eagle3_layer_may_be_of_any_size_that_holds_its_attention() -> None:
    draft = eagle3(QWEN, 0.8e9)
    assert draft.layers[0].parameters(4096) + draft.head_parameters == pytest.approx(0.8e9, rel=1e-3)
    with pytest.raises(DoesNotFit, match="249 million parameters without its network, more than 100 million"):
        eagle3(QWEN, 0.1e9)


def test_a_model_without_layers_that_draft_says_so() -> None:
    with pytest.raises(DoesNotFit, match="Qwen3 8B has no layers that draft"):
        mtp(QWEN)


def test_engines_that_capture_sequences_capture_as_many_with_drafts() -> None:
    sglang, vllm = load_engine("sglang"), load_engine("vllm-0.33")
    assert largest_captured(EIGHT, sglang, prompts=False) == 512
    assert largest_captured(EIGHT, of_rounds(sglang, 4), prompts=False) == 2048
    assert of_rounds(sglang, 4).graph_sizes[:3] == ((4, 4), (8, 8), (16, 16))
    assert of_rounds(vllm, 4) is vllm


def test_a_place_in_a_range_moves_all_acceptances() -> None:
    speculation = Speculation((0.8, 0.6), None, least=(0.6, 0.5), most=(0.9, 0.7))
    assert speculation.at(-1).acceptances == pytest.approx((0.6, 0.5))
    assert speculation.at(0.5).acceptances == pytest.approx((0.85, 0.65))
    assert Speculation((0.8,)).at(1.0) == Speculation((0.8,))
