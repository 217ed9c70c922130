"""What others published of devices that the kernel tables do not hold, where a kin's constants alone would mislead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from infermodel import catalog
from infermodel.hardware import GpuDevice


@dataclass(frozen=True)
class Figure:
    """A constant of a device that does not come from the kernel tables.

    Attributes:
        low, high: its range.
        source: who measured what it follows from.
    """

    value: float
    low: float
    high: float
    source: str


@dataclass(frozen=True)
class LargestMatmul:
    """FLOP/s of the largest dense multiplications that somebody timed on a device, operands of 16 and of 8 bits."""

    wide: float
    source: str
    narrow: float | None = None


_BEKMAN = "S. Bekman, Machine Learning Engineering, 2025"
_GPU_BENCHMARK = "mag-/gpu_benchmark, 2025"
_FLOPS_BENCH = "xzwgit/gpu-flops-bench, 2026"

LARGEST: Mapping[str, LargestMatmul] = {
    "a100-sxm-80gb": LargestMatmul(271.2e12, _BEKMAN),
    "h100-sxm": LargestMatmul(794.5e12, _BEKMAN, 1402.6e12),
    "l40s": LargestMatmul(252.0e12, _GPU_BENCHMARK),
    "a100-pcie-80gb": LargestMatmul(252.9e12, _BEKMAN),
    "gh200": LargestMatmul(828.6e12, _BEKMAN, 1535.0e12),
    "rtx-4090": LargestMatmul(179.2e12, _FLOPS_BENCH, 354.3e12),
    "rtx-pro-6000": LargestMatmul(457.6e12, _FLOPS_BENCH, 905.3e12),
    "mi300x": LargestMatmul(668.4e12, _BEKMAN),
}
"""By device. How near to its datasheet's peak a device comes is a matter of its power limit and clocks, not of its
architecture: an L40S of 350 W reaches 70 %, an RTX PRO 6000 of 600 W 95 %, an MI300X 51 %."""

SCALED: Mapping[str, bool] = {
    "gemm_efficiency_16bit": True,
    "gemm_efficiency_8bit": False,
    "prefill_attention_efficiency": True,
}
"""Constants that are shares of a peak, and whether they follow the largest multiplications of 16 bits."""

SPREAD = 0.15
"""Relative half-width of the range of a scaled constant."""

_ROCM = (
    "least squares on AMD's published latencies and throughputs of Llama 3.1 70B and 405B in fp8 on eight (vLLM 0.10)"
)
_ROCM_8BIT = f"{_ROCM}, and two rows of Llama 3.3 70B on MI325X, which 0.25 makes 46 % too slow"
_ROCM_16BIT = (
    "0.532 by the largest multiplications (S. Bekman, Machine Learning Engineering, 2025); served ones in 16 bits are"
    " taken to be no quicker than those in 8 bits of AMD's published latencies"
)
_HELD = "held in the least squares on AMD's published latencies; 3.7 to 4.1 TB/s by their contexts of 1k and 3k tokens"
_H100_PCIE = "all-reduces of 35 to 45 of 64 GB/s over eight H100 PCIe (Alaya NeW, NCCL-tests in practice, 2026)"
_RTX6K = "all-reduces of 22 to 41 GB/s over eight (voipmonitor/rtx6kpro)"

_MI300X: Mapping[str, Figure] = {
    "gemm_memory_efficiency": Figure(0.61, 0.55, 0.75, _ROCM),
    "gemm_efficiency_16bit": Figure(0.42, 0.36, 0.532, _ROCM_16BIT),
    "gemm_efficiency_8bit": Figure(0.27, 0.18, 0.40, _ROCM_8BIT),
    "all_reduce_floor_s": Figure(11.3e-6, 8e-6, 15e-6, _ROCM),
    "all_reduce_gpu_s": Figure(0.0, 0.0, 1e-6, _HELD),
    "link_efficiency": Figure(0.16, 0.10, 0.25, _ROCM),
    "decode_attention_efficiency_16bit": Figure(0.80, 0.60, 0.90, _HELD),
    "decode_attention_efficiency_8bit": Figure(0.70, 0.50, 0.85, _HELD),
    "grouped_efficiency": Figure(0.96, 0.55, 1.5, "H200's share of the peak, times 0.511/0.803 as in 16 bits"),
}
_LIKE_MI300X = {
    constant: replace(figure, source="as AMD Instinct MI300X 192 GB") for constant, figure in _MI300X.items()
} | {"prefill_attention_efficiency": Figure(0.5991, 0.5092, 0.6889, "as AMD Instinct MI300X 192 GB")}

_RTX_PRO = "as NVIDIA RTX PRO 6000 Blackwell Server Edition 96 GB"
_LIKE_RTX_PRO_6000: Mapping[str, Figure] = {
    "gemm_efficiency_16bit": Figure(0.8705, 0.70, 1.00, _RTX_PRO),
    "gemm_efficiency_8bit": Figure(0.7323, 0.55, 0.90, _RTX_PRO),
    "prefill_attention_efficiency": Figure(1.072, 0.80, 1.25, _RTX_PRO),
}

_UNTIMED = "what kernels of GPUs reach, from MI300X to H100 and beyond; none on it was timed"
_NEVER_TIMED: dict[str, Figure] = {
    "gemm_floor_s": Figure(3e-6, 1e-6, 10e-6, _UNTIMED),
    "gemm_memory_efficiency": Figure(0.7, 0.5, 0.9, _UNTIMED),
    "gemm_efficiency_16bit": Figure(0.6, 0.35, 0.85, _UNTIMED),
    "gemm_efficiency_8bit": Figure(0.45, 0.25, 0.75, _UNTIMED),
    "decode_attention_floor_s": Figure(12e-6, 5e-6, 40e-6, _UNTIMED),
    "decode_attention_efficiency_16bit": Figure(0.8, 0.5, 0.95, _UNTIMED),
    "decode_attention_efficiency_8bit": Figure(0.7, 0.4, 0.9, _UNTIMED),
    "prefill_attention_memory_efficiency": Figure(0.32, 0.15, 0.6, _UNTIMED),
    "prefill_attention_efficiency": Figure(0.6, 0.3, 0.95, _UNTIMED),
    "all_reduce_floor_s": Figure(8e-6, 2e-6, 20e-6, _UNTIMED),
    "all_reduce_gpu_s": Figure(0.0, 0.0, 2e-6, _UNTIMED),
    "link_efficiency": Figure(0.3, 0.1, 0.6, _UNTIMED),
    "bulk_floor_s": Figure(29e-6, 10e-6, 60e-6, _UNTIMED),
    "bulk_efficiency": Figure(0.7, 0.4, 0.9, _UNTIMED),
    "link_sharing": Figure(0.0, 0.0, 1.0, _UNTIMED),
    "grouped_efficiency": Figure(0.6, 0.3, 1.0, _UNTIMED),
    "block_scaled_efficiency": Figure(0.8, 0.5, 1.0, _UNTIMED),
}

NO_KIN = ("ascend-910b", "trainium2", "trainium3", "tpu7x", "gaudi3")
"""Devices of other makers, of which nobody published how long kernels take: no device is their sister."""

OWN: Mapping[str, Mapping[str, Figure]] = {
    **dict.fromkeys(NO_KIN, _NEVER_TIMED),
    "gaudi3": _NEVER_TIMED | {"gemm_efficiency_8bit": Figure(0.6, 0.35, 0.85, "as in 16 bits, at the same peak rate")},
    "rtx-5090": _LIKE_RTX_PRO_6000,
    "gb10": _LIKE_RTX_PRO_6000,
    "mi455x": _LIKE_MI300X,
    "a10g": {"link_sharing": Figure(0.3, 0.0, 1.0, _H100_PCIE)},
    "rtx-3090": {"link_sharing": Figure(0.3, 0.0, 1.0, _H100_PCIE)},
    "mi300x": _MI300X,
    "mi325x": _LIKE_MI300X,
    "mi355x": _LIKE_MI300X,
    "h100-pcie": {"link_sharing": Figure(0.3, 0.0, 1.0, _H100_PCIE)},
    "h100-nvl": {"link_sharing": Figure(0.3, 0.0, 1.0, _H100_PCIE)},
    "rtx-pro-6000": {"link_sharing": Figure(0.2, 0.0, 0.4, _RTX6K)},
    "a100-pcie-80gb": {"link_sharing": Figure(0.3, 0.0, 1.0, _H100_PCIE)},
}
"""By device and constant: what is taken instead of the kin's figure."""


