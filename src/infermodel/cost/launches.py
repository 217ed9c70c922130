"""How many kernels a layer is, small ones among them, and what the host takes to launch them."""

from __future__ import annotations

from collections.abc import Sequence

from infermodel.architecture import CompressedAttention, ExpertFeedForward, LatentAttention, Layer
from infermodel.cost.deployment import Deployment
from infermodel.cost.layers import blocks
from infermodel.cost.work import LinearOperator
from infermodel.engine import Engine

SMALL_KERNELS = 4
"""Of a layer besides multiplications and attention: two norms, rotation with the cache write, activation."""

SMALL_KERNELS_EXPERTS = 12
"""Further ones of a layer with experts: choice, sorting, padding and gathering of tokens, scales, weighing, sum. How
long they take is the engine's `expert_layer_s` where that is known."""

SMALL_KERNELS_LATENT = 6
"""Further ones of latent attention: two norms, splitting and joining, and the absorbed projections' layouts. How long
they take is the engine's `latent_layer_s` where that is known."""

SAMPLING_KERNELS = 4
"""Of a step: from logits to tokens."""

SCALED_ELSEWHERE = frozenset({"router", "kv_up"})
"""Multiplications that have their inputs in 16 bits, whatever the rest is kept in."""

SMALL_KERNELS_STATE = 3
"""Further ones of a recurrence: the convolution, its gates, and the norm of what it gives."""


def small_kernels(layer: Layer) -> int:
    """Kernels of a layer that multiply no weights and read no context."""
    experts = SMALL_KERNELS_EXPERTS * isinstance(layer.feed_forward, ExpertFeedForward)
    latent = SMALL_KERNELS_LATENT * isinstance(layer.attention, LatentAttention | CompressedAttention)
    states = SMALL_KERNELS_STATE * (layer.recurrence is not None)
    return SMALL_KERNELS * blocks(layer) // 2 + experts + latent + states


def scaling_kernels(operators: Sequence[LinearOperator], weight_bytes: Sequence[float]) -> int:
    """Kernels that bring inputs of dense multiplications to a format with a scale for every block of few numbers, where
    weights are kept so: one before each. Those before experts are among the experts' own.

    Args:
        weight_bytes: of a weight of each operator.

    >>> named = [LinearOperator(name, 8, 8) for name in ("qkv", "router", "o")]
    >>> scaling_kernels(named, [1, 1, 2])
    1
    """
    return sum(
        not operator.experts and operator.name not in SCALED_ELSEWHERE and kept < 2
        for operator, kept in zip(operators, weight_bytes, strict=True)
    )


def floors_s(layer: Layer, engine: Engine, deployment: Deployment, floor_s: float, scaling: int) -> float:
    """Seconds that small kernels of a layer take however little they move: so many floors, and what the engine's
    kernels for experts and latents take on this device where served rows tell it.

    Args:
        scaling: kernels of `scaling_kernels`.
    """
    count, told_s = small_kernels(layer) - fused_kernels(engine, deployment) + scaling, 0.0
    if isinstance(layer.feed_forward, ExpertFeedForward) and "expert_layer_s" in engine.constants:
        count, told_s = count - SMALL_KERNELS_EXPERTS, told_s + engine.constants["expert_layer_s"]
    if isinstance(layer.attention, LatentAttention | CompressedAttention) and "latent_layer_s" in engine.constants:
        count, told_s = count - SMALL_KERNELS_LATENT, told_s + engine.constants["latent_layer_s"]
    return count * floor_s + told_s


def fused_kernels(engine: Engine, deployment: Deployment) -> float:
    """Small kernels of a layer that the engine does within its all-reduces: both norms, where it fuses them."""
    return engine.constants.get("fused_kernels", 0.0) if deployment.tensor_parallel > 1 else 0.0


def launching_s(
    layers: Sequence[tuple[Layer, int, Sequence[LinearOperator]]],
    engine: Engine,
    deployment: Deployment,
    scaling: Sequence[int],
) -> float:
    """Seconds of the host to launch a step kernel by kernel; 0 where nobody says how long a launch takes.

    Steps that replay no captured graph (`graphs.largest_captured`) last as long at least.

    Args:
        layers: each kind, how many there are, and its linear operators.
        scaling: kernels of `scaling_kernels` of each.
    """
    reduced = 2 * (deployment.tensor_parallel > 1)
    others = 1 + reduced - fused_kernels(engine, deployment)
    kernels = sum(
        count * (len(each) + small_kernels(layer) + others + further)
        for (layer, count, each), further in zip(layers, scaling, strict=True)
    )
    return engine.constants.get("launch_s", 0.0) * kernels
