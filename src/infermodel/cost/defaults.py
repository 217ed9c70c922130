"""What an engine takes where nobody says otherwise: one table for runs, searches, plans and replayed measurements.

The table is the engine's file; `Engine.on` has read it for the device at hand. What depends on the layout beside is
worked out here.
"""

from __future__ import annotations

from dataclasses import replace

from infermodel.architecture import LatentAttention, ModelArchitecture
from infermodel.cost.deployment import Deployment
from infermodel.cost.graphs import captured_sequences, graphs
from infermodel.cost.memory import kv_memory
from infermodel.cost.step import DoesNotFit
from infermodel.engine import Engine
from infermodel.hardware import Device, GpuDevice

LEAST_CHUNK = 2048
"""Tokens of a step that SGLang keeps activations for at least (0.5.23)."""

MANY_SEQUENCES = 300
"""Captured sequences beyond which SGLang keeps half as much again for ranks of attention (0.5.23)."""

PROMPT_GRAPHS = ((4, 4), (32, 16), (256, 32), (512, 64), (1024, 256), (4096, 512))
"""Sizes of prompts' steps that SGLang 0.5.23 captures, as `Engine.graph_sizes`."""


def with_defaults(
    layout: Deployment,
    architecture: ModelArchitecture,
    device: Device,
    engine: Engine,
    *,
    max_sequences: int | None = None,
    max_batched_tokens: int | None = None,
    memory_utilisation: float | None = None,
) -> Deployment:
    """The layout with the limits that are said, and the engine's defaults for those that are not.

    Args:
        max_sequences, max_batched_tokens: what is said, of a rank of attention.
        layout: degrees, precision, devices and the served context.
        engine: as it is on the device (`Engine.on`).
    """
    ranks = layout.data_parallel if engine.ranks_share_limits else 1
    tokens = max_batched_tokens or max(1, engine.max_batched_tokens // ranks)
    sequences = max_sequences or engine.max_sequences
    if engine.context_must_fit:  # vLLM: defaults are no larger than the other limit can use
        tokens = max_batched_tokens or min(tokens, sequences * layout.max_context)
        sequences = max_sequences or min(sequences, tokens)
    latent = any(isinstance(layer.attention, LatentAttention) for layer, _ in architecture.distinct_layers)
    block = engine.constants.get("latent_block_tokens") if latent else None
    found = replace(
        layout,
        max_sequences=sequences,
        max_batched_tokens=tokens,
        kv_block_tokens=int(block or engine.kv_block_tokens),
    )
    share = memory_utilisation or engine.memory_utilisation - kept_back(found, engine, latent=latent) / (
        device.memory_capacity_bytes
    )
    found = replace(found, memory_utilisation=share if memory_utilisation else round(share, 3))
    least = engine.constants.get("max_sequences_least")
    if max_sequences is None and least is not None and isinstance(device, GpuDevice):
        found = replace(found, max_sequences=_by_memory(found, architecture, device, engine, int(least)))
    return found


def _by_memory(
    deployment: Deployment, architecture: ModelArchitecture, device: GpuDevice, engine: Engine, least: int
) -> int:
    """Sequences by the KV memory: 512 for each whole context that fits, within the engine's bounds (SGLang)."""
    try:
        tokens = kv_memory(architecture, device, deployment, engine).of_rank.tokens
    except DoesNotFit:
        return least
    most = max(least, min(engine.max_sequences, tokens * 512 // deployment.max_context))
    return max(1, min(most, tokens // 2))


def kept_back(deployment: Deployment, engine: Engine, *, latent: bool) -> float:
    """Bytes of a device that an engine with a static share keeps for activations and graphs; 0 for others.

    Source: SGLang 0.5.23, the rule of its `mem_fraction_static`.
    """
    constants = engine.constants
    if "kept_bytes" not in constants:
        return 0.0
    ranks = deployment.data_parallel
    chunk = deployment.max_batched_tokens * (ranks if engine.ranks_share_limits else 1)  # before ranks share it
    tokens = max(chunk, LEAST_CHUNK)
    gpus = deployment.tensor_parallel * deployment.pipeline_parallel
    captured = captured_sequences(deployment, engine)
    kept = (
        constants["kept_bytes"]
        + constants["kept_token_bytes"] * tokens
        + constants["kept_gpu_bytes"] * gpus
        + constants["kept_graph_bytes"] * captured
    )
    if latent:
        kept += constants["kept_latent_bytes"]
    else:
        kept += constants["kept_prompt_graphs_bytes"] * graphs(PROMPT_GRAPHS, chunk)
    if ranks > 1:
        kept += constants["kept_rank_bytes"] * captured * ranks * (1.5 if captured > MANY_SEQUENCES else 1.0)
    return max(kept, constants["kept_least_bytes"])
