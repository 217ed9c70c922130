"""A whole model: its layers, embeddings and what else it carries, and the totals that follow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from infermodel.architecture.images import ImageEncoder
from infermodel.architecture.layer import Layer
from infermodel.architecture.precision import PRECISION_BYTES
from infermodel.hardware import Provenance


class Tower(NamedTuple):
    """What encodes images or sound in front of the model, its projections to the model's width included."""

    name: str
    parameters: int


@dataclass(frozen=True)
class ModelArchitecture:
    """A decoder-only language model: an embedding, a sequence of layers, a final norm and an output head.

    Attributes:
        default_precision: format of the weights as published; empty where their file does not say.
        towers: for images and sound; they take memory, and no part in what a text token costs.
        images: how prompts' images are cut and encoded; None where there is no encoder, or nobody says.
        extra_parameters: weights outside the layers that only one family has: positions, embeddings of layers.
        stored_bytes: of the weights as published, where not all of them are in `default_precision`.
        formats: of them, by what they are part of (attention, recurrence, dense, shared, experts), where they differ.
        fp8_in_blocks: whether its weights in fp8 are scaled by blocks of 128 x 128, not by tensor or column.
        state_number_bytes: of a number of a recurrence's matrices; pasts of convolutions have 2.
        repository: where its weights are published, as engines take it; empty where nobody says.
        drafts: layers that draft further tokens (multi-token prediction, DeepSeek-V3, 2024), with a norm each; they
            share embedding and head, and count in no other figure.
    """

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
    towers: tuple[Tower, ...] = ()
    images: ImageEncoder | None = None
    extra_parameters: int = 0
    stored_bytes: float | None = None
    formats: tuple[tuple[str, str], ...] = ()
    fp8_in_blocks: bool = False
    state_number_bytes: float = 2.0
    repository: str = ""
    drafts: tuple[Layer, ...] = ()

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
        """All weights stored of the language model, the final norm included; towers count apart."""
        body = sum(layer.parameters(self.hidden) * count for layer, count in self.distinct_layers)
        return body + self._around_parameters

    @cached_property
    def active_parameters(self) -> int:
        """Weights stored that one token touches, embedding and head counted as in `parameters`."""
        body = sum(layer.active_parameters(self.hidden) * count for layer, count in self.distinct_layers)
        return body + self._around_parameters

    @property
    def _around_parameters(self) -> int:
        head = 0 if self.tied_embeddings else self.head_parameters
        return self.embedding_parameters + head + self.hidden + self.extra_parameters

    @cached_property
    def tower_parameters(self) -> int:
        """Weights of all towers."""
        return sum(tower.parameters for tower in self.towers)

    @cached_property
    def draft_parameters(self) -> int:
        """Weights of all layers that draft, their norms included."""
        return sum(layer.parameters(self.hidden) + self.hidden for layer in self.drafts)

    @cached_property
    def weights_bytes(self) -> float | None:
        """Bytes of the published weights, towers and all: what their file's lists say, or all in one format; None where
        nobody says in which."""
        if self.stored_bytes is not None or not self.default_precision:
            return self.stored_bytes
        return (self.parameters + self.tower_parameters) * PRECISION_BYTES[self.default_precision]

    @cached_property
    def state_elements(self) -> int:
        """Numbers that a sequence keeps whatever its length: the states of all recurrences."""
        return sum(layer.state_elements * count for layer, count in self.distinct_layers)

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """The distinct reaches of attention, ascending: windows, and how many tokens an indexer picks; empty where
        every layer looks at the whole context."""
        spans = [span for layer, _ in self.distinct_layers for span in layer.attention.spans]
        return tuple(sorted({span.window for span in spans if span.window is not None}))

    def kv_bytes_per_token(self, bytes_per_element: float = 2.0) -> float:
        """Bytes that one token of context costs while no window has dropped it, all layers.

        Args:
            bytes_per_element: storage of one number of the KV cache.
        """
        return bytes_per_element * sum(layer.attention.kv_elements * n for layer, n in self.distinct_layers)
