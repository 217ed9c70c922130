"""FLOPs and bytes of a step on one GPU, per operator group: what has to be done, not how long it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from infermodel.architecture import (
    PRECISION_BYTES,
    Attention,
    CompressedAttention,
    ExpertFeedForward,
    FeedForward,
    GroupedAttention,
    Indexer,
    ModelArchitecture,
    Span,
)
from infermodel.cost.step import Chunk


@dataclass(frozen=True, slots=True)
class Shard:
    """How many GPUs share the parts of a layer.

    Attributes:
        tensor_parallel: GPUs that divide heads and feed-forward columns.
        expert_parallel: groups that the experts are dealt to, whole; 1 divides every expert's columns instead.
        data_parallel: groups that hold attention for their own sequences; experts are spread over all groups.
    """

    tensor_parallel: int = 1
    expert_parallel: int = 1
    data_parallel: int = 1

    @property
    def experts_divided_over(self) -> int:
        """GPUs that divide the columns of one expert."""
        return max(1, self.tensor_parallel * self.data_parallel // self.expert_parallel)


@dataclass(frozen=True, slots=True)
class LinearOperator:
    """A matrix multiplication on one GPU: tokens x `inputs` by `inputs` x `outputs`.

    Attributes:
        experts: experts of the whole layer that the operator routes over, 0 for a dense operator.
        experts_here: of them, those that this GPU holds.
        top_k: experts that one token visits.
    """

    name: str
    inputs: float
    outputs: float
    experts: int = 0
    experts_here: float = 0
    top_k: int = 0

    @property
    def parameters(self) -> float:
        """Weights that this GPU holds."""
        return self.inputs * self.outputs * (self.experts_here if self.experts else 1)


def experts_hit(experts: int, top_k: int, tokens: float) -> float:
    """Expected number of experts that at least one of `tokens` tokens visits, each choosing `top_k` evenly.

    >>> round(experts_hit(8, 2, 4), 3)  # 8 x (1 - 0.75^4)
    5.469
    """
    return experts * (1.0 - float((1.0 - top_k / experts) ** tokens))


def attention_operators(attention: Attention, hidden: int, shard: Shard) -> tuple[LinearOperator, ...]:
    """Projections of one attention on one GPU. Grouped: qkv and o; latent: down, query up, key-value up and o;
    compressed: down, query up, both halves of the output and what compresses. An indexer adds its own.

    KV heads replicate where there are fewer of them than GPUs; latents' down projections and indexers are on every
    GPU. The absorbed form multiplies queries and outputs with the same weights as the key-value up projection.
    """
    heads = attention.heads / shard.tensor_parallel
    if not attention.heads:
        return ()
    if isinstance(attention, GroupedAttention):
        kv_heads = max(1.0, attention.kv_heads / shard.tensor_parallel) * attention.projects_kv
        values = 0 if attention.ties_values else attention.value_head_dim
        columns = heads * attention.head_dim + kv_heads * (attention.head_dim + values)
        columns += attention.gate_columns / shard.tensor_parallel
        return (
            LinearOperator("qkv", hidden, columns),
            LinearOperator("o", heads * attention.value_head_dim, hidden),
            *_indexer_operators(attention.indexer, hidden),
        )
    if isinstance(attention, CompressedAttention):
        return _compressed_operators(attention, hidden, shard)
    query = heads * (attention.nope_dim + attention.rope_dim)
    down = attention.query_rank + (attention.kv_rank + attention.rope_dim) * attention.keeps_kv
    gate = attention.gate_columns / shard.tensor_parallel
    return (
        LinearOperator("qkv_down", hidden, down + gate),
        LinearOperator("query_up", attention.query_rank or hidden, query),
        LinearOperator("kv_up", attention.kv_rank, heads * (attention.nope_dim + attention.value_dim)),
        LinearOperator("o", heads * attention.value_dim, hidden),
        *_indexer_operators(attention.indexer, hidden),
    )


def _indexer_operators(indexer: Indexer | None, hidden: int) -> tuple[LinearOperator, ...]:
    if indexer is None:
        return ()
    return (
        LinearOperator("index_query", indexer.query_inputs or hidden, indexer.heads * indexer.head_dim),
        LinearOperator("index_key", hidden, indexer.head_dim + indexer.heads * indexer.weighted),
    )


def _compressed_operators(attention: CompressedAttention, hidden: int, shard: Shard) -> tuple[LinearOperator, ...]:
    queries = attention.heads * attention.head_dim / shard.tensor_parallel
    groups = attention.output_groups / shard.tensor_parallel
    index = attention.indexer
    compressed = attention.head_dim + (index.head_dim if index else 0)
    operators = [
        LinearOperator("qkv_down", hidden, attention.query_rank + attention.head_dim),
        LinearOperator("query_up", attention.query_rank, queries),
        LinearOperator("o_down", queries, attention.output_rank),
        LinearOperator("o", groups * attention.output_rank, hidden),
    ]
    if attention.ratio:
        operators.append(LinearOperator("compress", hidden, 2 * (1 + attention.overlaps) * compressed))
    if index:
        operators.append(LinearOperator("index_query", attention.query_rank, index.heads * index.head_dim))
    return tuple(operators)


def feed_forward_operators(feed_forward: FeedForward, hidden: int, shard: Shard) -> tuple[LinearOperator, ...]:
    """Feed-forward of one layer on one GPU: gate_up and down; with experts also router and shared experts, and the way
    to the experts' own width and back where they have one.
    """
    inward = feed_forward.matrices - 1
    if not isinstance(feed_forward, ExpertFeedForward):
        columns = feed_forward.intermediate / shard.tensor_parallel
        if not columns:
            return ()
        return (LinearOperator("gate_up", hidden, inward * columns), LinearOperator("down", columns, hidden))
    width = feed_forward.latent or hidden
    columns = feed_forward.intermediate / shard.experts_divided_over
    routed = partial(
        LinearOperator,
        experts=feed_forward.experts,
        experts_here=feed_forward.experts / shard.expert_parallel,
        top_k=feed_forward.top_k,
    )
    operators = [
        LinearOperator("router", hidden, feed_forward.experts),
        routed("experts_gate_up", width, inward * columns),
        routed("experts_down", columns, width),
    ]
    if feed_forward.shared_intermediate:
        shared = feed_forward.shared_intermediate / shard.tensor_parallel
        operators += [
            LinearOperator("shared_gate_up", hidden, inward * shared),
            LinearOperator("shared_down", shared, hidden),
        ]
    if feed_forward.latent:
        operators += [LinearOperator("latent_down", hidden, width), LinearOperator("latent_up", width, hidden)]
    return tuple(operators)


def head_operator(architecture: ModelArchitecture, shard: Shard) -> LinearOperator:
    """The output head, its vocabulary divided over the tensor-parallel GPUs."""
    return LinearOperator("head", architecture.hidden, architecture.vocabulary / shard.tensor_parallel)


EXPERTS_ONLY = frozenset({"mxfp4"})
"""Formats that only experts are kept in, the rest of the weights in 16 bits: gpt-oss is published so."""

LATENT_IN_16_BITS = frozenset({"qkv_down", "query_up", "kv_up"})
"""Projections of latent attention that stay in 16 bits where the rest is nvfp4: DeepSeek R1 is published so."""


PARTS: Mapping[str, str] = {
    "experts_gate_up": "experts",
    "experts_down": "experts",
    "shared_gate_up": "shared",
    "shared_down": "shared",
    "gate_up": "dense",
    "down": "dense",
    "router": "router",
    "state_in": "recurrence",
    "state_out": "recurrence",
    "state_step": "recurrence",
    "state_gate": "recurrence",
    "head": "head",
}
"""What an operator is part of, by its name; all others are of attention."""

Formats = tuple[tuple[str, str], ...]


def bytes_per_weight(operator: LinearOperator, precision: str, formats: Formats = ()) -> float:
    """Storage of a weight of this operator in a model whose weights are kept in `precision`.

    Args:
        formats: `ModelArchitecture.formats`, where the model is kept as published.
    """
    if formats:
        return PRECISION_BYTES[dict(formats).get(PARTS.get(operator.name, "attention"), "bf16")]
    if precision in EXPERTS_ONLY and not operator.experts:
        return 2.0
    if precision == "nvfp4" and operator.name in LATENT_IN_16_BITS:
        return 2.0
    return PRECISION_BYTES[precision]


def kv_elements_per_token(attention: Attention, shard: Shard) -> float:
    """Numbers that one GPU keeps per token of one layer: its KV heads, at least one; a latent is on every GPU whole.

    >>> kv_elements_per_token(GroupedAttention(heads=64, kv_heads=8, head_dim=128), Shard(tensor_parallel=16))
    256.0
    """
    if isinstance(attention, GroupedAttention):
        index = attention.indexer.head_dim if attention.indexer else 0
        return _read_elements(attention, shard) * attention.keeps_kv + index
    return attention.kv_elements


def kept_elements(attention: Attention, shard: Shard) -> tuple[tuple[int | None, float], ...]:
    """Numbers that one GPU keeps per token of one layer, by how long: until a window (tokens) has moved on, or for good
    (None); nothing where the layer keeps none.

    >>> kept_elements(GroupedAttention(heads=8, kv_heads=2, head_dim=64, window=128), Shard())
    ((128, 256.0),)
    """
    if isinstance(attention, CompressedAttention):
        near, beyond = (attention.window, float(attention.window_elements)), (None, attention.kv_elements)
        return (near, beyond) if attention.ratio else (near,)
    kept = kv_elements_per_token(attention, shard)
    return ((attention.window, kept),) if kept else ()


def _read_elements(attention: GroupedAttention, shard: Shard) -> float:
    """Numbers of a context token's keys and values on one GPU, whoever keeps them."""
    return max(1.0, attention.kv_heads / shard.tensor_parallel) * (attention.head_dim + attention.value_head_dim)


