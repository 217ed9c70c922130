"""Families of grouped attention with mixtures of experts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from infermodel.architecture import DenseFeedForward, ExpertFeedForward, GroupedAttention, Indexer
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.dense import NORMED, pattern, switched, with_layer_norms
from infermodel.formats.hf.pieces import (
    Body,
    FeedForwards,
    Flag,
    Reader,
    after,
    attention,
    by_types,
    every_step,
    everywhere,
    experts,
    grouped,
    known,
    mixture,
    more,
    network,
    one_window,
    said,
    shared_width,
    stack,
    windows,
)


def routed(
    count: str = "num_local_experts",
    *,
    top_k: str = "num_experts_per_tok",
    width: str = "moe_intermediate_size",
    shared: str = "",
    shared_gate: bool = False,
    router_bias: bool = False,
) -> Callable[[Config], ExpertFeedForward]:
    """Experts by the names of their keys; `shared` is the key of the shared ones' width together."""

    def found(config: Config) -> ExpertFeedForward:
        beside = config.whole(shared, default=0) if shared else 0
        extras = {"shared_gate": shared_gate and beside > 0, "router_bias": router_bias}
        return experts(config, count=count, top_k=top_k, width=width, shared=beside, **extras)

    return found


def balanced(
    count: str = "n_routed_experts", shared: str = "n_shared_experts"
) -> Callable[[Config], ExpertFeedForward]:
    """Experts of one width, shared ones too, with a bias on the router that balances them (DeepSeek-V3, 2024)."""

    def found(config: Config) -> ExpertFeedForward:
        return experts(config, count=count, shared=shared_width(config, shared), router_bias=True)

    return found


def unbiased(config: Config) -> ExpertFeedForward:
    """The same under its usual names, without that bias (DeepSeek-V2)."""
    return experts(config, count="n_routed_experts", shared=shared_width(config))


def first_dense(config: Config) -> list[bool]:
    """Experts in all layers but the first."""
    return [index > 0 for index in range(config.layers())]


def _even_windows(config: Config, index: int) -> bool:
    first = config.whole("max_window_layers", default=config.layers())
    return bool(config.keys.get("sliding_window")) and index % 2 == 0 and index < first


def _ernie_layers(config: Config) -> list[bool]:
    """Experts between two layers, at an interval."""
    first, last = config.whole("moe_layer_start_index", default=0), config.keys.get("moe_layer_end_index")
    every = config.whole("moe_layer_interval", default=1) or 1
    end = config.layers() - 1 if not isinstance(last, int) or last < 0 else last
    return [(index + 1) % every == 0 and first <= index <= end for index in range(config.layers())]


def _ernie_experts(config: Config) -> ExpertFeedForward:
    if said(config, "use_bias"):
        raise config.refused("use_bias: experts with biases are not supported in this family")
    shared = shared_width(config, "moe_num_shared_experts")
    return experts(config, count="moe_num_experts", top_k="moe_k", shared=shared, router_bias=True)


def _ernie_vision(config: Config) -> Body:
    """Experts for text and experts for images in every sparse layer; those for images stand by while text comes."""
    widths = config.numbers("moe_intermediate_size")
    if len(widths) != 2:
        raise config.wrong("moe_intermediate_size", "a width for text and one for images", widths)
    text = replace(config, keys={**config.keys, "moe_intermediate_size": widths[0]})
    found = experts(
        text, count="moe_num_experts", top_k="moe_k", shared=shared_width(text, "moe_num_shared_experts"),
        router_bias=True,
    )  # fmt: skip
    hidden, standing_by = config.whole("hidden_size"), found.experts * (1 + 3 * widths[1])
    with_images = replace(found, extra=standing_by * hidden)
    layers = mixture(lambda _: with_images, by_types(first_dense), lambda each: network(each, bias="use_bias"))
    return stack(attention(qkv_bias="use_bias"), layers)(config)


def _hunyuan(config: Config) -> ExpertFeedForward:
    """Counts may be given layer by layer; a shared network of the experts' width."""
    keys = dict(config.keys)
    for name in ("num_experts", "moe_topk"):
        each = keys.get(name)
        if isinstance(each, list):
            if len(set(each)) != 1:
                raise config.refused(f"{name}: layers with different numbers of experts are not supported")
            keys[name] = each[0]
    plain = replace(config, keys=keys)
    width = "moe_intermediate_size" if isinstance(keys.get("moe_intermediate_size"), int) else "intermediate_size"
    shared = config.whole("intermediate_size") * (keys.get("use_mixed_mlp_moe") is not False)
    return experts(plain, count="num_experts", top_k="moe_topk", width=width, shared=shared)


