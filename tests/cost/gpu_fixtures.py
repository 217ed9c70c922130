"""Models and machines for the tests of GPU costs, written out from public model cards and datasheets."""

from __future__ import annotations

from infermodel.architecture import (
    DenseFeedForward,
    ExpertFeedForward,
    GroupedAttention,
    LatentAttention,
    Layer,
    ModelArchitecture,
)
from infermodel.engine import Engine
from infermodel.hardware import GpuDevice, Link, System

LLAMA_8B = ModelArchitecture(
    "llama-3.1-8b",
    "Llama 3.1 8B",
    4096,
    128256,
    (Layer(GroupedAttention(32, 8, 128), DenseFeedForward(14336)),) * 32,
    tied_embeddings=False,
    max_context=131072,
)
LLAMA_70B = ModelArchitecture(
    "llama-3.1-70b",
    "Llama 3.1 70B",
    8192,
    128256,
    (Layer(GroupedAttention(64, 8, 128), DenseFeedForward(28672)),) * 80,
    tied_embeddings=False,
    max_context=131072,
)
MIXTRAL = ModelArchitecture(
    "mixtral-8x7b",
    "Mixtral 8x7B",
    4096,
    32000,
    (Layer(GroupedAttention(32, 8, 128), ExpertFeedForward(8, 2, 14336)),) * 32,
    tied_embeddings=False,
    max_context=32768,
)
WINDOWED = ModelArchitecture(
    "windowed",
    "Every other layer sees 128 tokens",
    2880,
    201088,
    (
        Layer(GroupedAttention(64, 8, 64, window=128), ExpertFeedForward(128, 4, 2880)),
        Layer(GroupedAttention(64, 8, 64), ExpertFeedForward(128, 4, 2880)),
    )
    * 18,
    tied_embeddings=False,
    max_context=131072,
)
_LATENT = LatentAttention(heads=128, query_rank=1536, kv_rank=512, nope_dim=128, rope_dim=64, value_dim=128)
R1 = ModelArchitecture(
    "deepseek-r1",
    "DeepSeek R1",
    7168,
    129280,
    (Layer(_LATENT, DenseFeedForward(18432)),) * 3
    + (Layer(_LATENT, ExpertFeedForward(256, 8, 2048, shared_intermediate=2048)),) * 58,
    tied_embeddings=False,
    max_context=163840,
)
H100 = GpuDevice(
    "h100-sxm",
    "H100 SXM",
    memory_capacity_bytes=85.5e9,
    memory_bandwidth=3.35e12,
    peak_flops={"bf16": 989e12, "fp16": 989e12, "fp8": 1979e12, "int8": 1979e12},
    multiprocessors=132,
    power_idle_w=100.0,
    power_max_w=700.0,
)
H200 = GpuDevice(
    "h200-sxm",
    "H200",
    memory_capacity_bytes=150.7e9,
    memory_bandwidth=4.8e12,
    peak_flops=H100.peak_flops,
    multiprocessors=132,
    power_idle_w=100.0,
    power_max_w=700.0,
)


def node(device: GpuDevice, devices: int = 8) -> System:
    """A server of `devices` GPUs with 450 GB/s links."""
    return System("node", "Node", device, devices, Link(450e9, 1e-6), Link(50e9, 5e-6), 10200.0, 3000.0, 8.0)


ENGINE = Engine(
    "vllm",
    "vLLM",
    "batch",
    host_step_s=1e-3,
    host_sequence_s=20e-6,
    ingress_s=0.0,
    egress_s=0.0,
    max_sequences=256,
    max_batched_tokens=8192,
    kv_block_tokens=16,
    memory_utilisation=0.9,
    memory_reserve_bytes=1e9,
)
