"""Corners of the cost engine that ordinary fleets do not reach: collectives over several systems, layouts that are
refused, memory that nothing fits into, formats that a device does not have.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.cost.gpu_fixtures import ENGINE, H100, LLAMA_8B, LLAMA_70B, MIXTRAL, R1, node
from tests.kit.dataflow_cases import CS_3, GPT_OSS_120B, LPU_RACK, RUNTIME
from tests.kit.dataflow_cases import LLAMA_8B as SMALL

from infermodel.cost import gpu
from infermodel.cost.attention import kv_heads
from infermodel.cost.constants import kernel_constants
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.fixed import layer_network_s
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.kernels import KernelTime, gemm
from infermodel.cost.lpu import lpu_ring
from infermodel.cost.memory import check_layout, fewest_that_fit
from infermodel.cost.replica import gpu_replica
from infermodel.cost.speculative import Speculation, speculative_model
from infermodel.cost.stages import peak
from infermodel.cost.step import Batch, Chunk, DoesNotFit, StepModel
from infermodel.cost.wafer import draft_ring, wafer_ring
from infermodel.cost.work import LinearOperator, Shard


def test_collectives_beyond_a_system_run_over_its_network() -> None:
    """Sixteen GPUs in two systems of eight (50 GB/s, 5 us between them) against sixteen in one (450 GB/s).

    80 layers with two all-reduces and the embedding's: 161, each of 8 sequences x 8,192 numbers of 2 bytes, of which
    2 x 15/16 pass over every link of sixteen, 2 x 7/8 over those of eight, and then 2 x 1/2 of an eighth over the
    network. Both sums start, with 8 and with 2 GPUs.
    """
    layout, batch = Deployment(tensor_parallel=16), Batch(8, 8000, 1000)
    apart = GpuStepModel(LLAMA_70B, node(H100), layout, ENGINE).step(batch).latency_s
    together = GpuStepModel(LLAMA_70B, node(H100, 16), layout, ENGINE).step(batch).latency_s
    constants = kernel_constants(H100)
    passed = 8 * 8192 * 2 / constants.link_efficiency
    more_s = constants.all_reduce_floor_s + constants.all_reduce_gpu_s * (8 + 2 - 16) + 5e-6
    moved_s = passed * (2 * 7 / 8 - 2 * 15 / 16) / 450e9 + passed / 8 / 50e9
    assert apart - together == pytest.approx(161 * (more_s + moved_s), rel=1e-9)


def test_experts_divided_like_matrices_are_summed_over_all_gpus() -> None:
    """Eight attention groups of one GPU each: no all-reduce within a group; 64 tokens of 7,168 numbers over all."""
    replica = gpu_replica(R1, node(H100), Deployment(data_parallel=8), ENGINE)
    constants = replica.constants
    kernel_s = constants.all_reduce_floor_s + 8 * constants.all_reduce_gpu_s
    passed_s = 2 * 7 / 8 * 64 * 7168 * 2 / (450e9 * constants.link_efficiency)
    assert layer_network_s(replica, True, 8, 64) == pytest.approx(kernel_s + passed_s, rel=1e-12)
    assert layer_network_s(replica, False, 8, 64) == 0.0


@pytest.mark.parametrize(
    ("gpus", "bandwidth", "wait_s", "copies", "there"),
    [(8, 450e9, 0.0, 8, 2), (16, 50e9, 5e-6, 16 * (1 - (15 / 16) ** 8), 1)],
)
def test_tokens_go_to_all_gpus_or_to_those_that_hold_their_experts(
    gpus: int, bandwidth: float, wait_s: float, copies: float, there: int
) -> None:
    """8 tokens of 7,168 numbers, each for 8 experts. Eight GPUs gather all, and scale by blocks only then: 8 copies of
    2 bytes there and back. Of sixteen, with a network of 50 GB/s and 5 us between them, those that hold an expert get
    a copy of 1 byte a number, and give back 2. A GPU's own copy stays.
    """
    layout = Deployment(data_parallel=gpus, expert_parallel=gpus, precision=Precision("fp8", "fp8", "fp8"))
    replica = gpu_replica(replace(R1, fp8_in_blocks=True), node(H100), layout, ENGINE)
    constants = replica.constants
    kernel_s = constants.all_reduce_floor_s + gpus * constants.all_reduce_gpu_s + wait_s
    passed = 8 * 7168 * copies * (gpus - 1) / gpus * (there + 2)
    expected_s = 2 * kernel_s + passed / (bandwidth * constants.link_efficiency)
    assert layer_network_s(replica, True, 8, 8 * gpus) == pytest.approx(expected_s, rel=1e-12)


def test_what_was_computed_once_may_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [Batch(1, 100, 100, chunks=(Chunk(size, 0),), finishing_chunks=1) for size in (16, 32, 16, 48)]
    model = GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE)
    remembered = [model.step(batch) for batch in batches]
    monkeypatch.setattr(gpu, "MOST_FIXED_PARTS", 1)
    forgetful = GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE)
    assert [forgetful.step(batch) for batch in batches] == remembered


def test_no_rows_take_no_time() -> None:
    found = gemm(LinearOperator("o", 8, 8), 0, H100, kernel_constants(H100), weight_bytes=2.0, compute="bf16")
    assert found == KernelTime(0.0, 0.0, 0.0, 0.0, 0.0)


def test_a_latent_serves_its_heads_as_one() -> None:
    assert kv_heads(R1.layers[0].attention, Shard(tensor_parallel=8)) == 1.0
    assert kv_heads(LLAMA_8B.layers[0].attention, Shard(tensor_parallel=2)) == 4.0


def test_the_slowest_known_format_stands_for_an_unknown_one() -> None:
    assert peak({"fp16": 188e12, "int8": 750e12}, "mxfp4") == 188e12


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (Deployment(tensor_parallel=3), "32 attention heads of Mixtral 8x7B"),
        (Deployment(tensor_parallel=8, expert_parallel=3), "8 experts of Mixtral 8x7B"),
        (Deployment(tensor_parallel=2, expert_parallel=4), "expert_parallel 4 does not divide the 2 GPUs"),
        (Deployment(pipeline_parallel=33), "32 layers, fewer than pipeline_parallel 33"),
    ],
)
def test_layouts_that_do_not_divide(layout: Deployment, said: str) -> None:
    with pytest.raises(DoesNotFit, match=said):
        check_layout(MIXTRAL, layout)


def test_kv_heads_that_do_not_divide() -> None:
    six = replace(LLAMA_8B.layers[0].attention, heads=24, kv_heads=6)  # four GPUs hold 1.5 of them
    odd = replace(LLAMA_8B, layers=(replace(LLAMA_8B.layers[0], attention=six),) * 32)
    with pytest.raises(DoesNotFit, match=r"6 KV heads of Llama 3\.1 8B can be neither dealt nor copied"):
        check_layout(odd, Deployment(tensor_parallel=4))


def test_no_number_of_small_gpus_will_do() -> None:
    """Eight heads go to eight GPUs at most: 17.5 GB of weights on each of them, more than the 16 GB that it has."""
    heads = replace(LLAMA_70B.layers[0].attention, heads=8, kv_heads=8, head_dim=1024)
    broad = replace(LLAMA_70B, layers=(replace(LLAMA_70B.layers[0], attention=heads),) * 80)
    tiny = replace(H100, memory_capacity_bytes=16e9)
    assert fewest_that_fit(broad, tiny, Deployment(), ENGINE) == 0
    assert fewest_that_fit(broad, H100, Deployment(), ENGINE) == 4
    with pytest.raises(DoesNotFit, match="no number of these GPUs that divides its heads would do"):
        GpuStepModel(broad, node(tiny), Deployment(tensor_parallel=8), ENGINE)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: gpu_replica(LLAMA_8B, CS_3, Deployment(), ENGINE), "wse-3 is no GPU"),
        (lambda: wafer_ring(SMALL, LPU_RACK, Deployment(), RUNTIME), "LPU rack holds no wafers"),
        (lambda: lpu_ring(SMALL, CS_3, Deployment(), RUNTIME), "CS-3 holds no LPUs"),
        (lambda: draft_ring(SMALL, LPU_RACK, 1e5, Precision()), "LPU rack holds no wafers"),
    ],
)
def test_models_of_another_family_are_refused(build: Callable[[], object], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        build()


def test_windows_save_memory_on_lpus_too() -> None:
    """Every other layer of 36 keeps 128 tokens a sequence: 2,048 B a token and layer, 18 x 128 x 2,048 B a sequence.

    What 16 of them keep comes off at once, and each further token of context takes 18 layers, not 36.
    """
    chips = 2048
    ring = lpu_ring(GPT_OSS_120B, LPU_RACK, Deployment(devices=chips, max_sequences=16), RUNTIME)
    room = chips * 230e6 * 0.9 - ring.kv_memory.weights_bytes
    expected = (room - 16 * 18 * 128 * 2048) / (18 * 2048)
    assert ring.kv_memory.tokens == pytest.approx(expected, rel=1e-3)


def test_a_draft_sees_the_whole_context() -> None:
    with pytest.raises(DoesNotFit, match="gpt-oss-120b has attention windows"):
        speculative_model(
            LLAMA_70B, node(H100), Deployment(tensor_parallel=8), ENGINE, Speculation((0.5,), GPT_OSS_120B)
        )


def test_a_draft_that_leaves_no_room() -> None:
    """Two models of 141 GB on four GPUs that may use 80 % of 85.5 GB: 274 GB."""
    layout = Deployment(tensor_parallel=4, memory_utilisation=0.8)
    with pytest.raises(DoesNotFit, match="leaves no room for keys and values"):
        speculative_model(LLAMA_70B, node(H100), layout, ENGINE, Speculation((0.5,), LLAMA_70B))


def test_a_step_is_the_first_of_its_ramp() -> None:
    model = speculative_model(LLAMA_8B, node(H100), Deployment(), ENGINE, Speculation((0.8, 0.5)))
    batch = Batch(4, 4000, 1000)
    step, ramp = model.step(batch), model.ramp(batch)
    assert (step.latency_s, step.joules, step.flops, step.bytes) == (
        ramp.first_s, ramp.first_joules, ramp.first_flops, ramp.first_bytes
    )  # fmt: skip


@pytest.mark.parametrize(
    "model",
    [
        GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE),
        wafer_ring(SMALL, CS_3, Deployment(), RUNTIME),
        lpu_ring(SMALL, LPU_RACK, Deployment(), RUNTIME),
    ],
)
def test_another_process_gets_what_a_model_is_made_of_and_not_what_it_remembers(model: StepModel) -> None:
    batch, sent = Batch(3, 3000, 1200), pickle.dumps(model)
    ramp = model.ramp(batch)
    assert pickle.dumps(model) == sent
    assert pickle.loads(sent).ramp(batch) == ramp
