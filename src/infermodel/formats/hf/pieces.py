"""What families are put together from: attention, windows, feed-forward networks, experts, and their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from infermodel.architecture import (
    NO_ATTENTION,
    Attention,
    DenseFeedForward,
    ExpertFeedForward,
    FeedForward,
    GroupedAttention,
    Layer,
    Recurrence,
)
from infermodel.formats.hf.config import Config


@dataclass(frozen=True, slots=True)
class Body:
    """A model's layers and what only its family has beside them.

    Attributes:
        extra: weights outside the layers, beyond an embedding, a head and one final norm.
        vocabulary: words, where the file's `vocab_size` is not all of them.
    """

    layers: tuple[Layer, ...]
    extra: int = 0
    vocabulary: int | None = None


Reader = Callable[[Config], Body]
Mixer = Attention | Recurrence | tuple[Attention, Recurrence]
Mixers = Callable[[Config], Sequence[Mixer]]
FeedForwards = Callable[[Config], Sequence[FeedForward]]
Windows = Callable[[Config], Sequence[int | None]]
Count = Callable[[Config], int]
Flag = bool | str
"""True, false, or the name of the key that says which."""


def said(config: Config, flag: Flag) -> bool:
    """What a flag is in this file."""
    return config.flag(flag) if isinstance(flag, str) else flag


def nothing(config: Config) -> int:
    """No weights."""
    return 0


def stack(
    mixers: Mixers, feed_forwards: FeedForwards, *, norms: int = 2, extra: Count = nothing, each: Count = nothing
) -> Reader:
    """A reader of models whose layers each mix tokens and then work on each.

    Args:
        norms: vectors of a layer; a norm with a bias has two.
        extra: weights outside the layers, beyond an embedding, a head and one final norm.
        each: further weights of every layer.
    """

    def read(config: Config) -> Body:
        mixing, networks, own = mixers(config), feed_forwards(config), each(config)
        if len(mixing) != len(networks):
            raise config.refused(f"{len(mixing)} kinds of layers for {len(networks)} layers")
        pairs = zip(mixing, networks, strict=True)
        return Body(tuple(layer(mixer, network, norms, own) for mixer, network in pairs), extra(config))

    return read


def layer(mixer: Mixer, feed_forward: FeedForward, norms: int = 2, extra: int = 0) -> Layer:
    """One layer, its mixer put where it belongs."""
    if isinstance(mixer, tuple):
        return Layer(mixer[0], feed_forward, mixer[1], norms, extra)
    if isinstance(mixer, Attention):
        return Layer(mixer, feed_forward, None, norms, extra)
    return Layer(NO_ATTENTION, feed_forward, mixer, norms, extra)


def grouped(config: Config, window: int | None = None, **extras: Any) -> GroupedAttention:
    """Attention as most families write it; a head is hidden / heads wide unless the file or its class say otherwise."""
    heads = config.whole("num_attention_heads")
    kv_heads = config.whole("num_key_value_heads", default=heads)
    head_dim = config.whole("head_dim", default=config.whole("hidden_size") // heads)
    if not kv_heads or not head_dim:
        raise config.refused("expected at least one head of keys and values, one number wide, found none")
    return GroupedAttention(heads, kv_heads, head_dim, window, **extras)


def everything(config: Config) -> list[int | None]:
    """No layer has a window."""
    return [None] * config.layers()


def one_window(config: Config) -> list[int | None]:
    """Every layer has the file's `sliding_window`, if it has one."""
    return [config.whole("sliding_window", default=0) or None] * config.layers()


def windows(default: Callable[[Config, int], bool], *, size: str = "sliding_window", sliding: str = "") -> Windows:
    """Windows by `layer_types`, or by the rule of the class.

    Args:
        default: whether a layer has a window, by its number from 0.
        size: key of the window.
        sliding: kind of layer that has one, where it is not `sliding_attention`.
    """
    word = sliding or "sliding_attention"

    def found(config: Config) -> list[int | None]:
        kinds = config.kinds("layer_types", lambda index: word if default(config, index) else "full_attention")
        reach = config.whole(size, default=0) or None
        known(config, kinds, word, "full_attention")
        return [reach if kind == word else None for kind in kinds]

    return found


def known(config: Config, kinds: Sequence[str], *names: str) -> None:
    """Nothing, where all kinds of layers are among `names`.

    Raises:
        FormatError: one is not.
    """
    for kind in kinds:
        if kind not in names:
            raise config.refused(f"layer_types: {kind!r} is not supported in this family")


