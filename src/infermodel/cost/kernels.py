"""How long the kernels of a step take on one GPU, each a small law with constants of the device."""

from __future__ import annotations

from typing import NamedTuple

from infermodel.architecture import PRECISION_BYTES
from infermodel.cost.constants import KernelConstants
from infermodel.cost.work import LinearOperator, experts_hit
from infermodel.hardware import GpuDevice

TILE = 128
"""Rows and columns of an output tile that one multiprocessor works on."""

LEAST_TILE = 12
"""Rows of the narrowest tiles of experts: 8 to 16 by kernel (assumed)."""

TILE_START_BYTES = 192
"""Of a row of either operand, that a tile could read while it starts and stores its results: two stages of a pipeline
that hold 128 bytes of each row, partly hidden behind other tiles."""

NEXT_FORMAT = {"mxfp4": "fp4", "nvfp4": "fp4", "int4": "fp4", "fp4": "fp8", "fp8": "bf16", "int8": "bf16"}
"""What a device computes in when it has no units for a format."""


class KernelTime(NamedTuple):
    """Seconds of a kernel by what they are spent on, its useful FLOPs, and its bytes to and from device memory."""

    compute_s: float
    memory_s: float
    floor_s: float
    flops: float
    bytes: float

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.compute_s + self.memory_s + self.floor_s


def native_format(precision: str, device: GpuDevice) -> str:
    """The format that the device computes `precision` in: itself, or the next wider one that it has units for.

    Raises:
        ValueError: no wider format is known to the device.
    """
    name = precision
    while name not in device.peak_flops:
        if name in ("bf16", "fp16"):
            other = "fp16" if name == "bf16" else "bf16"
            if other in device.peak_flops:
                return other
            raise ValueError(f"{device.name} states no peak for {precision} or anything wider")
        name = NEXT_FORMAT.get(name, "bf16")
    return name


def has_units(precision: str, device: GpuDevice) -> bool:
    """Whether the device multiplies weights of this format as they are; floating 4-bit formats share their units."""
    return ("fp4" if precision in ("mxfp4", "nvfp4") else precision) in device.peak_flops


def gemm_efficiency(precision: str, constants: KernelConstants) -> float:
    """Share of the format's peak that large multiplications reach."""
    bits = PRECISION_BYTES[precision] * 8
    if bits >= 16:
        return constants.gemm_efficiency_16bit
    return constants.gemm_efficiency_8bit if bits >= 8 else constants.gemm_efficiency_4bit


def gemm(
    operator: LinearOperator,
    tokens: float,
    device: GpuDevice,
    constants: KernelConstants,
    *,
    weight_bytes: float,
    compute: str,
    converted: bool = False,
    blocks: bool = False,
) -> KernelTime:
    """A matrix multiplication, dense or grouped over experts: `t0 + (compute^p + memory^p)^(1/p)`.

    compute = FLOPs / (peak x efficiency) x (1 + penalty x multiprocessors / tiles);
    memory = (weights + activations) / (bandwidth x efficiency). Experts: those hit are read, and each works on its
    share of the tokens, in whole tiles.

    Args:
        tokens: rows.
        weight_bytes: of one weight.
        compute: format of the multiplication, one that the device has.
        converted: whether the kernel widens the weights to that format first.
        blocks: whether scales are of blocks of weights, so that sums are scaled as they grow.
    """
    if tokens <= 0:
        return KernelTime(0.0, 0.0, 0.0, 0.0, 0.0)
    activation_bytes = min(2.0, PRECISION_BYTES[compute])
    groups = 1.0
    rows = tokens
    if operator.experts:
        share = operator.experts_here / operator.experts
        groups = max(1e-9, share * experts_hit(operator.experts, operator.top_k, tokens))
        rows = tokens * operator.top_k * share
    flops = 2.0 * rows * operator.inputs * operator.outputs
    moved = groups * operator.inputs * operator.outputs * weight_bytes + rows * (
        operator.inputs * activation_bytes + 2.0 * operator.outputs
    )
    # Not rounded up: kernels take narrower tiles for few rows, and more rows never take less time.
    tiles = max(1.0, groups) * max(1.0, rows / groups / TILE) * max(1.0, operator.outputs / TILE)
    peak = device.peak_flops[compute] * gemm_efficiency(compute, constants)
    worked = flops
    if operator.experts:
        peak *= constants.grouped_converted_efficiency if converted else constants.grouped_efficiency
        worked *= tiled(rows / groups) * groups / rows
    if blocks:
        peak *= constants.block_scaled_efficiency
    started = 1.0 + TILE_START_BYTES / (activation_bytes * operator.inputs)
    compute_s = worked / peak * started * (1.0 + constants.gemm_tile_penalty * device.multiprocessors / tiles)
    reached = constants.decode_attention_efficiency_16bit if operator.experts else constants.gemm_memory_efficiency
    memory_s = moved / (device.memory_bandwidth * reached)
    less, more = sorted((compute_s, memory_s))
    p = constants.gemm_smoothness
    work_s = more * (1.0 + (less / more) ** p) ** (1.0 / p)
    if compute_s > memory_s:
        return KernelTime(work_s, 0.0, constants.gemm_floor_s, flops, moved)
    return KernelTime(0.0, work_s, constants.gemm_floor_s, flops, moved)


