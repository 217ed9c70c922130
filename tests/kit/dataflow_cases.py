"""Models and machines of the dataflow tests, written out here so that no test depends on the catalog's figures."""

from __future__ import annotations

from infermodel.architecture import DenseFeedForward, ExpertFeedForward, GroupedAttention, Layer, ModelArchitecture
from infermodel.cost.block_pool import KvMemory
from infermodel.cost.dataflow import Ring
from infermodel.cost.stages import Stage, Work
from infermodel.cost.step import Batch, Windowed
from infermodel.engine import Engine
from infermodel.hardware import Link, LpuDevice, System, WaferDevice


def llama(title: str, layers: int, hidden: int, heads: int, intermediate: int) -> ModelArchitecture:
    layer = Layer(GroupedAttention(heads=heads, kv_heads=8, head_dim=128), DenseFeedForward(intermediate))
    return ModelArchitecture(title, title, hidden, 128256, (layer,) * layers, False, 131072)


LLAMA_8B = llama("Llama 3.1 8B", 32, 4096, 32, 14336)
LLAMA_70B = llama("Llama 3.1 70B", 80, 8192, 64, 28672)
LLAMA_405B = llama("Llama 3.1 405B", 126, 16384, 128, 53248)

GPT_OSS_120B = ModelArchitecture(
    "gpt-oss-120b",
    "gpt-oss-120b",
    2880,
    201088,
    tuple(
        Layer(
            GroupedAttention(64, 8, 64, window, qkv_bias=True, output_bias=True, sinks=True),
            ExpertFeedForward(128, 4, 2880, router_bias=True, expert_bias=True),
        )
        for window in (128, None) * 18
    ),
    False,
    131072,
)

WSE_3 = WaferDevice(
    name="wse-3",
    title="WSE-3",
    cores=893064,
    memory_capacity_bytes=44e9,
    memory_bandwidth=21e15,
    peak_flops={"fp16": 15.6e15},
    clock_hz=0.75e9,
    effective_clock_hz=0.75e9,
    memory_usable_share=0.85,
    region_share=0.93,
    cycles_fixed=4927,
    cycles_per_side=15.41,
    cycles_per_mac=0.889,
    mac_width_ratio=0.5,
    attention_mac_ratio=1.0,
    moe_cycles=2000,
    prompt_tokens_per_slot=1,
    prefill_share=0.0,
    power_share_on=0.9,
)
CS_3 = System("cs-3", "CS-3", WSE_3, 1, Link(150e9, 5e-6), Link(150e9, 5e-6), 23e3, 20e3, 15)

LPU = LpuDevice(
    name="lpu",
    title="LPU",
    memory_capacity_bytes=230e6,
    memory_bandwidth=80e12,
    peak_flops={"fp16": 188e12, "int8": 750e12},
    weight_install_rate=9.2e12,
    layer_fixed_s=33e-6,
    moe_fixed_s=20e-6,
    memory_usable_share=0.9,
    prompt_tokens_per_slot=1,
    prefill_share=0.0,
    power_share_on=0.64,
)
LPU_RACK = System("rack", "LPU rack", LPU, 64, Link(256e9, 1e-6), Link(256e9, 1e-6), 35e3, 20e3, 42)

RUNTIME = Engine("runtime", "Runtime", "dataflow", 0.0, 0.0, 0.0, 0.0, 1024, 8192, 16, 1.0, 0.0)


def ring_of(*stages: Stage, hops_s: float = 0.0, turns: float = 1.0, power_w: float = 1000.0) -> Ring:
    """A ring with these stages and easy figures for everything else."""
    windows = tuple(sorted({stage.window for stage in stages if stage.window is not None}))
    groups = 1 + len(windows)
    work = Work(1e9, 1e8, 2e9, 2e8, 1e5, (1e4,) * groups, (1e3,) * groups)
    memory = KvMemory(10_000, 16, 1e5, 1e9)
    return Ring(stages, turns, hops_s, 0.0, 0.0, 1.0, 0.0, power_w, work, memory, windows, 1, 1e15, 1e15)


def batch_of(contexts: list[int], windows: tuple[int, ...] = (), each: int = 1) -> Batch:
    """The batch of decoding sequences with these contexts."""
    seen = tuple(
        Windowed(sum(min(context, window) for context in contexts), sum(context < window for context in contexts))
        for window in windows
    )
    return Batch(len(contexts), sum(contexts), max(contexts, default=0), seen, each)
