"""Families with recurrences: linear attention, Mamba, short convolutions, alone or between layers of attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil

from infermodel.architecture import (
    NO_FEED_FORWARD,
    Attention,
    DenseFeedForward,
    ExpertFeedForward,
    FeedForward,
    GroupedAttention,
    Indexer,
    Layer,
    Mamba,
    Mamba2,
)
from infermodel.formats.hf.config import MOST_LAYERS, Config
from infermodel.formats.hf.latent import indexer_kinds, latent
from infermodel.formats.hf.mixture import balanced, biased, routed
from infermodel.formats.hf.pieces import (
    Body,
    FeedForwards,
    Mixer,
    Mixers,
    Reader,
    by_types,
    dense,
    every_step,
    everywhere,
    experts,
    grouped,
    known,
    layer,
    mixture,
    network,
    stack,
)
from infermodel.formats.hf.recurrences import convolution, delta_net, kimi_delta, lightning, mamba, mamba2, olmo_delta


def alternating(
    full: Callable[[Config, int], Mixer],
    other: Callable[[Config], Mixer],
    rule: Callable[[Config, int], bool],
    *,
    kind: str = "linear_attention",
    names: Sequence[str] = ("layer_types",),
    full_kinds: Sequence[str] = ("full_attention",),
) -> Mixers:
    """Attention in some layers, something else in the others.

    Args:
        rule: whether a layer has attention, where the file does not say.
        names: keys that may list the kinds of layers.
    """

    def found(config: Config) -> list[Mixer]:
        listed = next((name for name in names if config.keys.get(name)), names[0])
        kinds = config.kinds(listed, lambda index: full_kinds[0] if rule(config, index) else kind)
        known(config, kinds, kind, *full_kinds)
        between = other(config) if kind in kinds else None
        return [between if each == kind and between is not None else full(config, i) for i, each in enumerate(kinds)]

    return found


def interval(config: Config, index: int) -> bool:
    """Attention in every `full_attention_interval`-th layer."""
    return (index + 1) % (config.whole("full_attention_interval", default=4) or 4) == 0


def _gated(config: Config, index: int) -> Attention:
    plain = grouped(config, qk_norm=True)
    bias = config.flag("attention_bias")
    return replace(plain, gate_columns=plain.heads * plain.head_dim, qkv_bias=bias, output_bias=bias)


def _plain(config: Config, index: int) -> Attention:
    bias = config.flag("attention_bias")
    return grouped(config, qkv_bias=bias, output_bias=bias)


def _normed(config: Config, index: int) -> GroupedAttention:
    bias = config.flag("attention_bias")
    return grouped(config, qk_norm=True, qkv_bias=bias, output_bias=bias)


def _listed(config: Config, index: int) -> bool:
    return index in config.numbers("attn_layer_indices")


def _period(config: Config, index: int) -> bool:
    return index % config.whole("attn_layer_period") == config.whole("attn_layer_offset", default=0)


def _jamba_experts(config: Config) -> list[bool]:
    if config.whole("num_experts") == 1:
        return [False] * config.layers()
    period, offset = config.whole("expert_layer_period"), config.whole("expert_layer_offset", default=0)
    return [index % period == offset for index in range(config.layers())]


def _granite(config: Config) -> list[FeedForward]:
    """A dense network in every layer, and experts beside it unless there are none."""
    width = config.whole("shared_intermediate_size")
    if not config.whole("num_local_experts", default=0):
        return [DenseFeedForward(width)] * config.layers()
    return [experts(config, width="intermediate_size", shared=width)] * config.layers()


def _falcon_h1(config: Config) -> Body:
    """Attention and Mamba-2 side by side in every layer."""
    inner = config.keys.get("mamba_d_ssm")
    recurrence = mamba2(config, inner if type(inner) is int else None, norm=config.flag("mamba_rms_norm"))
    both = (_plain(config, 0), recurrence)
    extra = config.whole("hidden_size") * (config.flag("projectors_bias") - config.flag("mamba_proj_bias"))
    return stack(lambda _: [both] * config.layers(), dense(bias="mlp_bias"), each=lambda _: extra)(config)


def _lfm2_width(config: Config) -> list[FeedForward]:
    """Two thirds of what the file says, times a factor, rounded up."""
    width = config.whole("block_ff_dim", "intermediate_size")
    if config.flag("block_auto_adjust_ff_dim", True):
        width = int(2 * width / 3)
        factor = config.keys.get("block_ffn_dim_multiplier")
        if isinstance(factor, int | float):
            multiple = config.whole("block_multiple_of")
            width = multiple * ceil(int(factor * width) / multiple)
    return [DenseFeedForward(width)] * config.layers()


def _attends(config: Config, index: int) -> bool:
    named = config.keys.get("full_attn_idxs")
    return named is None or index in config.numbers("full_attn_idxs")


def _lfm3(config: Config) -> Body:
    """Convolutions, windows and full attention in turn, a gate for each head, norms after both blocks too."""

    def rule(index: int) -> str:
        if index % 4 == 2:
            return "full_attention"
        return "sliding_attention" if index % 4 == 0 and index > 0 else "conv"

    kinds = config.kinds("layer_types", rule)
    between = convolution(config)
    gates = config.whole("num_attention_heads") * config.flag("use_attention_gate", True)
    full = replace(_normed(config, 0), gate_columns=gates)
    near = replace(full, window=config.whole("sliding_window"))
    mixers: dict[str, Mixer] = {"conv": between, "full_attention": full, "sliding_attention": near}
    known(config, kinds, *mixers)
    norms = 4 if config.flag("use_sandwich_norm", True) else 2
    return stack(lambda _: [mixers[kind] for kind in kinds], dense(), norms=norms)(config)


NEMOTRON: Mapping[str, str] = {"M": "linear_attention", "E": "moe", "*": "full_attention", "-": "mlp"}
"""Letters of `hybrid_override_pattern`."""


def _nemotron(config: Config) -> Body:
    """Each layer is one thing: Mamba-2, attention, a dense network or experts, under one norm."""
    letters = config.keys.get("hybrid_override_pattern")
    kinds = config.keys.get("layers_block_type") or config.keys.get("layer_types")
    if not isinstance(kinds, list) and isinstance(letters, str):
        kinds = [NEMOTRON.get(letter, letter) for letter in letters]
    kinds = kinds if isinstance(kinds, list) else ["linear_attention", "moe", "full_attention", "mlp"]
    named = {"mamba": "linear_attention", "attention": "full_attention"}
    kinds = [named.get(str(kind), str(kind)) for kind in kinds]
    known(config, kinds, *NEMOTRON.values())
    if len(kinds) > MOST_LAYERS:
        raise config.wrong("layers_block_type", f"at most {MOST_LAYERS:,} layers", len(kinds))
    parts = {kind: _nemotron_layer(config, kind) for kind in dict.fromkeys(kinds)}
    return Body(tuple(parts[kind] for kind in kinds))


def _nemotron_layer(config: Config, kind: str) -> Layer:
    if kind == "full_attention":
        bias = config.flag("attention_bias")
        return Layer(grouped(config, qkv_bias=bias, output_bias=bias), norms=1)
    if kind == "mlp":
        return Layer(feed_forward=network(config, gated=False, bias="mlp_bias"), norms=1)
    if kind == "moe":
        if config.flag("mlp_bias"):
            raise config.refused("mlp_bias: experts with biases are not supported in this family")
        shared = config.whole("moe_shared_expert_intermediate_size", default=0)
        latent_width = config.whole("moe_latent_size", default=0)
        found = experts(config, count="n_routed_experts", shared=shared, gated=False, router_bias=True)
        return Layer(feed_forward=replace(found, latent=latent_width), norms=1)
    heads = config.whole("mamba_num_heads")
    recurrence = Mamba2(
        heads * config.whole("mamba_head_dim"),
        heads,
        config.whole("mamba_n_groups", "n_groups"),
        config.whole("ssm_state_size"),
        config.whole("mamba_d_conv", "conv_kernel"),
        config.flag("use_conv_bias", True),
        config.flag("use_bias"),
    )
    return Layer(recurrence=recurrence, norms=1)


def _mamba_alone(config: Config) -> Body:
    """Nothing but Mamba."""
    hidden, rank = config.whole("hidden_size"), config.keys.get("time_step_rank")
    recurrence = Mamba(
        config.whole("intermediate_size", default=config.whole("expand") * hidden),
        config.whole("state_size"),
        rank if type(rank) is int else ceil(hidden / 16),
        config.whole("conv_kernel"),
        config.flag("use_conv_bias", True),
        config.flag("use_bias"),
    )
    return Body((layer(recurrence, NO_FEED_FORWARD, 1),) * config.layers())


def _mamba2_alone(config: Config) -> Body:
    """Nothing but Mamba-2."""
    recurrence = Mamba2(
        config.whole("expand") * config.whole("hidden_size"),
        config.whole("num_heads"),
        config.whole("n_groups"),
        config.whole("state_size"),
        config.whole("conv_kernel"),
        config.flag("use_conv_bias", True),
        config.flag("use_bias"),
    )
    return Body((layer(recurrence, NO_FEED_FORWARD, 1),) * config.layers())


def _bailing(config: Config) -> Body:
    """Latent attention with a gate for each head in every `layer_group_size`-th layer, delta attention between."""
    keys = {"linear_head_dim": config.whole("head_dim"), **config.keys}
    config = replace(config, keys=keys)
    mixers = alternating(
        lambda each, _: replace(latent(each), gate_columns=each.whole("num_attention_heads"), bias=False),
        kimi_delta("num_attention_heads", "linear_head_dim", "short_conv_kernel_size", low_rank=False),
        lambda each, index: (index + 1) % each.whole("layer_group_size") == 0,
    )
    return stack(mixers, mixture(balanced("num_local_experts"), by_types()))(config)


def _kimi_linear(config: Config) -> Body:
    """Latent attention in some layers, delta attention in the others."""
    named = config.mapping("linear_attn_config").get("full_attn_layers")
    full = {index for index in named if type(index) is int} if isinstance(named, list) else None

    def attends(_: Config, index: int) -> bool:
        return index + 1 in full if full is not None else index > 0 and index % 4 == 0

    delta = kimi_delta("linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim", low_rank=True)
    first = config.whole("first_k_dense_replace", default=1)
    sparse = by_types(lambda each: [index >= first for index in range(each.layers())])
    mixers = alternating(lambda each, _: latent(each), delta, attends)
    return stack(mixers, mixture(balanced("num_local_experts"), sparse))(config)


def _glm5_next(config: Config) -> Body:
    """Delta attention and, in every fourth layer, attention to what an indexer with pooled keys picks; four residual
    streams mixed around both blocks."""
    hidden, streams = config.whole("hidden_size"), config.whole("hc_mult")
    width, pool = config.whole("index_head_dim"), config.whole("index_kpool", default=1)
    indexer = Indexer(config.whole("index_n_heads"), width, config.whole("q_lora_rank"), extra=width * (pool + hidden))
    picks = indexer_kinds(config)

    def attend(each: Config, index: int) -> Attention:
        own = indexer if picks[index] == "full" else None
        return latent(each, top_k=each.whole("index_topk"), indexer=own)

    delta = kimi_delta("linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim", low_rank=True)
    kinds = ("indexed_attention", "full_attention")
    mixers = alternating(attend, delta, lambda _, index: index % 4 == 3, full_kinds=kinds)
    rows = (2 + streams) * streams
    around = 2 * (rows * (streams * hidden + 1) + 3)
    sparse = by_types(lambda each: [index >= 3 for index in range(each.layers())])
    return stack(mixers, mixture(balanced(), sparse), each=lambda _: around)(config)


def _shared_gate(config: Config) -> ExpertFeedForward:
    return routed("num_experts", shared="shared_expert_intermediate_size", shared_gate=True)(config)


def _lfm2_experts(config: Config) -> list[bool]:
    return [index >= config.whole("num_dense_layers", default=0) for index in range(config.layers())]


def _jamba_routed(config: Config) -> ExpertFeedForward:
    return experts(config, count="num_experts", width="intermediate_size")


DELTA = alternating(_gated, delta_net, interval)
BLOCKS = ("layers_block_type", "layer_types")
CONVOLVED = alternating(_normed, convolution, _attends, kind="conv")
JAMBA: FeedForwards = mixture(_jamba_routed, _jamba_experts)

HYBRID: Mapping[str, Reader] = {
    "qwen3_next": stack(DELTA, mixture(_shared_gate, every_step)),
    "qwen3_5_text": stack(DELTA, dense()),
    "qwen3_5_moe_text": stack(DELTA, mixture(_shared_gate, everywhere)),
    "olmo_hybrid": stack(
        alternating(
            lambda config, _: grouped(config, wide_qk_norm=True, qkv_bias=config.flag("attention_bias")),
            olmo_delta,
            lambda config, index: index % 4 == 3 or (config.layers() < 4 and index == config.layers() - 1),
        ),
        dense(),
    ),
    "minimax": stack(
        alternating(lambda config, _: grouped(config), lightning, lambda _, index: index % 2 == 0),
        mixture(routed(width="intermediate_size"), everywhere),
    ),
    "bailing_hybrid": _bailing,
    "kimi_linear": _kimi_linear,
    "glm5_next_text": _glm5_next,
    "bamba": stack(alternating(_plain, mamba2, _listed, names=BLOCKS), dense(bias="mlp_bias")),
    "granitemoehybrid": stack(alternating(_plain, mamba2, lambda _, __: False, names=BLOCKS), _granite),
    "falcon_h1": _falcon_h1,
    "jamba": stack(alternating(_plain, lambda config: mamba(config, inner_norms=True), _period, names=BLOCKS), JAMBA),
    "lfm2": stack(CONVOLVED, _lfm2_width),
    "lfm2_moe": stack(CONVOLVED, mixture(routed("num_experts"), _lfm2_experts, biased(False))),
    "lfm3": _lfm3,
    "nemotron_h": _nemotron,
    "mamba": _mamba_alone,
    "falcon_mamba": _mamba_alone,
    "mamba2": _mamba2_alone,
}
"""By `model_type`."""
