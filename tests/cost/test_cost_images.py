"""What encoding an image costs a step on GPUs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.cost.gpu_fixtures import ENGINE, H100, H200, LLAMA_8B, R1, node

from infermodel.architecture.images import Fixed, ImageEncoder
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.step import Batch, Chunk
from infermodel.hardware import GpuDevice

ENCODER = ImageEncoder(1, 1024, 4096, 16, 768, 4, 4096 * 4096, Fixed(1024))
SEEN = ENCODER.seen(1, 1)
SEEING = replace(LLAMA_8B, images=ENCODER)
IDEAL = {
    "gemm_floor_s": 0.0, "gemm_memory_efficiency": 1.0, "gemm_efficiency_16bit": 1.0, "gemm_tile_penalty": 0.0,
    "gemm_smoothness": 400.0, "decode_attention_floor_s": 0.0, "prefill_attention_memory_efficiency": 1.0,
    "prefill_attention_efficiency": 1.0, "elementwise_floor_s": 0.0,
}  # fmt: skip
"""A device that reaches its peaks."""

CHUNK = (Chunk(1100, 0),)


def added(device: GpuDevice = H100, images: int = 1, **layout: int) -> tuple[float, float]:
    """Seconds and FLOPs that images add to the step which reads their prompt."""
    model = GpuStepModel(SEEING, node(device), Deployment(max_batched_tokens=8192, **layout), ENGINE)
    bare, seeing = (model.step(Batch(4, 4000, 1000, (), 1, CHUNK, 1, (), (SEEN,) * n)) for n in (0, images))
    return seeing.latency_s - bare.latency_s, seeing.flops - bare.flops


def test_an_image_takes_what_its_multiplications_and_pairs_do() -> None:
    # 4,096 patches of 768 numbers, one layer of 1,024 with a network of 4,096, 1,024 tokens through 4,096 x 4,096. Each
    # multiplication of k inputs takes 1 + 192 / 2 k of its FLOPs over the peak, softmax as long as 64 channels.
    rows, peak, bandwidth = 4096, 989e12, 3.35e12
    flops = 2 * rows * 768 * 1024 * (1 + 96 / 768)
    flops += 2 * rows * 1024 * (3072 + 1024 + 4096) * (1 + 96 / 1024) + 2 * rows * 4096 * 1024 * (1 + 96 / 4096)
    flops += 2 * 1024 * 4096 * 4096 * (1 + 96 / 4096) + 2 * (4 * rows * rows * 1024)
    # Two norms: read input and residual, write residual and result; an activation of 4,096: read, written in half. Then
    # queries, keys, values and outputs.
    passed = rows * (2 * 1024 * 8 + 4096 * 3) + rows * 4 * 1024 * 2
    seconds, _ = added(replace(H100, constants=IDEAL))
    assert seconds == pytest.approx(flops / peak + passed / bandwidth, rel=1e-6)


def test_flops_are_those_of_the_encoder_however_it_is_divided() -> None:
    patches = 2 * 4096 * 768 * 1024  # of which every GPU takes all to the width
    for images, gpus in ((1, 1), (3, 1), (2, 4)):
        flops = images * (ENCODER.flops(SEEN) + (gpus - 1) * patches)
        assert added(images=images, tensor_parallel=gpus)[1] == pytest.approx(flops, rel=1e-9)


def test_more_images_take_longer_and_more_gpus_less_long() -> None:
    assert all(less < more for less, more in pairwise(added(images=images)[0] for images in (1, 2, 4)))
    one, four = added(tensor_parallel=1)[0], added(tensor_parallel=4)[0]
    assert one / 4 < four < one


def test_a_step_with_images_is_like_no_other() -> None:
    model = GpuStepModel(SEEING, node(H100), Deployment(), ENGINE)
    assert model.ramp(Batch(0, 0, 0, (), 1, CHUNK, 0, (), (SEEN,))).steps == 1


def test_the_host_may_take_longer_to_launch_an_encoder_than_gpus_to_run_it() -> None:
    # 2 + 24 x (4 + 4 + 1) kernels, of 1 ms each.
    encoder = replace(ENCODER, layers=24)
    engine = replace(ENGINE, constants={"launch_s": 1e-3, "graph_tokens": 1e9})
    model = GpuStepModel(replace(LLAMA_8B, images=encoder), node(H100), Deployment(), engine)
    bare, seeing = (model.step(Batch(0, 0, 0, (), 1, CHUNK, 1, (), images)).latency_s for images in ((), (SEEN,)))
    assert seeing - bare == pytest.approx(218e-3)


def test_ranks_wait_for_the_one_that_encodes() -> None:
    layout = Deployment(data_parallel=8, expert_parallel=8, precision=Precision("fp8"))
    model = GpuStepModel(replace(R1, images=ENCODER), node(H200), layout, ENGINE)
    plain, encoding = (Batch(0, 0, 0, (), 1, CHUNK, 1, (), images) for images in ((), (SEEN,)))

    def step_s(*ranks: Batch) -> float:
        images = tuple(seen for rank in ranks for seen in rank.images)
        chunks = tuple(chunk for rank in ranks for chunk in rank.chunks)
        return model.step(Batch(0, 0, 0, (), 1, chunks, len(ranks), ranks, images)).latency_s

    assert step_s(plain, plain) < step_s(plain, encoding) == step_s(encoding, encoding)
