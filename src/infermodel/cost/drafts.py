"""Who drafts: layers of the model itself, one trained to follow it, or a model of its own; and what they weigh."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from infermodel.architecture import (
    PRECISION_BYTES,
    DenseFeedForward,
    ExpertFeedForward,
    GroupedAttention,
    Layer,
    ModelArchitecture,
)
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.memory import embedding_bytes, weights_bytes
from infermodel.cost.step import DoesNotFit

Drafter = Literal["model", "mtp", "eagle3"]
"""A model of its own, layers of the model, or a layer trained to follow it; the latter two read its hidden states."""

HEAD_DIM, KV_HEADS = 128, 8
"""Of an EAGLE-3 layer where the model's own attention is not of that kind."""

EAGLE3_VOCABULARY = 32_000
"""Tokens that an EAGLE-3 layer may draft: the most frequent (Li et al., EAGLE-3, 2025, and its published heads)."""


def mtp(model: ModelArchitecture) -> ModelArchitecture:
    """The layers of a model that draft, as a model with its embedding and head.

    Raises:
        DoesNotFit: it has none.
    """
    if not model.drafts:
        raise DoesNotFit(f"{model.title} has no layers that draft; draft from a model, eagle3 or ngram")
    return _beside(model, f"{model.name}-mtp", f"the draft layers of {model.title}", model.drafts)


def eagle3(model: ModelArchitecture, parameters: float | None = None) -> ModelArchitecture:
    """The one layer that EAGLE-3 trains to follow a model (Li et al., 2025): a projection of three hidden states,
    attention over those and the token's embedding side by side, a gated network, and a head for the frequent tokens. It
    shares the model's embedding.

    Args:
        parameters: of it, met by the width of its network; None: as wide as the model's own, a mixture's as what a
            token visits.

    Raises:
        DoesNotFit: fewer parameters than all but the network has.
    """
    hidden, vocabulary = model.hidden, min(model.vocabulary, EAGLE3_VOCABULARY)
    attention = _own_attention(model)
    inputs = attention.heads * attention.head_dim + 2 * attention.kv_heads * attention.head_dim
    layer = Layer(attention, joined=3)
    least = layer.parameters(hidden) + hidden * inputs + vocabulary * hidden + hidden
    columns = _own_columns(model) if parameters is None else (parameters - least) / (3 * hidden)
    if columns < 1:
        said = f"an eagle3 draft of {model.title} has {least / 1e6:.0f} million parameters without its network"
        raise DoesNotFit(f"{said}, more than {(parameters or 0) / 1e6:.0f} million")
    # The second half of the attention's input, as so many more columns of the network: the same weights and FLOPs.
    wide = replace(layer, feed_forward=DenseFeedForward(round(columns + inputs / 3)))
    draft = _beside(model, f"{model.name}-eagle3", f"an EAGLE-3 draft of {model.title}", (wide,))
    return replace(draft, vocabulary=vocabulary, default_precision="bf16", formats=())


def _beside(model: ModelArchitecture, name: str, title: str, layers: tuple[Layer, ...]) -> ModelArchitecture:
    return replace(
        model,
        name=name,
        title=title,
        layers=layers,
        drafts=(),
        towers=(),
        images=None,
        extra_parameters=0,
        stored_bytes=None,
        published_parameters=None,
        repository="",
    )


def _own_attention(model: ModelArchitecture) -> GroupedAttention:
    for layer in reversed(model.layers):
        attention = layer.attention
        if isinstance(attention, GroupedAttention) and attention.heads:
            return GroupedAttention(attention.heads, attention.kv_heads, attention.head_dim)
    return GroupedAttention(max(KV_HEADS, model.hidden // HEAD_DIM // KV_HEADS * KV_HEADS), KV_HEADS, HEAD_DIM)


def _own_columns(model: ModelArchitecture) -> int:
    for layer in model.layers:
        network = layer.feed_forward
        if isinstance(network, ExpertFeedForward):
            return network.top_k * network.intermediate + network.shared_intermediate
        if network.intermediate:
            return network.intermediate
    return 3 * model.hidden


def layout(by: Drafter, deployment: Deployment) -> Deployment:
    """How a draft lies on the replica's GPUs: a model's own layers as that does, another's without experts
    shared out; a single layer on one stage; an EAGLE-3 layer in 16 bits.
    """
    if by == "model":
        return replace(deployment, expert_parallel=1)
    if by == "mtp":
        return replace(deployment, pipeline_parallel=1)
    precision = Precision("bf16", deployment.precision.kv_cache, "bf16")
    return replace(deployment, pipeline_parallel=1, expert_parallel=1, precision=precision)


def draft_bytes(by: Drafter, draft: ModelArchitecture, laid_out: Deployment) -> float:
    """Bytes of a draft's weights on all GPUs of a replica; what it shares with the model counts there."""
    if by == "model":
        return draft.parameters * PRECISION_BYTES[laid_out.precision.weights]
    on_one = weights_bytes(draft.distinct_layers, draft, laid_out)
    if by == "eagle3":
        on_one += embedding_bytes(draft, laid_out)  # its head
    return on_one * laid_out.tensor_parallel * laid_out.data_parallel
