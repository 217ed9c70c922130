"""Constants of an engine that hold on some devices only: how long its kernels for experts and latents take there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infermodel.architecture import ExpertFeedForward
from infermodel.fidelity.engines import EXPERT_LAYER, INGRESS, LATENT_LAYER, rows_of
from infermodel.fidelity.fit import Parameter
from infermodel.fidelity.rows import Row
from infermodel.fidelity.server import server_of

BLACKWELL = ("b200", "gb200", "b300", "gb300")
HOPPER = ("h100", "h200", "gh200")
CDNA3 = ("mi300x", "mi325x")


@dataclass(frozen=True)
class OnSome:
    """What rows on one GPU tell of an engine, and on which devices it is believed.

    Attributes:
        entry: of the catalog.
        gpus: whose rows tell it.
        named: beginnings of the names of devices that have it.
        parameters: what is fitted.
        told_by_all: whether models without experts tell it, too.
    """

    entry: str
    gpus: tuple[str, ...]
    named: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    told_by_all: bool = False

    @property
    def title(self) -> str:
        """Of its line in a table.

        >>> OnSome("sglang", ("mi325x",), ("mi300x", "mi325x"), (EXPERT_LAYER,)).title
        'expert_layer_s of sglang on mi325x'
        """
        told = ", ".join(parameter.name for parameter in self.parameters)
        return f"{told} of {self.entry} on {' and '.join(self.gpus)}"

    def told_by(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows that tell it. Ranks of data-parallel attention are left out: TensorRT-LLM's can be told to read
        prompts together, and rows do not say whether they were."""
        there = [row for row in rows if row.gpu in self.gpus and row.attention_data_parallel == 1]
        return tuple(row for row in rows_of(self.entry, there) if self.told_by_all or has_experts(row))


ON_SOME: tuple[OnSome, ...] = (
    OnSome("tensorrt-llm", ("h200-sxm",), HOPPER, (EXPERT_LAYER, LATENT_LAYER)),
    OnSome("tensorrt-llm", ("b200",), BLACKWELL, (EXPERT_LAYER, LATENT_LAYER)),
    OnSome("sglang", ("mi325x",), CDNA3, (EXPERT_LAYER,)),
    OnSome("tensorrt-llm", ("b200",), BLACKWELL, (INGRESS,), told_by_all=True),
)
"""Rows of DeepSeek R1 and gpt-oss tell how unlike these kernels are: some 2 us each in vLLM and SGLang, more than twice
as much in TensorRT-LLM on Hopper, nothing for experts on Blackwell, where one kernel of it does all, and ten times as
much on CDNA 3, where nothing is fused. vLLM on Blackwell takes what it takes elsewhere (24 us a layer, 8 us less or
more, of gpt-oss and MiniMax M2.5), and is not listed. R1 alone does not tell experts from latents, so CDNA 3 keeps what
others take for latents. TensorRT-LLM's ingress is shorter on servers with Blackwell, whose processors are newer."""


def has_experts(row: Row) -> bool:
    """Whether a row's model routes tokens to experts."""
    return any(
        isinstance(layer.feed_forward, ExpertFeedForward) for layer, _ in server_of(row).architecture.distinct_layers
    )