def tiled(rows: float) -> float:
    """Rows of an expert as its tiles have them: the last is half empty, and no wider than twice the rows at most.

    >>> tiled(1), tiled(16), tiled(256)
    (12, 32, 320.0)
    """
    return max(LEAST_TILE, rows + min(rows, TILE / 2))


def elementwise(floors_s: float, moved: float, device: GpuDevice, constants: KernelConstants) -> KernelTime:
    """Small kernels that take `floors_s` whatever they move, and move `moved` bytes in all."""
    seconds = moved / (device.memory_bandwidth * constants.gemm_memory_efficiency)
    return KernelTime(0.0, seconds, floors_s, 0.0, moved)


def all_reduce_s(payload: float, gpus: int, bandwidth: float, latency_s: float, constants: KernelConstants) -> float:
    """Seconds in which `gpus` GPUs sum `payload` bytes held by each.

    The quicker of two ways, one with little latency and one with more of the link's bandwidth, each
    latency + 2 (g - 1)/g x bytes / (link x efficiency), the ring's traffic (Patarasuk and Yuan, 2009).

    Args:
        payload: bytes of the summed tensor.
        bandwidth: of the link, one GPU's share, one direction, bytes/s.
        latency_s: of the link, on top of what the kernel itself takes.
    """
    if gpus <= 1:
        return 0.0
    return latency_s + _collective_s(2 * (gpus - 1) / gpus * payload, gpus, bandwidth, constants)


def all_to_all_s(payload: float, gpus: int, bandwidth: float, latency_s: float, constants: KernelConstants) -> float:
    """Seconds in which each of `gpus` GPUs sends `payload` bytes, (g - 1)/g of them to others."""
    if gpus <= 1:
        return 0.0
    return latency_s + _collective_s((gpus - 1) / gpus * payload, gpus, bandwidth, constants)


def gpus_sent_to(gpus: int, top_k: int) -> float:
    """Of `gpus` GPUs that experts are dealt to, those that get a token: all where a token visits as many experts, since
    engines then gather (TensorRT-LLM 1.0); else those that hold one or more of its `top_k` experts, once each (DeepEP).

    >>> [round(gpus_sent_to(gpus, 8), 2) for gpus in (4, 8, 32)]  # 32 x (1 - (31/32)^8)
    [4, 8, 7.18]
    """
    return gpus if gpus <= top_k else gpus * (1.0 - float((1.0 - 1.0 / gpus) ** top_k))


def _collective_s(sent: float, gpus: int, bandwidth: float, constants: KernelConstants) -> float:
    small_s = constants.all_reduce_floor_s + constants.all_reduce_gpu_s * gpus
    small_s += sent / (bandwidth * constants.link_efficiency)
    return min(small_s, constants.bulk_floor_s + sent / (bandwidth * constants.bulk_efficiency))