def _gpt_oss(config: Config) -> Body:
    bias, reach = config.flag("attention_bias", True), windows(lambda _, index: index % 2 == 0)
    found = experts(config, width="intermediate_size", router_bias=True, expert_bias=True)
    mixers = attention(qkv_bias=bias, sinks=True, reach=reach)
    return stack(mixers, mixture(lambda _: found, everywhere))(config)


def _llama4(config: Config) -> Body:
    """Rotary layers see their chunk, modelled as a window of its size; the others see all."""
    interval = config.whole("no_rope_layer_interval", default=4) or 4
    rotary = config.sequence("no_rope_layers") or [(index + 1) % interval for index in range(config.layers())]
    reach = windows(lambda _, index: bool(rotary[index]), size="attention_chunk_size", sliding="chunked_attention")
    step = config.whole("interleave_moe_layer_step", default=1) or 1
    named = config.keys.get("moe_layers")
    sparse = config.numbers("moe_layers") if named is not None else range(step - 1, config.layers(), step)
    found = experts(config, width="intermediate_size", shared=config.whole("intermediate_size"))
    layers = mixture(
        lambda _: found,
        lambda _: [index in set(sparse) for index in range(config.layers())],
        lambda each: network(each, width="intermediate_size_mlp"),
    )
    return stack(attention(qkv_bias="attention_bias", reach=reach), layers)(config)


def _mimo(config: Config) -> Sequence[GroupedAttention]:
    """Layers with a window have twice the KV heads, and sinks; values are narrower than keys."""
    own = sorted({"hybrid_layer_pattern", "swa_num_key_value_heads", "swa_head_dim"} & set(config.keys))
    if own:
        raise config.refused(f"{own[0]}: written for the model's own code; transformers 5.23 says it by layer_types")
    reach = windows(lambda _, index: index > 0 and (index + 1) % 6 != 0)(config)
    bias, plain = config.flag("attention_bias"), grouped(config)
    width = config.whole("v_head_dim", default=plain.head_dim)
    return [
        replace(
            plain,
            kv_heads=plain.kv_heads * (1 + (window is not None)),
            value_dim=width,
            window=window,
            qkv_bias=bias,
            sinks=window is not None,
        )
        for window in reach
    ]


def _minimax_m3(config: Config) -> Sequence[GroupedAttention]:
    """In sparse layers an indexer picks blocks of the context."""
    legacy = config.mapping("sparse_attention_config")
    frequency = legacy.get("sparse_attention_freq")
    sparse = frequency if isinstance(frequency, list) else [0] * config.layers()
    kinds = config.kinds("layer_types", lambda index: "minimax_m3_sparse" if sparse[index] else "full_attention")

    def size(name: str, old: str) -> int:
        value = legacy.get(old, config.keys.get(name))
        if type(value) is not int or value < 1:
            raise config.wrong(name, "a whole number", value)
        return value

    heads, width = size("index_n_heads", "sparse_num_index_heads"), size("index_head_dim", "sparse_index_dim")
    picked = size("index_block_size", "sparse_block_size") * size("index_topk_blocks", "sparse_topk_blocks")
    indexer, plain = Indexer(heads, width, weighted=False), grouped(config, qk_norm=True)
    known(config, kinds, "minimax_m3_sparse", "full_attention")
    picks = replace(plain, indexer=indexer, top_k=picked)
    return [picks if kind == "minimax_m3_sparse" else plain for kind in kinds]


def _minimax_layers(config: Config) -> list[bool]:
    frequency = config.keys.get("moe_layer_freq")
    return [bool(each) for each in frequency] if isinstance(frequency, list) else everywhere(config)


def _glm4(config: Config) -> Body:
    norm = attention(qkv_bias="attention_bias", output_bias=False, qk_norm="head" if config.flag("use_qk_norm") else "")
    return stack(norm, mixture(balanced(), by_types()))(config)


def _phimoe(config: Config) -> Body:
    body = with_layer_norms(
        attention(qkv_bias="attention_bias", reach=one_window),
        mixture(routed(width="intermediate_size"), everywhere),
    )(config)
    return more(body, config.whole("vocab_size") * config.flag("lm_head_bias"))


def _aria(config: Config) -> ExpertFeedForward:
    width = config.whole("intermediate_size") * config.whole("moe_num_shared_experts", default=0)
    return experts(config, count="moe_num_experts", top_k="moe_topk", width="intermediate_size", shared=width)


def biased(bias: Flag) -> Callable[[Config], DenseFeedForward]:
    """A dense network with biases where a key says so."""
    return lambda config: network(config, bias=bias)