def share_of_peak(name: str, *, wide: bool) -> float | None:
    """Share of its datasheet's peak that a device's largest multiplications reach; None: nobody published them.

    >>> round(share_of_peak("l40s", wide=True), 3)  # 252.0 / 362
    0.696
    """
    device, timed = catalog.load_device(name), LARGEST.get(name)
    found = None if timed is None else timed.wide if wide else timed.narrow
    if found is None or not isinstance(device, GpuDevice):
        return None
    return found / device.peak_flops["bf16" if wide else "fp8"]


def figure(name: str, kin: str, constant: str, value: float) -> Figure | None:
    """A device's constant by what is published of it, given its kin's `value`; None: as the kin has it.

    Shares of a peak are the kin's times how much nearer to its own peak the device's largest multiplications come, in 8
    bits against the kin's of 16 where nobody timed the kin's.
    """
    if constant in OWN.get(name, {}):
        return OWN[name][constant]
    if constant not in SCALED or name not in LARGEST:
        return None
    wide = SCALED[constant]
    own, theirs = share_of_peak(name, wide=wide), share_of_peak(kin, wide=wide) or share_of_peak(kin, wide=True)
    if own is None or theirs is None:
        return None
    scaled = value * own / theirs
    of = catalog.load_device(kin).title
    source = f"as {of}, times {own:.3f}/{theirs:.3f}: largest multiplications against peaks ({LARGEST[name].source})"
    return Figure(scaled, (1 - SPREAD) * scaled, (1 + SPREAD) * scaled, source)
