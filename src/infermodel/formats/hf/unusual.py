"""Families that share weights between layers, or look at images layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

from infermodel.architecture import DenseFeedForward, ExpertFeedForward, GroupedAttention, Layer, LinearAttention
from infermodel.formats.hf.config import LARGEST, MOST_LAYERS, Config
from infermodel.formats.hf.pieces import Body, Reader, experts, grouped, known, network
from infermodel.formats.hf.recurrences import mamba


def _hrm(config: Config) -> Body:
    """Two stacks, a high and a low one, gone through several times; norms without weights, a gate for every channel."""
    plain, each = grouped(config), config.whole("num_layers_per_stack", "num_hidden_layers")
    high, low = config.whole("H_cycles"), config.whole("L_cycles")
    passes = high * (low + 1)
    if each * passes > MOST_LAYERS:
        raise config.wrong("num_layers_per_stack", f"at most {MOST_LAYERS:,} layers in all passes", each * passes)
    bias = config.flag("attention_bias")
    mixer = replace(
        plain,
        kv_heads=plain.heads,
        qkv_bias=bias,
        output_bias=bias,
        gate_columns=plain.heads * plain.head_dim,
        extra=plain.heads * plain.head_dim * bias,
    )
    layer = Layer(mixer, network(config, bias="mlp_bias"), norms=0)
    stored = (layer,) * (2 * each)
    return Body((*stored, *(replace(layer, again=True),) * (each * (passes - 2))))


def _zamba(config: Config) -> Body:
    """Mamba in every layer, and before some of them one transformer block, the same for all, that sees the embedding
    beside the layer's input."""
    hidden, heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    wide = config.whole("attention_hidden_size", default=2 * hidden) or 2 * hidden
    head_dim = config.whole("attention_head_dim", "head_dim", default=wide // heads) or wide // heads
    kv_heads = config.whole("num_key_value_heads", default=heads)
    twice = (wide - hidden) * (heads + 2 * kv_heads) * head_dim
    block = Layer(
        GroupedAttention(heads, kv_heads, head_dim, extra=twice),
        DenseFeedForward(config.whole("intermediate_size")),
        norms=1,
        extra=wide,
    )
    period, offset = config.whole("attn_layer_period"), config.whole("attn_layer_offset", default=0)

    def rule(index: int) -> str:
        return "hybrid" if index == 2 or (index > 2 and (index - 3) % period == offset) else "linear_attention"

    kinds, layers = config.kinds("layers_block_type", rule), list[Layer]()
    known(config, kinds, "hybrid", "linear_attention")
    alone = Layer(recurrence=mamba(config), norms=1)
    for kind in kinds:
        if kind == "hybrid":
            layers.append(replace(block, again=any(layer.attention.heads for layer in layers)))
        layers.append(replace(alone, extra=hidden * hidden) if kind == "hybrid" else alone)
    return Body(tuple(layers))


def _xlstm(config: Config) -> Body:
    """A matrix memory with gates for input, forgetting and output, a normaliser and a maximum beside it."""
    hidden, heads = config.whole("hidden_size", "embedding_dim"), config.whole("num_heads")
    keys, values = hidden * _share(config, "qk_dim_factor", 0.5), hidden * _share(config, "v_dim_factor", 1.0)
    multiple = config.whole("ffn_round_up_to_multiple_of")
    inner = ceil(hidden * _share(config, "ffn_proj_factor", 2.667) / multiple) * multiple
    if config.flag("use_bias"):
        raise config.refused("use_bias: biases are not supported in this family")
    memory = LinearAttention(heads, heads, int(keys) // heads, int(values) // heads, kernel=0)
    norm = int(values) - memory.value_dim
    layer = Layer(
        feed_forward=DenseFeedForward(inner), recurrence=memory, extra=norm, past=heads * (memory.key_dim + 1)
    )
    return Body((layer,) * config.layers())


def _share(config: Config, name: str, default: float) -> float:
    value = config.keys.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LARGEST:
        raise config.wrong(name, "a positive number", value)
    return float(value)


def _mllama(config: Config) -> Body:
    """Some layers look at an image instead of the text before; eight more words are embedded than said."""
    crossed = set(config.numbers("cross_attention_layers") or [3, 8, 13, 18, 23, 28, 33, 38])
    plain, part = grouped(config), network(config)
    text = Layer(plain, part)
    image = Layer(replace(plain, keeps_kv=False, qk_norm=True), part, extra=2)
    layers = tuple(image if index in crossed else text for index in range(config.layers()))
    return Body(layers, 8 * config.whole("hidden_size"))


def _zaya(config: Config) -> Body:
    """Queries and keys go through two short convolutions, half of the values are those of the token before; the router
    is a network of its own, and an expert that does nothing is among its choices."""
    hidden, plain = config.whole("hidden_size"), grouped(config)
    depthwise, across = config.whole("cca_time0"), config.whole("cca_time1")
    channels = (plain.heads + plain.kv_heads) * plain.head_dim
    convolutions = channels * (depthwise + 1) + channels * plain.head_dim * across + channels
    mixer = replace(plain, extra=convolutions + plain.kv_heads)
    inner, count = config.whole("router_hidden_size"), config.whole("num_experts")
    router = hidden * inner + inner + 2 * (inner**2 + inner) + inner + inner * (count + 1)
    found = replace(experts(config, count="num_experts"), extra=router - hidden * count + inner)
    past = channels * (depthwise + across - 2) + plain.kv_heads * plain.head_dim // 2
    layer = Layer(mixer, found, extra=8 * hidden, past=past)
    first = replace(layer, feed_forward=replace(found, extra=found.extra - inner))
    layers = (first, *(layer,) * (config.layers() - 1))
    return Body(layers, 2 * hidden + config.whole("vocab_size") * config.flag("lm_head_bias"))


def _inkling2(config: Config) -> Body:
    """Relative positions, short convolutions on keys, values and both blocks' outputs, layers that see earlier ones."""
    kinds = config.kinds("layer_types", lambda index: "hybrid" if (index + 1) % 6 == 0 else "hybrid_sliding")
    known(config, kinds, "hybrid", "hybrid_sliding")
    found = experts(config, count="n_routed_experts", router_bias=True)
    first = [_inkling2_layer(config, kind, found, earlier=index > 0) for index, kind in enumerate(kinds)]
    return Body(tuple(first), 2 * config.whole("hidden_size"))


def _inkling2_layer(config: Config, kind: str, found: ExpertFeedForward, *, earlier: bool) -> Layer:
    hidden, taps, near = config.whole("hidden_size"), config.whole("conv_kernel_size"), kind == "hybrid_sliding"
    before = "swa_" if near else ""
    heads = config.whole(f"{before}num_attention_heads")
    kv_heads, width = config.whole(f"{before}num_key_value_heads"), config.whole(f"{before}head_dim")
    window, relative = config.whole("sliding_window_size"), config.whole("d_rel")
    extent = window if near else config.whole("rel_extent")
    convolved = 2 * taps * kv_heads * width + (0 if near else 2 * hidden * kv_heads * taps)
    own = hidden * heads * (relative + 1) + heads * (width + relative) + relative * extent + convolved
    mixer = GroupedAttention(heads, kv_heads, width, window if near else None, gate_columns=heads * width, extra=own)
    around = hidden + (hidden if near else 3 * hidden) * earlier + 2 * taps * hidden
    past = (taps - 1) * (2 * kv_heads * width + 2 * hidden)
    return Layer(mixer, found, norms=2 if near else 4, extra=around, past=past)


UNUSUAL: Mapping[str, Reader] = {
    "hrm_text": _hrm,
    "zamba": _zamba,
    "xlstm": _xlstm,
    "mllama_text_model": _mllama,
    "zaya": _zaya,
    "inkling2_text": _inkling2,
}
"""By `model_type`."""
