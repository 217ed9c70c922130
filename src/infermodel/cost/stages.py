"""The stages of a dataflow device's ring: how long each holds a token, and what useful work a token is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from infermodel.architecture import PRECISION_BYTES, Attention, ModelArchitecture
from infermodel.cost.deployment import Precision
from infermodel.cost.work import Shard, attention_flops_per_pair


class Stage(NamedTuple):
    """Layers of one kind, each a stage of the ring that holds a token for `fixed_s + per_context_s x context`.

    Attributes:
        layers: how many the model has.
        fixed_s: seconds that do not depend on context.
        per_context_s: seconds per token of context seen.
        window: tokens of context that these layers see at most.
    """

    layers: int
    fixed_s: float
    per_context_s: float
    window: int | None = None

    def token_s(self, context: float) -> float:
        """Seconds that one layer holds a token with this context (t_slot)."""
        return self.fixed_s + self.per_context_s * (context if self.window is None else min(context, self.window))


@dataclass(frozen=True)
class Work:
    """Useful operations and bytes per token, the numerators of mfu and mbu.

    Attributes:
        body_flops, head_flops: of one token through all layers, and of one sampled token through the head.
        body_bytes, head_bytes: weights read for it.
        token_kv_bytes: keys and values written for it.
        context_flops, context_bytes: per token of context seen, first for layers that see all of it and then for each
            window of the model, ascending.
    """

    body_flops: float
    head_flops: float
    body_bytes: float
    head_bytes: float
    token_kv_bytes: float
    context_flops: tuple[float, ...]
    context_bytes: tuple[float, ...]


def attention_multiply_adds(attention: Attention) -> float:
    """Multiply-adds of one layer per token and token of its context, latent attention absorbed.

    >>> from infermodel.architecture import GroupedAttention
    >>> attention_multiply_adds(GroupedAttention(heads=32, kv_heads=8, head_dim=128))
    8192.0
    """
    return attention_flops_per_pair(attention, Shard(), absorbed=True) / 2


def token_work(architecture: ModelArchitecture, precision: Precision) -> Work:
    """Useful work of `architecture` per token, at 2 operations a multiply-add."""
    weight, kv = PRECISION_BYTES[precision.weights], PRECISION_BYTES[precision.kv_cache]
    groups: list[int | None] = [None, *architecture.windows]
    flops, read = [0.0] * len(groups), [0.0] * len(groups)
    body = 0
    for layer, count in architecture.distinct_layers:
        group = groups.index(layer.attention.window)
        flops[group] += 2.0 * count * attention_multiply_adds(layer.attention)
        read[group] += count * kv * layer.attention.kv_elements
        body += count * layer.active_parameters(architecture.hidden)
    return Work(
        body_flops=2.0 * body,
        head_flops=2.0 * architecture.head_parameters,
        body_bytes=weight * body,
        head_bytes=weight * architecture.head_parameters,
        token_kv_bytes=architecture.kv_bytes_per_token(kv),
        context_flops=tuple(flops),
        context_bytes=tuple(read),
    )


def peak(rates: Mapping[str, float], precision: str) -> float:
    """Peak rate at a precision: formats of one width stand for each other, and the slowest known one for all others.

    >>> peak({"fp16": 188e12, "int8": 750e12}, "bf16") / 1e12
    188.0
    """
    same = {"bf16": "fp16", "fp16": "bf16", "fp8": "int8", "int8": "fp8", "mxfp4": "fp4", "nvfp4": "fp4", "int4": "fp4"}
    for name in (precision, same.get(precision, precision)):
        if name in rates:
            return rates[name]
    return min(rates.values())
