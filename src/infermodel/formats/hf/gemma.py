"""Gemma 3n and 4: keys and values shared between layers, global layers with heads of their own, embeddings by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from infermodel.architecture import DenseFeedForward, ExpertFeedForward, FeedForward, GroupedAttention, Layer
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.pieces import Body, Reader, grouped, known


def _kinds(config: Config, every: int, *, last_full: bool) -> list[str]:
    kinds = config.kinds("layer_types", lambda index: "sliding_attention" if (index + 1) % every else "full_attention")
    known(config, kinds, "sliding_attention", "full_attention")
    return [*kinds[:-1], "full_attention"] if last_full else kinds


def _shared_from(config: Config) -> int:
    """The layer from which keys and values are those of a layer before."""
    return config.layers() - config.whole("num_kv_shared_layers", default=0)


def _embeddings(config: Config, width: int) -> int:
    """An embedding of `width` for each layer and word, and what projects the first embedding to as much."""
    if not width:
        return 0
    columns = config.layers() * width
    return config.whole("vocab_size_per_layer_input") * columns + config.whole("hidden_size") * columns + width


def _widths(config: Config) -> list[int]:
    """Of the feed-forward network, one number or one for each layer."""
    width = config.keys.get("intermediate_size")
    if not isinstance(width, list):
        return [config.whole("intermediate_size")] * config.layers()
    found = config.numbers("intermediate_size")
    if len(found) != config.layers():
        raise config.refused("intermediate_size: expected a number for each layer")
    return found


def _gemma3n(config: Config) -> Body:
    """Four streams of which one is computed (AltUp), a low-rank shortcut (LAuReL), embeddings of layers."""
    hidden, streams, width = (
        config.whole("hidden_size"),
        config.whole("altup_num_inputs"),
        config.whole("hidden_size_per_layer_input"),
    )
    altup = 2 * hidden + streams * hidden + streams**2 + streams**3
    laurel = 2 * hidden * config.whole("laurel_rank") + hidden
    own = altup + laurel + 2 * hidden * width
    shared, bias = _shared_from(config), config.flag("attention_bias")
    plain = grouped(config, qkv_bias=bias, output_bias=bias, qk_norm=True)
    layers = tuple(
        Layer(
            _placed(plain, index >= shared, config.whole("sliding_window") if kind == "sliding_attention" else None),
            DenseFeedForward(inner),
            norms=5,
            extra=own,
        )
        for index, (kind, inner) in enumerate(zip(_kinds(config, 5, last_full=False), _widths(config), strict=True))
    )
    return Body(layers, 2 * (streams - 1) * hidden * hidden + _embeddings(config, width))


def _placed(plain: GroupedAttention, shared: bool, window: int | None) -> GroupedAttention:
    return replace(plain, window=window, projects_kv=not shared, keeps_kv=not shared)


def _gemma4(config: Config) -> Body:
    """Global layers with wider and fewer heads, whose values may be their keys; experts beside the dense network."""
    hidden, width = config.whole("hidden_size"), config.whole("hidden_size_per_layer_input", default=0)
    kinds, shared = _kinds(config, 6, last_full=True), _shared_from(config)
    own = width * 2 * hidden + (hidden if width else 0)
    layers = []
    for index, kind in enumerate(kinds):
        attention = _gemma4_attention(config, index, full=kind == "full_attention")
        is_shared = index >= shared
        wide = 2 if config.flag("use_double_wide_mlp") and is_shared else 1
        part = _gemma4_network(config, wide)
        norms = 7 if isinstance(part, ExpertFeedForward) else 4
        layers.append(Layer(_placed(attention, is_shared, attention.window), part, norms=norms, extra=own))
    return Body(tuple(layers), _embeddings(config, width))


def _gemma4_attention(config: Config, index: int, *, full: bool) -> GroupedAttention:
    ties, bias = full and config.flag("attention_k_eq_v"), config.flag("attention_bias")
    own = config.layer(index)
    if full and not config.mapping("per_layer_config"):
        keys = {"head_dim": config.whole("global_head_dim", default=512)}
        few = config.keys.get("num_global_key_value_heads")
        if ties and few is not None:
            keys["num_key_value_heads"] = config.whole("num_global_key_value_heads")
        own = replace(config, keys={**config.keys, **keys})
    window = None if full else config.whole("sliding_window")
    return grouped(own, window, qkv_bias=bias, output_bias=bias, qk_norm=True, ties_values=ties)


def _gemma4_network(config: Config, wide: int) -> FeedForward:
    inner = wide * config.whole("intermediate_size")
    if not config.flag("enable_moe_block"):
        return DenseFeedForward(inner)
    count, hidden = config.whole("num_experts"), config.whole("hidden_size")
    top_k, width = config.whole("top_k_experts"), config.whole("moe_intermediate_size")
    return ExpertFeedForward(count, top_k, width, inner, extra=hidden + count)


GEMMA: Mapping[str, Reader] = {
    "gemma3n_text": _gemma3n,
    "gemma4_text": _gemma4,
    "gemma4_unified_text": _gemma4,
}
"""By `model_type`."""