def attention(
    *,
    qkv_bias: Flag = False,
    output_bias: Flag | None = None,
    qk_norm: Literal["", "head", "wide"] = "",
    sinks: bool = False,
    reach: Windows = everything,
) -> Mixers:
    """Grouped attention in every layer.

    Args:
        output_bias: as the others' unless given.
    """

    def found(config: Config) -> list[GroupedAttention]:
        bias = said(config, qkv_bias)
        extras = {
            "qkv_bias": bias,
            "output_bias": bias if output_bias is None else said(config, output_bias),
            "qk_norm": qk_norm == "head",
            "wide_qk_norm": qk_norm == "wide",
            "sinks": sinks,
        }
        by_window = {window: grouped(config, window, **extras) for window in set(reach(config))}
        return [by_window[window] for window in reach(config)]

    return found


def dense(*, gated: bool = True, bias: Flag = False) -> FeedForwards:
    """One feed-forward network in every layer."""

    def found(config: Config) -> list[FeedForward]:
        return [network(config, gated=gated, bias=bias)] * config.layers()

    return found


def network(
    config: Config, *, gated: bool = True, bias: Flag = False, width: str = "intermediate_size"
) -> DenseFeedForward:
    """A dense feed-forward network."""
    return DenseFeedForward(config.whole(width), gated, said(config, bias))


def experts(
    config: Config,
    *,
    count: str = "num_local_experts",
    top_k: str = "num_experts_per_tok",
    width: str = "moe_intermediate_size",
    shared: int = 0,
    **extras: Any,
) -> ExpertFeedForward:
    """A mixture of experts; the names are those of the keys, `shared` a width.

    Raises:
        FormatError: a token visits more experts than there are.
    """
    found = ExpertFeedForward(config.whole(count), config.whole(top_k), config.whole(width), shared, **extras)
    if found.top_k > found.experts:
        raise config.wrong(top_k, f"at most {found.experts:,} experts", found.top_k)
    return found


def mixture(
    routed: Callable[[Config], ExpertFeedForward],
    where: Callable[[Config], Sequence[bool]],
    otherwise: Callable[[Config], FeedForward] = network,
) -> FeedForwards:
    """Experts in some layers, a dense network in the others."""

    def found(config: Config) -> list[FeedForward]:
        sparse = where(config)
        of_experts = routed(config) if any(sparse) else None
        of_dense = otherwise(config) if not all(sparse) else None
        return [part for each in sparse if (part := of_experts if each else of_dense) is not None]

    return found


def everywhere(config: Config) -> list[bool]:
    """Experts in every layer."""
    return [True] * config.layers()


def after(key: str = "first_k_dense_replace") -> Callable[[Config], list[bool]]:
    """Experts from a layer on, and then in every `moe_layer_freq`-th."""

    def found(config: Config) -> list[bool]:
        first, every = config.whole(key, default=0), config.keys.get("moe_layer_freq") or 1
        if isinstance(every, list):
            return [bool(each) and index >= first for index, each in enumerate(every[: config.layers()])]
        if type(every) is not int:
            raise config.wrong("moe_layer_freq", "a whole number or a list", every)
        return [index >= first and index % every == 0 for index in range(config.layers())]

    return found


def by_types(rule: Callable[[Config], Sequence[bool]] | None = None) -> Callable[[Config], list[bool]]:
    """Experts where `mlp_layer_types` says sparse, or by the rule of the class, else `after`."""
    of_class = rule or after()

    def found(config: Config) -> list[bool]:
        kinds = config.sequence("mlp_layer_types")
        if kinds is None:
            return list(of_class(config))
        unknown = sorted({str(kind) for kind in kinds} - {"sparse", "dense"})
        if unknown:
            raise config.refused(f"mlp_layer_types: {unknown[0]!r} is not supported")
        return [kind == "sparse" for kind in kinds]

    return found


def every_step(config: Config) -> list[bool]:
    """Experts in every `decoder_sparse_step`-th layer that `mlp_only_layers` does not name (Qwen)."""
    step, named = config.whole("decoder_sparse_step", default=1), set(config.numbers("mlp_only_layers"))
    return [bool(step) and index not in named and (index + 1) % step == 0 for index in range(config.layers())]


def shared_width(config: Config, count: str = "n_shared_experts", width: str = "moe_intermediate_size") -> int:
    """Width of all shared experts together."""
    shared = config.whole(count, default=0)
    return shared * config.whole(width) if shared else 0


def final_bias(config: Config) -> int:
    """The bias of a final norm."""
    return config.whole("hidden_size")


def no_final_norm(config: Config) -> int:
    """Nothing where others have one final norm."""
    return -config.whole("hidden_size")


def changed(read: Reader, change: Callable[[Config, Body], Body]) -> Reader:
    """A reader with something of its family's own done last."""
    return lambda config: change(config, read(config))


def more(body: Body, extra: int) -> Body:
    """A body with more weights outside its layers."""
    return replace(body, extra=body.extra + extra)