class Look(NamedTuple):
    """What a new token does with part of its context in one layer, on one GPU.

    Attributes:
        window: tokens back that it looks at; None for all.
        elements: numbers read of each.
        decode_flops, pair_flops: of each, in a decoding step and in a prompt.
    """

    window: int | None
    elements: float
    decode_flops: float
    pair_flops: float


def looks(attention: Attention, shard: Shard) -> tuple[Look, ...]:
    """All that a new token looks at: a window or everything; with an indexer everything to score it, by keys that every
    GPU has whole, and what it picks.

    >>> looks(GroupedAttention(heads=32, kv_heads=8, head_dim=128, window=64), Shard())
    (Look(window=64, elements=2048.0, decode_flops=16384.0, pair_flops=16384.0),)
    """
    return tuple(_look(attention, span, shard) for span in attention.spans)


def _look(attention: Attention, span: Span, shard: Shard) -> Look:
    if span.scores and attention.indexer:
        flops = 2.0 * attention.indexer.heads * span.elements
        return Look(span.window, span.elements, flops, flops)
    picked = attention.top_k is not None
    decode = attention_flops_per_pair(attention, shard, absorbed=True)
    prompt = attention_flops_per_pair(attention, shard, absorbed=picked)
    if isinstance(attention, GroupedAttention):
        return Look(span.window, _read_elements(attention, shard), decode, prompt)
    share = span.elements / attention.head_dim if isinstance(attention, CompressedAttention) else 1.0
    return Look(span.window, span.elements, decode * share, prompt * share)


