"""Constants of the kernels on a device, read from the catalog over the defaults of an uncalibrated GPU."""

from __future__ import annotations

from dataclasses import dataclass, fields

from infermodel.hardware import GpuDevice


@dataclass(frozen=True, slots=True)
class KernelConstants:
    """What kernels reach of a device's peaks, and what they cost before they do any work.

    The defaults are what a server GPU of 2022 to 2024 reaches; a device that names no constants gets them.

    Attributes:
        gemm_floor_s: time of a matrix multiplication with nothing to do.
        gemm_memory_efficiency: share of peak bandwidth that reading weights reaches.
        gemm_efficiency_16bit, gemm_efficiency_8bit, gemm_efficiency_4bit: share of the format's peak in large
            multiplications.
        grouped_efficiency: of multiplications grouped over experts, against dense ones of the same size.
        grouped_converted_efficiency: the same where kernels widen experts' mxfp4 weights first, because the device has
            no units for them.
        block_scaled_efficiency: of multiplications in 8 bits whose weights are scaled by blocks, against those scaled
            by tensor.
        gemm_tile_penalty: extra compute time per (multiprocessors / tiles).
        gemm_smoothness: p of the smooth maximum of compute and memory time.
        decode_attention_floor_s: of a layer's attention kernel.
        decode_attention_efficiency_16bit, decode_attention_efficiency_8bit: share of peak bandwidth that reading keys
            and values of that width reaches.
        prefill_attention_memory_efficiency: share of peak bandwidth at which queries, keys, values and outputs of the
            new tokens pass.
        prefill_attention_efficiency: share of the 16-bit peak on long prompts, the softmax counted as further
            channels.
        sink_attention_efficiency: of prompts' attention with sinks, against attention without; 1 where the same kernel
            does both.
        elementwise_floor_s: of a norm, rotation, activation or quantisation kernel.
        all_reduce_floor_s, all_reduce_gpu_s: latency of a small all-reduce = floor + gpu x number of GPUs.
        link_efficiency: share of the link's bandwidth that small collectives reach.
        bulk_floor_s, bulk_efficiency: the same of large collectives, which pay more before they start and then reach
            more of the link; a collective takes whichever is quicker.
        link_sharing: q; a GPU's share of the link among g is (2 / g)^q. Zero behind switches, above one where all
            traffic passes the host's root complex.
    """

    gemm_floor_s: float = 3.5e-6
    gemm_memory_efficiency: float = 0.85
    gemm_efficiency_16bit: float = 0.80
    gemm_efficiency_8bit: float = 0.60
    gemm_efficiency_4bit: float = 0.50
    grouped_efficiency: float = 0.4
    grouped_converted_efficiency: float = 0.16
    block_scaled_efficiency: float = 1.0
    gemm_tile_penalty: float = 0.12
    gemm_smoothness: float = 2.5
    decode_attention_floor_s: float = 12e-6
    decode_attention_efficiency_16bit: float = 0.91
    decode_attention_efficiency_8bit: float = 0.77
    prefill_attention_memory_efficiency: float = 0.40
    prefill_attention_efficiency: float = 0.67
    sink_attention_efficiency: float = 1.0
    elementwise_floor_s: float = 2.0e-6
    all_reduce_floor_s: float = 4.0e-6
    all_reduce_gpu_s: float = 0.3e-6
    link_efficiency: float = 0.55
    bulk_floor_s: float = 20.0e-6
    bulk_efficiency: float = 0.75
    link_sharing: float = 0.0


def kernel_constants(device: GpuDevice) -> KernelConstants:
    """The device's calibrated constants, defaults where it has none.

    Raises:
        ValueError: the catalog names a constant that no equation uses.
    """
    known = {field.name for field in fields(KernelConstants)}
    unknown = sorted(set(device.constants) - known)
    if unknown:
        raise ValueError(f"{device.name}: no equation uses the constants {', '.join(unknown)}")
    return KernelConstants(**device.constants)
