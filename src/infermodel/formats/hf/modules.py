"""A model's matrices by the names that checkpoints give them, for lists that say what is kept in which format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from infermodel.architecture import (
    CompressedAttention,
    ExpertFeedForward,
    GroupedAttention,
    LatentAttention,
    Layer,
    ModelArchitecture,
)

SPELLINGS = (
    ("self_attn", "attention", "attn", "mixer"),
    ("mlp", "feed_forward", "ffn", "block_sparse_moe", "mixer"),
    ("linear_attn", "mamba", "mixer", "conv", "self_attn"),
    ("mlp.shared_experts", "mlp.shared_expert", "mlp.shared_mlp", "ffn.shared_experts", "mixer.shared_experts"),
    ("mlp.experts", "ffn.experts", "block_sparse_moe.experts", "mixer.experts", "feed_forward.experts"),
)
"""Names of the same module in different families: attention, dense network, recurrence, shared and routed experts."""

ATTENTION, DENSE, RECURRENCE, SHARED, ROUTED = SPELLINGS


class Module(NamedTuple):
    """Matrices that are kept alike, under all names that they may have.

    Attributes:
        group: `attention`, `dense`, `recurrence`, `shared`, `experts`, `embedding` or `head`.
        names: one matrix of them, spelled in every family's way.
    """

    group: str
    names: tuple[str, ...]
    weights: int


def modules(model: ModelArchitecture) -> Iterator[Module]:
    """Every matrix of the language model that a list may name; routers, norms and biases are not among them."""
    yield Module("embedding", ("embed_tokens", "embed", "word_embeddings", "wte"), model.embedding_parameters)
    if not model.tied_embeddings:
        yield Module("head", ("lm_head", "head", "output"), model.head_parameters)
    for index, layer in enumerate(model.layers):
        yield from _of_layer(index, layer, model.hidden)


def _of_layer(index: int, layer: Layer, hidden: int) -> Iterator[Module]:
    for group, spellings, parts in (
        ("attention", ATTENTION, _attention(layer, hidden)),
        ("recurrence", RECURRENCE, _recurrence(layer, hidden)),
        *_networks(layer, hidden),
    ):
        for names, weights in parts:
            spelled = tuple(f"layers.{index}.{module}.{name}" for module in spellings for name in names)
            if weights:
                yield Module(group, spelled, weights)


Parts = Sequence[tuple[tuple[str, ...], int]]


def _attention(layer: Layer, hidden: int) -> Parts:
    attention = layer.attention
    if isinstance(attention, GroupedAttention):
        columns = attention.kv_heads * attention.projects_kv
        values = 0 if attention.ties_values else attention.value_head_dim
        parts = [
            (("q_proj", "qkv_proj"), hidden * attention.heads * attention.head_dim),
            (("k_proj", "qkv_proj"), hidden * columns * attention.head_dim),
            (("v_proj", "qkv_proj"), hidden * columns * values),
            (("o_proj",), attention.heads * attention.value_head_dim * hidden),
            (("g_proj", "gate_proj"), hidden * attention.gate_columns),
        ]
    elif isinstance(attention, LatentAttention):
        queries = attention.heads * (attention.nope_dim + attention.rope_dim)
        up = attention.heads * (attention.nope_dim + attention.value_dim)
        down = hidden * (attention.kv_rank + attention.rope_dim) * attention.keeps_kv
        parts = [
            (("q_a_proj", "fused_qkv_a_proj"), hidden * attention.query_rank),
            (("q_b_proj", "q_proj"), (attention.query_rank or hidden) * queries),
            (("kv_a_proj_with_mqa",), down),
            (("kv_b_proj",), attention.kv_rank * up),
            (("o_proj",), attention.heads * attention.value_dim * hidden),
        ]
    else:
        parts = [(("wq_a", "q_a_proj"), attention.parameters(hidden))]
    if not isinstance(attention, CompressedAttention) and attention.indexer:
        parts.append((("indexer.wq_b", "indexer.wk"), attention.indexer.parameters(hidden)))
    return parts


def _recurrence(layer: Layer, hidden: int) -> Parts:
    recurrence = layer.recurrence
    if recurrence is None:
        return ()
    inward = hidden * recurrence.input_columns
    outward = recurrence.parameters(hidden) - inward
    return (
        (("in_proj", "in_proj_qkvz", "in_proj_qkv", "q_proj"), inward),
        (("out_proj", "o_proj"), outward),
    )


def _networks(layer: Layer, hidden: int) -> Iterator[tuple[str, Sequence[str], Parts]]:
    network = layer.feed_forward
    if not isinstance(network, ExpertFeedForward):
        yield "dense", DENSE, _projections(network.matrices, hidden * network.intermediate)
        return
    shared = hidden * network.shared_intermediate
    width = network.latent or hidden
    yield "shared", SHARED, _projections(network.matrices, shared)
    yield "dense", DENSE, ((("fc1_latent_proj", "fc2_latent_proj"), 2 * hidden * network.latent),)
    routed = _projections(network.matrices, network.experts * width * network.intermediate)
    named = [((*names, *(f"0.{name}" for name in names)), weights) for names, weights in routed]
    yield "experts", ROUTED, named


def _projections(matrices: int, weights: int) -> Parts:
    gates = ((("gate_proj", "w1", "gate_up_proj"), weights),) if matrices == 3 else ()
    return (*gates, (("up_proj", "w3", "gate_up_proj"), weights), (("down_proj", "w2"), weights))


@lru_cache(maxsize=4096)
def _pattern(said: str) -> re.Pattern[str]:
    """What an entry of a list matches: an expression after `re:`, a pattern with stars, or the name of a module."""
    if said.startswith("re:"):
        return re.compile(said.removeprefix("re:"))
    inside = re.sub(r"^.*?(?=layers\.)", "", said).strip(".") if "layers." in said else said.strip(".")
    middle = translate(inside).removeprefix("(?s:").removesuffix(")\\Z").removesuffix(r")\z")
    return re.compile(rf"(^|.*\.){middle}($|\..*)")


def matches(said: str, module: Module) -> bool:
    """Whether an entry of a list names a module, under any of its spellings.

    Raises:
        ValueError: it is no expression.
    """
    try:
        pattern = _pattern(said)
    except re.error as error:
        raise ValueError(f"{said!r}: {error}") from None
    return any(pattern.match(name) or pattern.match(f"model.{name}") for name in module.names)
