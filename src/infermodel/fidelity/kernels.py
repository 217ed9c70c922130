"""Kernel times measured on GPUs, and the laws of `cost.kernels` over whole tables of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infermodel.architecture import PRECISION_BYTES
from infermodel.cost.attention import SOFTMAX_CHANNELS
from infermodel.cost.constants import KernelConstants
from infermodel.cost.kernels import TILE, TILE_START_BYTES, gemm
from infermodel.cost.work import LinearOperator
from infermodel.hardware import GpuDevice, Link

Values = NDArray[np.float64]

DEVICES: Mapping[str, str] = {"a100_sxm": "a100-sxm-80gb", "l40s": "l40s", "h100_sxm": "h100-sxm", "b200_sxm": "b200"}
"""Name of a device in the tables: its name in the catalog."""

FORMATS: Mapping[str, str] = {"bfloat16": "bf16", "fp8": "fp8", "nvfp4": "nvfp4"}
"""Formats of the multiplication tables that are used. The tables of block-scaled fp8 and of integer formats time
unfused conversions that served models do not pay."""

SMALLEST_GEMM = 1024
"""Rows and columns of a weight matrix below which a multiplication is not fitted: no model is served in such pieces."""

FEWEST_WEIGHTS = 8e6
"""Weights of a matrix below which a multiplication is not fitted: a step spends its time on larger ones."""

LARGEST_MESSAGE = 280e6
"""Bytes of an all-reduce up to which it is fitted: 8,192 tokens of the widest models."""


@dataclass(frozen=True)
class KernelTable:
    """Kernels of one kind on one device: the columns that its law reads, the seconds measured, and the groups of rows
    that are not independent of each other (a shape over all batch sizes)."""

    columns: Mapping[str, NDArray[Any]]
    seconds: Values
    groups: NDArray[Any]

    def __len__(self) -> int:
        return len(self.seconds)


def read_table(folder: Path, kind: str) -> pd.DataFrame:
    """One table of the kernels folder, all devices and frameworks, seconds in `seconds`.

    Raises:
        OSError: the table is not there.
    """
    table = pd.read_csv(folder / f"{kind}.csv.gz")
    table["device"] = [DEVICES.get(name) for name in table["sys"]]
    table["seconds"] = table["latency_ms"] * 1e-3
    return pd.DataFrame(table[table["device"].notna() & (table["seconds"] > 0)])


def gemm_table(table: pd.DataFrame, device: str) -> KernelTable:
    """Multiplications in the formats of `FORMATS`, the median where a shape was measured several times."""
    own = table[(table.device == device) & table.gemm_dtype.isin(list(FORMATS))]
    own = own[(own.n >= SMALLEST_GEMM) & (own.k >= SMALLEST_GEMM) & (own.n * own.k >= FEWEST_WEIGHTS)]
    own = own[own.m <= 16384]
    keys = ["framework", "gemm_dtype", "m", "n", "k"]
    shapes = own.groupby(keys)["seconds"].median().reset_index()
    columns = {name: shapes[name].to_numpy() for name in keys}
    columns["format"] = np.array([FORMATS[name] for name in shapes.gemm_dtype])
    groups = np.array([f"{n}x{k}" for n, k in zip(shapes.n, shapes.k, strict=True)])
    return KernelTable(columns, shapes.seconds.to_numpy(), groups)


def gemm_s(columns: Mapping[str, Any], device: GpuDevice, constants: KernelConstants, efficiency: Values) -> Values:
    """The law of `cost.kernels.gemm` for columns m, n, k, weight_bytes, activation_bytes and peak."""
    m, n, k = columns["m"], columns["n"], columns["k"]
    tiles = np.maximum(1.0, m / TILE) * np.maximum(1.0, n / TILE)
    started = 1.0 + TILE_START_BYTES / (columns["activation_bytes"] * k)
    compute = 2.0 * m * n * k / (columns["peak"] * efficiency) * started
    compute = compute * (1.0 + constants.gemm_tile_penalty * device.multiprocessors / tiles)
    moved = n * k * columns["weight_bytes"] + m * (k * columns["activation_bytes"] + 2.0 * n)
    memory = moved / (device.memory_bandwidth * constants.gemm_memory_efficiency)
    less, more = np.minimum(compute, memory), np.maximum(compute, memory)
    p = constants.gemm_smoothness
    return np.asarray(constants.gemm_floor_s + more * (1.0 + (less / more) ** p) ** (1.0 / p))


def experts_table(table: pd.DataFrame, device: str) -> KernelTable:
    """Both multiplications of layers of experts, as `benchmarks/expert_layers.py` times them."""
    own = table[(table.device == device) & table.moe_dtype.isin(list(FORMATS))]
    names = ("tokens", "hidden", "intermediate", "experts", "top_k")
    columns = {name: own[name].to_numpy(int) for name in names}
    columns["format"] = np.array([FORMATS[name] for name in own.moe_dtype])
    return KernelTable(columns, own.seconds.to_numpy(), (own.moe_dtype + own.hidden.astype(str)).to_numpy())


def experts_s(columns: Mapping[str, Any], device: GpuDevice, constants: KernelConstants) -> Values:
    """The law of `cost.kernels.gemm` for both multiplications of each row."""
    seconds = []
    shapes = (columns[name].tolist() for name in ("format", "tokens", "hidden", "intermediate", "experts", "top_k"))
    for compute, tokens, hidden, inner, experts, top_k in zip(*shapes, strict=True):
        seconds.append(
            sum(
                gemm(
                    LinearOperator("experts", inputs, outputs, experts, experts, top_k),
                    tokens,
                    device,
                    constants,
                    weight_bytes=PRECISION_BYTES[compute],
                    compute=compute,
                ).total_s
                for inputs, outputs in ((hidden, 2 * inner), (inner, hidden))
            )
        )
    return np.array(seconds)


def decode_table(table: pd.DataFrame, device: str, kv: str, device_cache_bytes: float) -> KernelTable:
    """Decode attention of heads of 64 and 128 channels with contexts of 128 to 40,000 tokens.

    Left out are caches that fit into the device's own cache but are too large to be neglected: benchmarks find them
    there, a served model never does.
    """
    own = table[(table.device == device) & (table.kv_cache_dtype == kv) & (table.window_size.fillna(0) == 0)]
    own = own[own.head_dim.isin([64, 128]) & own.step.between(127, 40000) & (own.batch_size <= 512)]
    own = own[own.num_key_value_heads <= 32]
    moved = own.batch_size * (own.step + 1) * own.num_key_value_heads * own.head_dim * 2 * (1 if kv == "fp8" else 2)
    kept = (moved > 8 * device_cache_bytes) | (moved < 4e6)
    own, moved = own[kept], moved[kept]
    shape = own.framework + own.num_heads.astype(str) + "/" + own.num_key_value_heads.astype(str)
    return KernelTable({"bytes": moved.to_numpy(float)}, own.seconds.to_numpy(), shape.to_numpy())


def decode_s(columns: Mapping[str, Any], device: GpuDevice, floor_s: float, efficiency: float) -> Values:
    """Decode attention: floor + bytes / (bandwidth x efficiency)."""
    return np.asarray(floor_s + columns["bytes"] / (device.memory_bandwidth * efficiency))


def prefill_table(table: pd.DataFrame, device: str) -> KernelTable:
    """Prompt attention in 16 bits, heads of 64 and 128 channels, prompts of 64 tokens and more, 32,768 in all."""
    own = table[(table.device == device) & (table.attn_dtype == "bfloat16") & (table.kv_cache_dtype == "bfloat16")]
    own = own[(own.window_size.fillna(0) == 0) & own.head_dim.isin([64, 128]) & (own.isl >= 64)]
    own = own[own.batch_size * own.isl <= 32768]
    pairs = own.batch_size * own.isl * (own.isl + 1) / 2
    tokens = own.batch_size * own.isl
    columns = {
        "work": (pairs * 4 * own.num_heads * (own.head_dim + SOFTMAX_CHANNELS)).to_numpy(float),
        "bytes": (tokens * 2 * (own.num_heads + own.num_key_value_heads) * own.head_dim * 2).to_numpy(float),
    }
    shape = own.framework + own.num_heads.astype(str) + "/" + own.num_key_value_heads.astype(str)
    return KernelTable(columns, own.seconds.to_numpy(), shape.to_numpy())


def prefill_s(
    columns: Mapping[str, Any], device: GpuDevice, floor_s: float, memory_efficiency: float, efficiency: float
) -> Values:
    """Prompt attention: floor + (queries, keys, values, outputs) / (bandwidth x e_m) + FLOPs / (peak x e)."""
    memory = columns["bytes"] / (device.memory_bandwidth * memory_efficiency)
    return np.asarray(floor_s + memory + columns["work"] / (device.peak_flops["bf16"] * efficiency))


def all_reduce_table(table: pd.DataFrame, device: str) -> KernelTable:
    """All-reduces as a captured graph pays them, 2 KB to 280 MB."""
    own = table[(table.device == device) & table.kernel_source.isin(["vLLM_custom_graph", "TRTLLM"])]
    own = own[(own.message_size * 2 >= 2048) & (own.message_size * 2 <= LARGEST_MESSAGE)]
    columns = {"bytes": own.message_size.to_numpy(float) * 2, "gpus": own.num_gpus.to_numpy(float)}
    return KernelTable(columns, own.seconds.to_numpy(), (own.framework + own.num_gpus.astype(str)).to_numpy())


def all_reduce_s(columns: Mapping[str, Any], link: Link, constants: KernelConstants) -> Values:
    """The law of `cost.kernels.all_reduce_s` for columns bytes and gpus."""
    gpus = columns["gpus"]
    ring = 2 * (gpus - 1) / gpus * columns["bytes"] / (link.bandwidth * (2 / gpus) ** constants.link_sharing)
    small = constants.all_reduce_floor_s + constants.all_reduce_gpu_s * gpus + ring / constants.link_efficiency
    return np.asarray(np.minimum(small, constants.bulk_floor_s + ring / constants.bulk_efficiency))
