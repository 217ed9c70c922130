"""A model's layers kind by kind, as `infermodel catalog model` prints them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from infermodel.answers.aligned import aligned
from infermodel.architecture import NO_ATTENTION, NO_FEED_FORWARD, Layer, ModelArchitecture
from infermodel.formats.safetensors import Tensors

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def kinds(model: ModelArchitecture, tensors: Tensors | None = None) -> str:
    """Each kind of layer with its count, weights, KV numbers a token and state numbers a sequence, and the totals.

    Args:
        tensors: what the checkpoint's own files hold, beside which the computed bytes are set.
    """
    head = ("layers", "what they are", "weights each", "touched", "KV a token", "state")
    rows = [
        (
            f"{count}",
            "; ".join(parts(layer)),
            f"{layer.parameters(model.hidden):,}",
            f"{layer.active_parameters(model.hidden):,}",
            f"{layer.attention.kv_elements:,.10g}",
            f"{layer.state_elements:,}",
        )
        for layer, count in model.distinct_layers
    ]
    return f"{aligned([head, *rows])}\n\n{aligned([('in all', ''), *totals_of(model, tensors)])}"


def parts(layer: Layer) -> Iterator[str]:
    """What a layer is made of, in words."""
    if layer.again:
        yield "weights of a layer before"
    for part in (layer.attention, layer.recurrence, layer.feed_forward):
        if part is not None and part not in (NO_ATTENTION, NO_FEED_FORWARD):
            yield f"{type(part).__name__}({', '.join(_said(part))})"


def _said(part: DataclassInstance) -> Iterator[str]:
    """Fields of a part that are not at their default."""
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if value == field.default:
            continue
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield f"{field.name} ({', '.join(_said(value))})"
        else:
            yield field.name if value is True else f"{field.name} {value}"


def totals_of(model: ModelArchitecture, tensors: Tensors | None) -> Iterator[tuple[str, str]]:
    """Totals of a model, a line each."""
    yield "parameters", f"{model.parameters:,}"
    yield "touched by a token", f"{model.active_parameters:,}"
    for tower in model.towers:
        yield f"tower for {tower.name}" if tower.name != "projector" else tower.name, f"{tower.parameters:,}"
    if model.images is not None:
        seen = model.images.seen(1024, 1024)
        done = f"{seen.pieces * seen.patches:,} patches, {model.images.flops(seen) / 1e12:.2f} TFLOP"
        yield "an image of 1024x1024", f"{seen.tokens:,} tokens, {done}"
    if model.drafts:
        yield "to draft", f"{len(model.drafts)} layer{'s' * (len(model.drafts) > 1)}, {model.draft_parameters:,}"
    yield "embeddings", "tied" if model.tied_embeddings else "an embedding and a head"
    yield "KV numbers a token", f"{model.kv_bytes_per_token(1.0):,.10g}"
    if model.state_elements:
        yield "state numbers a sequence", f"{model.state_elements:,}"
    formats = ", ".join(f"{part} {name}" for part, name in model.formats)
    yield "kept in", (model.default_precision or "the file does not say") + (f" ({formats})" if formats else "")
    if model.weights_bytes is not None:
        yield "bytes of weights", f"{model.weights_bytes / 1e9:,.2f} GB"
    if tensors is not None:
        by_type = ", ".join(f"{name} {size / 1e9:,.2f}" for name, size in sorted(tensors.by_type.items()))
        if tensors.drafts:
            yield "of them to draft", f"{tensors.drafts / 1e9:,.2f} GB"
        yield "bytes in the files", f"{tensors.bytes / 1e9:,.2f} GB in {tensors.tensors:,} tensors ({by_type})"
