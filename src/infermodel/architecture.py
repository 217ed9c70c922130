"""Transformer architectures as sequences of layers: parameters, multiply-adds and KV bytes, computed from the shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from infermodel.hardware import Provenance

PRECISION_BYTES: Mapping[str, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": 0.5,
    "int4": 0.5,
    "mxfp4": 4.25 / 8,  # 32 values of 4 bits share a scale of 8 bits (OCP microscaling formats, 2023)
    "nvfp4": 4.5 / 8,  # 16 values of 4 bits share a scale of 8 bits
}


@dataclass(frozen=True, slots=True)
class GroupedAttention:
    """Multi-head, grouped-query or multi-query attention.

    Attributes:
        window: tokens a query looks back on, itself included; None for all.
        output_gate_bias: whether q, k, v (`qkv_bias`) and o (`output_bias`) carry biases.
        qk_norm: whether queries and keys are normalised (two vectors of head_dim).
        sinks: one learned logit per head.
    """

    heads: int
    kv_heads: int
    head_dim: int
    window: int | None = None
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: bool = False
    sinks: bool = False

    def parameters(self, hidden: int) -> int:
        """Weights of the projections (and biases, norms, sinks) for a model of width `hidden`."""
        query, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        linear = hidden * (query + 2 * kv) + query * hidden
        extras = (query + 2 * kv) * self.qkv_bias + hidden * self.output_bias
        return linear + extras + 2 * self.head_dim * self.qk_norm + self.heads * self.sinks

    @property
    def kv_elements(self) -> int:
        """Numbers kept per token: keys and values of each KV head."""
        return 2 * self.kv_heads * self.head_dim


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, 2024): one compressed latent per token stands for all heads."""

    heads: int
    query_rank: int
    kv_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    window: int | None = None

    def parameters(self, hidden: int) -> int:
        """Weights of the down, up and output projections and of the two latent norms."""
        query = hidden * self.query_rank + self.query_rank * self.heads * (self.nope_dim + self.rope_dim)
        kv = hidden * (self.kv_rank + self.rope_dim) + self.kv_rank * self.heads * (self.nope_dim + self.value_dim)
        return query + kv + self.heads * self.value_dim * hidden + self.query_rank + self.kv_rank

    @property
    def kv_elements(self) -> int:
        """Numbers kept per token: the latent and the rotary key, once for all heads."""
        return self.kv_rank + self.rope_dim


@dataclass(frozen=True, slots=True)
class DenseFeedForward:
    """A gated feed-forward network: gate, up and down projections."""

    intermediate: int

    def parameters(self, hidden: int) -> int:
        """Weights stored."""
        return 3 * hidden * self.intermediate

    def active_parameters(self, hidden: int) -> int:
        """Weights that one token touches: all of them."""
        return self.parameters(hidden)


@dataclass(frozen=True, slots=True)
class ExpertFeedForward:
    """A mixture of gated experts with a router; `shared_intermediate` is the width of the always-on ones together."""

    experts: int
    top_k: int
    intermediate: int
    shared_intermediate: int = 0
    router_bias: bool = False
    expert_bias: bool = False

    def expert_parameters(self, hidden: int) -> int:
        """Weights of one routed expert."""
        return 3 * hidden * self.intermediate + (2 * self.intermediate + hidden) * self.expert_bias

    def _always(self, hidden: int) -> int:
        return hidden * self.experts + self.experts * self.router_bias + 3 * hidden * self.shared_intermediate

    def parameters(self, hidden: int) -> int:
        """Weights stored: every expert, the shared ones and the router."""
        return self.experts * self.expert_parameters(hidden) + self._always(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Weights that one token touches: `top_k` experts, the shared ones and the router."""
        return self.top_k * self.expert_parameters(hidden) + self._always(hidden)


Attention = GroupedAttention | LatentAttention
FeedForward = DenseFeedForward | ExpertFeedForward


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer block: attention, feed-forward, two norms."""

    attention: Attention
    feed_forward: FeedForward

    def parameters(self, hidden: int) -> int:
        """Weights stored by the layer."""
        return self.attention.parameters(hidden) + self.feed_forward.parameters(hidden) + 2 * hidden

    def active_parameters(self, hidden: int) -> int:
        """Weights that one token touches in the layer."""
        return self.attention.parameters(hidden) + self.feed_forward.active_parameters(hidden) + 2 * hidden


@dataclass(frozen=True)
class ModelArchitecture:
    """A decoder-only language model: an embedding, a sequence of layers, a final norm and an output head."""

    name: str
    title: str
    hidden: int
    vocabulary: int
    layers: tuple[Layer, ...]
    tied_embeddings: bool
    max_context: int
    published_parameters: float | None = None
    default_precision: str = "bf16"
    provenance: Provenance = field(default_factory=dict)

    @cached_property
    def distinct_layers(self) -> tuple[tuple[Layer, int], ...]:
        """Each kind of layer with its count, in order of first appearance."""
        return tuple(Counter(self.layers).items())

    @cached_property
    def embedding_parameters(self) -> int:
        """Weights of the input embedding (one row is read per token)."""
        return self.vocabulary * self.hidden

    @cached_property
    def head_parameters(self) -> int:
        """Weights that the output head multiplies with; stored once more unless tied to the embedding."""
        return self.vocabulary * self.hidden

    @cached_property
    def parameters(self) -> int:
        """All weights stored, the final norm included."""
        body = sum(layer.parameters(self.hidden) * count for layer, count in self.distinct_layers)
        return body + self.embedding_parameters + (0 if self.tied_embeddings else self.head_parameters) + self.hidden

    @cached_property
    def active_parameters(self) -> int:
        """Weights stored that one token touches, embedding and head counted as in `parameters`."""
        body = sum(layer.active_parameters(self.hidden) * count for layer, count in self.distinct_layers)
        return body + self.embedding_parameters + (0 if self.tied_embeddings else self.head_parameters) + self.hidden

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """The distinct attention windows of the model, ascending; empty where every layer sees the whole context."""
        return tuple(sorted({layer.attention.window for layer in self.layers if layer.attention.window is not None}))

    def kv_bytes_per_token(self, bytes_per_element: float = 2.0) -> float:
        """Bytes that one token of context costs while no window has dropped it, all layers.

        Args:
            bytes_per_element: storage of one number of the KV cache.
        """
        return bytes_per_element * sum(layer.attention.kv_elements * n for layer, n in self.distinct_layers)
