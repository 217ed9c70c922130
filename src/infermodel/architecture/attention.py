"""Attention: how a token looks at the tokens before it, and what it leaves for those that come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """Part of the context that a new token looks at in a layer.

    Attributes:
        window: tokens back; None for all.
        elements: numbers read of each of them, on the whole model.
        scores: whether an indexer looks, which only scores.
    """

    window: int | None
    elements: float
    scores: bool = False


@dataclass(frozen=True, slots=True)
class Indexer:
    """Small heads that score the whole context and pick the tokens that attention then looks at (DeepSeek V3.2, 2025).

    Attributes:
        heads: that score; all share one key per token.
        head_dim: of queries and keys.
        query_inputs: width that queries are projected from, a query latent; 0 for the layer's input.
        weighted: whether a token weighs its heads (one more projection).
        extra: weights that only one family has.
    """

    heads: int
    head_dim: int
    query_inputs: int = 0
    weighted: bool = True
    extra: int = 0

    def parameters(self, hidden: int) -> int:
        """Weights of the projections of queries, keys and head weights, and of the keys' norm.

        >>> Indexer(heads=64, head_dim=128, query_inputs=1536).parameters(7168)  # 1536 x 8192 + 7168 x 192 + 256
        13959424
        """
        queries = (self.query_inputs or hidden) * self.heads * self.head_dim
        return queries + hidden * (self.head_dim + self.heads * self.weighted) + 2 * self.head_dim + self.extra


@dataclass(frozen=True, slots=True)
class GroupedAttention:
    """Multi-head, grouped-query or multi-query attention.

    Attributes:
        window: tokens a query looks back on, itself included; None for all.
        qkv_bias: whether q, k and v carry biases.
        output_bias: whether o carries one.
        qk_norm: whether queries and keys are normalised head by head (two vectors of head_dim).
        sinks: one learned logit per head.
        value_dim: of values, where it is not head_dim.
        gate_columns: outputs of a projection that gates the result: one a head, or all.
        wide_qk_norm: whether the norms of queries and keys span all heads instead.
        projects_kv: whether the layer has projections for keys and values of its own.
        ties_values: whether values are what the keys' projection gives.
        keeps_kv: whether it leaves keys and values of text tokens; not so where it reads those of a layer before or of
            an image.
        indexer: picks the `top_k` tokens that are looked at.
        top_k: tokens looked at where not all are; an indexer of an earlier layer may have picked them.
        extra: weights that only one family has.
    """

    heads: int
    kv_heads: int
    head_dim: int
    window: int | None = None
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: bool = False
    sinks: bool = False
    value_dim: int | None = None
    gate_columns: int = 0
    wide_qk_norm: bool = False
    projects_kv: bool = True
    ties_values: bool = False
    keeps_kv: bool = True
    indexer: Indexer | None = None
    top_k: int | None = None
    extra: int = 0

    @property
    def value_head_dim(self) -> int:
        """Numbers of one head's value."""
        return self.head_dim if self.value_dim is None else self.value_dim

    def parameters(self, hidden: int) -> int:
        """Weights of the projections (and biases, norms, sinks) for a model of width `hidden`."""
        query, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim * self.projects_kv
        values = 0 if self.ties_values else self.kv_heads * self.value_head_dim * self.projects_kv
        linear = hidden * (query + keys + values + self.gate_columns) + self.heads * self.value_head_dim * hidden
        extras = (query + keys + values) * self.qkv_bias + hidden * self.output_bias
        norms = (self.head_dim * (1 + self.projects_kv)) * self.qk_norm + (query + keys) * self.wide_qk_norm
        index = self.indexer.parameters(hidden) if self.indexer else 0
        return linear + extras + norms + self.heads * self.sinks + index + self.extra

    @property
    def kv_elements(self) -> int:
        """Numbers kept per token: keys and values of each KV head, and the indexer's key."""
        if not self.keeps_kv:
            return 0
        index = self.indexer.head_dim if self.indexer else 0
        return self.kv_heads * (self.head_dim + self.value_head_dim) + index

    @property
    def spans(self) -> tuple[Span, ...]:
        """What a new token looks at: all or a window, or what the indexer picks after it scored everything."""
        if not self.heads:
            return ()
        own = self.kv_heads * (self.head_dim + self.value_head_dim)
        looked = Span(self.top_k or self.window, own)
        return (looked, Span(None, self.indexer.head_dim, scores=True)) if self.indexer else (looked,)


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, 2024): one compressed latent per token stands for all heads.

    Attributes:
        query_rank: of the queries' latent; 0 where they come from the layer's input.
        keeps_kv: whether it leaves a latent; not so where it reads that of a layer before.
        bias: whether the down and output projections carry biases.
        gate_columns, indexer, top_k, extra: as of `GroupedAttention`.
    """

    heads: int
    query_rank: int
    kv_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    window: int | None = None
    keeps_kv: bool = True
    bias: bool = False
    gate_columns: int = 0
    indexer: Indexer | None = None
    top_k: int | None = None
    extra: int = 0

    def parameters(self, hidden: int) -> int:
        """Weights of the down, up and output projections and of the latents' norms."""
        queries = self.heads * (self.nope_dim + self.rope_dim)
        query = hidden * self.query_rank + self.query_rank * queries if self.query_rank else hidden * queries
        kv = (hidden * (self.kv_rank + self.rope_dim) + self.kv_rank) * self.keeps_kv
        kv += self.kv_rank * self.heads * (self.nope_dim + self.value_dim)
        biases = (self.query_rank + self.kv_rank + self.rope_dim + hidden) * self.bias
        index = self.indexer.parameters(hidden) if self.indexer else 0
        linear = query + kv + self.heads * self.value_dim * hidden + hidden * self.gate_columns
        return linear + self.query_rank + biases + index + self.extra

    @property
    def kv_elements(self) -> int:
        """Numbers kept per token: the latent and the rotary key, once for all heads, and the indexer's key."""
        index = self.indexer.head_dim if self.indexer else 0
        return (self.kv_rank + self.rope_dim) * self.keeps_kv + index

    @property
    def spans(self) -> tuple[Span, ...]:
        """What a new token looks at: all or a window, or what the indexer picks after it scored everything."""
        looked = Span(self.top_k or self.window, self.kv_rank + self.rope_dim)
        return (looked, Span(None, self.indexer.head_dim, scores=True)) if self.indexer else (looked,)


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """Attention of DeepSeek V4 (2026): a window of single tokens, and beyond it entries that each stand for `ratio`.

    One head of keys, which are also the values, serves all query heads; the output projection is of low rank.

    Attributes:
        window: single tokens a query looks back on, itself included.
        ratio: tokens that share an entry beyond; 0 where nothing is kept beyond.
        overlaps: whether an entry is made of its tokens and the `ratio` before them (twice the projections).
        indexer: picks the `top_k` entries that are looked at; its keys are compressed alike.
    """

    heads: int
    head_dim: int
    query_rank: int
    output_rank: int
    output_groups: int
    window: int
    ratio: int = 0
    overlaps: bool = False
    indexer: Indexer | None = None
    top_k: int | None = None

    @property
    def kv_heads(self) -> int:
        """Heads of keys: one for all."""
        return 1

    def parameters(self, hidden: int) -> int:
        """Weights of queries, keys, the grouped output, sinks, and of what compresses."""
        queries = self.heads * self.head_dim
        query = hidden * self.query_rank + self.query_rank * queries + self.query_rank
        output = queries * self.output_rank + self.output_groups * self.output_rank * hidden
        plain = query + hidden * self.head_dim + self.head_dim + output + self.heads
        if not self.ratio:
            return plain
        index = self.indexer
        if index is None:
            return plain + self._compressor(hidden, self.head_dim)
        scoring = self.query_rank * index.heads * index.head_dim + hidden * index.heads
        return plain + self._compressor(hidden, self.head_dim) + self._compressor(hidden, index.head_dim) + scoring

    def _compressor(self, hidden: int, width: int) -> int:
        wide = width * (1 + self.overlaps)
        return 2 * hidden * wide + self.ratio * wide + width

    @property
    def kv_elements(self) -> float:
        """Numbers kept per token beyond the window, a share of an entry."""
        if not self.ratio:
            return 0.0
        return (self.head_dim + (self.indexer.head_dim if self.indexer else 0)) / self.ratio

    @property
    def window_elements(self) -> int:
        """Numbers kept per token within the window."""
        return self.head_dim

    @property
    def spans(self) -> tuple[Span, ...]:
        """What a new token looks at: its window, the entries beyond, and what the indexer scores of them."""
        near = Span(self.window, self.head_dim)
        if not self.ratio:
            return (near,)
        reach = self.top_k * self.ratio if self.top_k else None
        far = Span(reach, self.head_dim / self.ratio)
        index = self.indexer
        return (near, far, Span(None, index.head_dim / self.ratio, scores=True)) if index else (near, far)


Attention = GroupedAttention | LatentAttention | CompressedAttention

NO_ATTENTION = GroupedAttention(heads=0, kv_heads=0, head_dim=0)
"""Of a layer that has none: it weighs and keeps nothing."""