def attention_flops_per_pair(attention: Attention, shard: Shard, *, absorbed: bool) -> float:
    """FLOPs of one query token against one context token in one layer on one GPU: scores and weighted values.

    Grouped: 2 x heads x (head_dim + value head_dim). Latent, absorbed (decode): each head works on the latent itself,
    2 x (rank + rope) for the scores and 2 x rank for the values; not absorbed (prefill): on keys and values of the
    usual width. Compressed: 4 x heads x head_dim for each entry.

    >>> attention_flops_per_pair(GroupedAttention(heads=32, kv_heads=8, head_dim=128), Shard(), absorbed=True)
    16384.0
    """
    heads = attention.heads / shard.tensor_parallel
    if isinstance(attention, GroupedAttention):
        return 2 * heads * (attention.head_dim + attention.value_head_dim)
    if isinstance(attention, CompressedAttention):
        return 4 * heads * attention.head_dim
    if absorbed:
        return 2 * heads * (2 * attention.kv_rank + attention.rope_dim)
    return 2 * heads * (attention.nope_dim + attention.rope_dim + attention.value_dim)


def chunk_pairs(chunk: Chunk, window: int | None) -> float:
    """Query-context pairs of a prompt chunk under causal attention, each token seeing at most `window` back.

    >>> chunk_pairs(Chunk(new=4, before=10), None)  # 11 + 12 + 13 + 14
    50.0
    >>> chunk_pairs(Chunk(new=4, before=10), 12)  # 11 + 12 + 12 + 12
    47.0
    """
    new, before = chunk.new, chunk.before
    if window is None or before + new <= window:
        return new * before + new * (new + 1) / 2
    growing = max(0, window - before)
    return growing * before + growing * (growing + 1) / 2 + (new - growing) * window


def chunk_context(chunk: Chunk, window: int | None) -> int:
    """Context tokens whose keys and values a chunk reads: all before and itself, or what its window still sees."""
    reach = chunk.before + chunk.new
    return reach if window is None else min(reach, window + chunk.new)
