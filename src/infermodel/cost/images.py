"""What the encoder of images costs a step on GPUs, before the language model reads the tokens that it gives.

Its weights, in 16 bits, are divided over the tensor-parallel GPUs as the language model's are, and no captured graph is
replayed (vLLM 0.33.0 without flags). All images of a step pass at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from infermodel.architecture import ImageEncoder, Seen
from infermodel.cost.attention import SOFTMAX_CHANNELS
from infermodel.cost.fixed import ACTIVATION_BYTES, FixedPart, Work, summed_s
from infermodel.cost.kernels import KernelTime, elementwise, gemm
from infermodel.cost.launches import SMALL_KERNELS
from infermodel.cost.replica import GpuReplica
from infermodel.cost.work import LinearOperator


def with_images(fixed: FixedPart, work: Work, host_s: float) -> FixedPart:
    """The part of a step that does not depend on contexts, where the encoder runs first.

    Args:
        work: of the encoder.
        host_s: by which the host takes longer to launch it than the GPUs to run it.
    """
    return fixed._replace(
        total_s=fixed.total_s + work.device_s + host_s,
        compute_s=fixed.compute_s + work.compute_s,
        memory_s=fixed.memory_s + work.memory_s,
        flops=fixed.flops + work.flops,
        bytes=fixed.bytes + work.bytes,
    )


class ImageKernels:
    """What the encoder costs, worked out once for every set of images that a step has held."""

    def __init__(self, replica: GpuReplica) -> None:
        self._replica = replica
        self._found: dict[tuple[Seen, ...], tuple[Work, float]] = {}

    def work(self, images: tuple[Seen, ...]) -> tuple[Work, float]:
        """As `image_work`."""
        found = self._found.get(images)
        if found is None:
            found = self._found[images] = image_work(self._replica, images)
        return found


def image_work(replica: GpuReplica, images: Sequence[Seen]) -> tuple[Work, float]:
    """Kernels and collectives of the encoder for these images, and by how much the host takes longer to launch them."""
    device, constants, encoder = replica.device, replica.constants, replica.architecture.images
    assert encoder is not None  # no prompt holds images where the model has no encoder
    gpus, layers = replica.deployment.tensor_parallel, encoder.layers
    rows = sum([seen.pieces * seen.patches for seen in images])
    tokens = sum([seen.encoded for seen in images])
    pairs = sum([encoder.pairs(seen) for seen in images])

    def dense(count: int, of_rows: int, operators: Sequence[LinearOperator]) -> list[tuple[int, KernelTime]]:
        return [
            (count, gemm(each, of_rows, device, constants, weight_bytes=ACTIVATION_BYTES, compute=replica.half))
            for each in operators
        ]

    width, gates, blocks = encoder.width, encoder.matrices - 1, block_operators(encoder, gpus)
    passed = 2 * width * 4 * ACTIVATION_BYTES + gates * encoder.intermediate / gpus * 1.5 * ACTIVATION_BYTES
    small = elementwise(SMALL_KERNELS * constants.elementwise_floor_s, rows * passed, device, constants)
    kernels = [
        *dense(1, rows, [LinearOperator("patches", encoder.inputs, width)]),
        *dense(layers, rows, blocks),
        (layers, small),
        *dense(1, tokens, [projection(encoder, replica.architecture.hidden, gpus)]),
    ]
    compute_s, memory_s, floor_s, flops, moved = (
        sum([count * kernel[i] for count, kernel in kernels]) for i in range(len(KernelTime._fields))
    )
    head = width / encoder.heads
    units = device.peak_flops[replica.half] * constants.prefill_attention_efficiency
    pair_flops = 4.0 * width / gpus * pairs
    compute_s += pair_flops * (1 + SOFTMAX_CHANNELS / head) / units
    through = layers * rows * 4.0 * width / gpus * ACTIVATION_BYTES
    memory_s += through / (device.memory_bandwidth * constants.prefill_attention_memory_efficiency)
    floor_s += layers * constants.decode_attention_floor_s
    network_s = 2 * layers * summed_s(replica, rows * width * ACTIVATION_BYTES, gpus)
    work = Work(compute_s, memory_s, floor_s, network_s, (flops + pair_flops) * gpus, (moved + through) * gpus)
    launches = 2 + layers * (len(blocks) + SMALL_KERNELS + 1 + 2 * (gpus > 1))
    return work, max(0.0, launches * replica.engine.constants.get("launch_s", 0.0) - work.device_s)


def block_operators(encoder: ImageEncoder, gpus: int) -> tuple[LinearOperator, ...]:
    """Multiplications of a layer on one of so many GPUs."""
    width, inner = encoder.width, encoder.intermediate / gpus
    return (
        LinearOperator("qkv", width, 3 * width / gpus),
        LinearOperator("o", width / gpus, width),
        LinearOperator("gate_up", width, (encoder.matrices - 1) * inner),
        LinearOperator("down", inner, width),
    )


def projection(encoder: ImageEncoder, hidden: int, gpus: int) -> LinearOperator:
    """What brings a token to the language model's width, as one multiplication with as many weights."""
    return LinearOperator("projector", encoder.projector / hidden, hidden / gpus)