def _from(first: int) -> Callable[[Config], list[bool]]:
    """Experts from a layer on where the file does not say from which."""

    def found(config: Config) -> list[bool]:
        start = config.whole("first_k_dense_replace", default=first)
        return [index >= start for index in range(config.layers())]

    return found


def swiglu(count: str = "num_local_experts") -> FeedForwards:
    """Experts of `intermediate_size` in every layer."""
    return mixture(routed(count, width="intermediate_size"), everywhere)


QWEN_EXPERTS = mixture(routed("num_experts"), every_step)
OCR = stack(attention(qkv_bias="attention_bias"), mixture(unbiased, by_types(_from(1)), biased("mlp_bias")))

MIXTURE: Mapping[str, Reader] = {
    "mixtral": stack(attention(reach=one_window), swiglu()),
    "minimax_m2": stack(
        attention(qk_norm="wide"), mixture(routed(width="intermediate_size", router_bias=True), everywhere)
    ),
    "qwen2_moe": stack(
        attention(qkv_bias="qkv_bias", output_bias=False, reach=switched(windows(_even_windows))),
        mixture(routed("num_experts", shared="shared_expert_intermediate_size", shared_gate=True), every_step),
    ),
    "qwen3_moe": stack(attention(qkv_bias="attention_bias", qk_norm="head", reach=switched(one_window)), QWEN_EXPERTS),
    "qwen3_vl_moe_text": stack(NORMED, QWEN_EXPERTS),
    "mellum": stack(
        attention(qkv_bias="attention_bias", qk_norm="head", reach=windows(lambda _, __: False)),
        mixture(routed("num_experts"), by_types(everywhere)),
    ),
    "olmoe": stack(attention(qkv_bias="attention_bias", qk_norm="wide"), swiglu("num_experts")),
    "flex_olmo": stack(attention(qkv_bias="attention_bias", qk_norm="wide"), swiglu("num_experts")),
    "granitemoe": stack(attention(qkv_bias="attention_bias"), swiglu()),
    "granitemoeshared": stack(
        attention(qkv_bias="attention_bias"),
        mixture(routed(width="intermediate_size", shared="shared_intermediate_size"), everywhere),
    ),
    "hunyuan_v1_moe": stack(NORMED, mixture(_hunyuan, everywhere)),
    "hy_v3": stack(
        NORMED, mixture(balanced("num_experts", "num_shared_experts"), by_types(_from(1)), biased("mlp_bias"))
    ),
    "dots1": stack(
        attention(
            qkv_bias="attention_bias",
            qk_norm="head",
            reach=windows(lambda config, index: index >= config.whole("max_window_layers", default=config.layers())),
        ),
        mixture(balanced(), after()),
    ),
    "ernie4_5_moe": stack(attention(qkv_bias="use_bias"), mixture(_ernie_experts, _ernie_layers, biased("use_bias"))),
    "ernie4_5_vl_moe_text": _ernie_vision,
    "exaone_moe": stack(
        attention(qk_norm="head", reach=pattern(4)),
        mixture(balanced("num_experts", "num_shared_experts"), by_types(_from(1))),
    ),
    "glm4_moe": _glm4,
    "glm4v_moe_text": stack(attention(qkv_bias="attention_bias", output_bias=False), mixture(balanced(), by_types())),
    "solar_open": stack(
        attention(qkv_bias="attention_bias", output_bias=False), mixture(balanced(), by_types(_from(0)))
    ),
    "gpt_oss": _gpt_oss,
    "llama4_text": _llama4,
    "mimo_v2_flash": stack(
        _mimo,
        mixture(lambda config: experts(config, count="n_routed_experts", router_bias=True), by_types(first_dense)),
    ),
    "minimax_m3_vl_text": stack(
        _minimax_m3,
        mixture(
            routed(width="intermediate_size", shared="shared_intermediate_size", router_bias=True),
            by_types(_minimax_layers),
            lambda config: network(config, width="dense_intermediate_size"),
        ),
    ),
    "phimoe": _phimoe,
    "aria_text": stack(attention(qkv_bias="attention_bias"), mixture(_aria, everywhere)),
    "kolibri1": stack(
        attention(qk_norm="head", reach=windows(lambda _, index: (index + 1) % 5 != 0)),
        mixture(routed("num_experts", shared="shared_expert_intermediate_size", router_bias=True), everywhere),
        norms=4,
    ),
    "deepseek_ocr2_text": OCR,
    "unlimited_ocr_text": stack(
        attention(
            qkv_bias="attention_bias",
            reach=windows(
                lambda config, _: bool(config.keys.get("sliding_window")), sliding="reference_sliding_attention"
            ),
        ),
        mixture(unbiased, by_types(_from(1)), biased("mlp_bias")),
    ),
}
"""By `model_type`."""
