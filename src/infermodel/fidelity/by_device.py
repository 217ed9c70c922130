"""Constants of an engine that hold on some devices only, such as how long its kernels for experts take there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infermodel.architecture import ExpertFeedForward
from infermodel.fidelity.engines import (
    EAGER_LAUNCH,
    EXPERT_LAYER,
    INGRESS,
    LATENT_LAYER,
    NARROW_EXPERTS,
    OWN_BLOCKS,
    rows_of,
)
from infermodel.fidelity.fit import Parameter
from infermodel.fidelity.rows import Row
from infermodel.fidelity.server import server_of, weights_format

BLACKWELL = ("b200", "gb200", "b300", "gb300")
HOPPER = ("h100", "h20", "h200", "gh200")
CDNA3 = ("mi300x", "mi325x")


FEW_USERS = 32
"""At most, of loads that show what small kernels, launches and the way in take: more users wait for other things."""


@dataclass(frozen=True)
class OnSome:
    """What rows on one GPU tell of an engine, and on which devices it is believed.

    Attributes:
        entry: of the catalog.
        gpus: whose rows tell it.
        named: beginnings of the names of devices that have it.
        parameters: what is fitted.
        told: whether a row's model tells it.
    """

    entry: str
    gpus: tuple[str, ...]
    named: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    told: Callable[[Row], bool]

    @property
    def title(self) -> str:
        """Of its line in a table.

        >>> OnSome("sglang", ("mi325x",), ("mi300x", "mi325x"), (EXPERT_LAYER,), has_experts).title
        'expert_layer_s of sglang on mi325x'
        """
        told = ", ".join(parameter.name for parameter in self.parameters)
        return f"{told} of {self.entry} on {' and '.join(self.gpus)}"

    def told_by(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows that tell it. Ranks of data-parallel attention are left out: TensorRT-LLM's can be told to read
        prompts together, and rows do not say whether they were; so are servers that may verify drafts unsaid."""
        there = [row for row in rows if row.gpu in self.gpus and row.attention_data_parallel == 1]
        there = [row for row in there if row.concurrency <= FEW_USERS]
        return telling(self.entry, there, self.told)


def telling(entry: str, rows: Sequence[Row], told: Callable[[Row], bool]) -> tuple[Row, ...]:
    """Rows of a catalog entry whose models tell it, but for servers that may verify drafts."""
    found = rows_of(entry, rows)
    drafted = may_be_drafted(found)
    return tuple(row for row in found if row.id not in drafted and told(row))


DRAFTED = 1.3
"""How many times longer a token of a like server has to take for one to be suspected of drafts."""


def may_be_drafted(rows: Sequence[Row]) -> frozenset[str]:
    """Rows of servers that may verify drafts without saying so: of models that come with layers that draft, where a
    server has a shorter TPOT by more than `DRAFTED` than another under the same load, whatever its version, its cache's
    format and how experts are dealt out.
    """
    loads: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if row.load == "closed" and "tpot_mean_ms" in row.measured and server_of(row).architecture.drafts:
            where = (row.gpu, row.engine, row.model, row.tensor_parallel, row.attention_data_parallel)
            load = (row.weights_precision, row.prompt_tokens, row.output_tokens, row.concurrency)
            loads.setdefault((*where, *load), []).append(row)
    found = {
        row.server
        for alike in loads.values()
        for row in alike
        if DRAFTED * row.measured["tpot_mean_ms"] < max(other.measured["tpot_mean_ms"] for other in alike)
    }
    return frozenset(row.id for row in rows if row.server in found)


def has_experts(row: Row) -> bool:
    """Whether a row's model routes tokens to experts."""
    return any(
        isinstance(layer.feed_forward, ExpertFeedForward) for layer, _ in server_of(row).architecture.distinct_layers
    )


def in_blocks(row: Row) -> bool:
    """Whether a row's weights are in 8 bits with scales by blocks."""
    architecture = server_of(row).architecture
    return architecture.fp8_in_blocks and weights_format(row.weights_precision, architecture) == "fp8"


def anybody(row: Row) -> bool:
    """Any row."""
    return True


SMALL_LAYERS = (EXPERT_LAYER, LATENT_LAYER)

ON_SOME: tuple[OnSome, ...] = (
    OnSome("tensorrt-llm", ("h200-sxm",), HOPPER, (INGRESS, EAGER_LAUNCH), anybody),
    OnSome("tensorrt-llm", ("h200-sxm",), HOPPER, (*SMALL_LAYERS, NARROW_EXPERTS, OWN_BLOCKS), has_experts),
    OnSome("tensorrt-llm", ("b200",), BLACKWELL, (INGRESS, EAGER_LAUNCH), anybody),
    OnSome("tensorrt-llm", ("b200",), BLACKWELL, SMALL_LAYERS, has_experts),
    OnSome("sglang", ("mi325x",), CDNA3, (EXPERT_LAYER,), has_experts),
    OnSome("vllm-0.14", ("h100-sxm",), HOPPER, (OWN_BLOCKS,), in_blocks),
)
"""Rows of DeepSeek R1 and gpt-oss tell how unlike these kernels are: some 2 us each in vLLM and SGLang, more than twice
as much in TensorRT-LLM on Hopper, nothing for experts on Blackwell, where one kernel of it does all, and ten times as
much on CDNA 3, where nothing is fused. vLLM on Blackwell takes what it takes elsewhere (24 us a layer, 8 us less or
more, of gpt-oss and MiniMax M2.5), and is not listed. R1 alone does not tell experts from latents, so CDNA 3 keeps what
others take for latents. TensorRT-LLM's kernels of Triton on Hopper multiply widened experts with tokens in 8 bits, and
neither its nor vLLM's kernels for scales by blocks reach what SGLang's do. Its ingress and its launches are shorter on
servers with Blackwell, whose processors are newer."""
