"""Families of latent attention, dense in its context or picked by an indexer, and of DeepSeek V4's compressed one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from infermodel.architecture import (
    CompressedAttention,
    DenseFeedForward,
    ExpertFeedForward,
    Indexer,
    LatentAttention,
    Layer,
)
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.mixture import balanced, unbiased
from infermodel.formats.hf.pieces import (
    Body,
    Mixers,
    Reader,
    after,
    by_types,
    dense,
    experts,
    known,
    mixture,
    network,
    stack,
)


def latent(config: Config, **extras: Any) -> LatentAttention:
    """Latent attention as DeepSeek writes it."""
    return LatentAttention(
        heads=config.whole("num_attention_heads"),
        query_rank=config.whole("q_lora_rank", default=0),
        kv_rank=config.whole("kv_lora_rank"),
        nope_dim=config.whole("qk_nope_head_dim"),
        rope_dim=config.whole("qk_rope_head_dim", default=0),
        value_dim=config.whole("v_head_dim"),
        bias=config.flag("attention_bias"),
        **extras,
    )


def everywhere_latent(config: Config) -> Sequence[LatentAttention]:
    """The same in every layer, each token looking at all before it."""
    return [latent(config)] * config.layers()


def indexer_of(config: Config, *, from_hidden: bool = False, extra: int = 0) -> Indexer:
    """The indexer of DeepSeek V3.2."""
    inputs = 0 if from_hidden else config.whole("q_lora_rank")
    return Indexer(config.whole("index_n_heads"), config.whole("index_head_dim"), inputs, extra=extra)


def indexer_kinds(config: Config) -> list[str]:
    """Layers that pick tokens themselves ("full") or take what one before picked ("shared")."""
    found = config.sequence("indexer_types") or config.keys.get("index_topk_pattern")
    if isinstance(found, str | list):
        named = [{"F": "full", "S": "shared"}.get(str(kind), str(kind)) for kind in found]
        if len(named) != config.layers() or set(named) - {"full", "shared"}:
            raise config.wrong("indexer_types", "full or shared for each layer", found)
        return named
    every = config.whole("index_topk_freq", default=1) or 1
    offset = config.whole("index_skip_topk_offset", default=2)
    return ["full" if max(index - offset + 1, 0) % every == 0 else "shared" for index in range(config.layers())]


def sparse(config: Config) -> Sequence[LatentAttention]:
    """Every layer looks at `index_topk` tokens that its own indexer picks, or one before it."""
    config.kinds("layer_types", lambda _: "indexed_attention")
    picked, indexer = config.whole("index_topk"), indexer_of(config)
    plain = latent(config, top_k=picked)
    return [replace(plain, indexer=indexer) if kind == "full" else plain for kind in indexer_kinds(config)]


def always_indexed(config: Config) -> Sequence[LatentAttention]:
    """Every layer has an indexer of its own."""
    return [latent(config, top_k=config.whole("index_topk"), indexer=indexer_of(config))] * config.layers()


def _axk2(config: Config) -> Body:
    """Queries and a gate from two latents together; norms with a gate of low rank, before experts too."""
    plain = always_indexed(config)[0]
    heads, rank, hidden = plain.heads, plain.query_rank, config.whole("hidden_size")
    wide = 2 * rank * heads * (plain.nope_dim + plain.rope_dim + plain.value_dim)
    mixer = replace(plain, extra=wide - rank * heads * (plain.nope_dim + plain.rope_dim))
    gate = 2 * hidden * config.whole("gated_norm_rank")
    parts = mixture(balanced(), by_types(_after_one))(config)
    return Body(tuple(Layer(mixer, part, extra=gate * (1 + isinstance(part, ExpertFeedForward))) for part in parts))


def _after_one(config: Config) -> list[bool]:
    return after()(replace(config, keys={"first_k_dense_replace": 1, **config.keys}))


def _axk1(config: Config) -> Body:
    """One more norm after experts."""
    hidden = config.whole("hidden_size")
    routed = mixture(lambda each: replace(balanced()(each), extra=hidden), by_types(_after_one))
    return stack(everywhere_latent, routed)(config)


def _dots3(config: Config) -> Body:
    """Layers with a window have heads and latents of their own (`per_layer_config`); a gate for each head."""

    def attend(index: int, kind: str) -> LatentAttention:
        own = config.layer(index)
        gates = own.whole("num_attention_heads")
        if kind == "sliding_attention":
            return latent(own, window=config.whole("sliding_window"), gate_columns=gates)
        if kind == "indexed_attention":
            return latent(own, top_k=config.whole("index_topk"), indexer=indexer_of(own), gate_columns=gates)
        return latent(own, gate_columns=gates)

    def rule(index: int) -> str:
        return "indexed_attention" if index < 2 or index % 4 == 1 else "sliding_attention"

    kinds = config.kinds("layer_types", rule)
    known(config, kinds, "sliding_attention", "indexed_attention", "full_attention")
    if "sliding_attention" in kinds and not config.mapping("per_layer_config"):
        raise config.refused("per_layer_config: layers with a window have sizes of their own, and the file has none")
    mixers = [attend(index, kind) for index, kind in enumerate(kinds)]
    shared = config.whole("shared_experts_intermediate_size") * config.whole("n_shared_experts", default=0)
    found = experts(config, count="n_routed_experts", shared=shared, router_bias=True)
    return stack(lambda _: mixers, mixture(lambda _: found, by_types(_after_one)))(config)


def _large4(config: Config) -> Body:
    """Some layers use the latent of one before, some know no positions; indexers look at the layer's input."""
    hidden, rope = config.whole("hidden_size"), config.whole("qk_rope_head_dim", default=0)
    sources = config.numbers("kv_source_layers") or list(range(config.layers()))
    if len(sources) != config.layers():
        raise config.wrong("kv_source_layers", "a layer for each layer", sources)
    interval = config.whole("no_rope_layer_interval", default=4) or 4
    rotary = config.sequence("no_rope_layers") or [(index + 1) % interval for index in range(config.layers())]
    indexer, own = indexer_of(config, from_hidden=True, extra=2 * hidden), 2 * config.whole("num_attention_heads")
    plain = replace(latent(config, top_k=config.whole("index_topk"), extra=own), query_rank=0)
    mixers = [
        replace(
            plain,
            keeps_kv=source == index,
            indexer=indexer if kind == "full" else None,
            nope_dim=plain.nope_dim if turns else plain.nope_dim + rope,
            rope_dim=rope if turns else 0,
        )
        for index, (source, kind, turns) in enumerate(zip(sources, indexer_kinds(config), rotary, strict=True))
    ]
    return stack(lambda _: mixers, mixture(unbiased, by_types()))(config)


RATIOS: Mapping[int, str] = {
    0: "sliding_attention",
    4: "compressed_sparse_attention",
    128: "heavily_compressed_attention",
}
"""What older files say by how many tokens share an entry."""


def _v4(config: Config) -> Body:
    """Compressed attention, experts in every layer, four residual streams mixed around both."""
    kinds = config.kinds("layer_types", _v4_rule(config))
    rates = {"compressed_sparse_attention": 4, "heavily_compressed_attention": 128, **config.mapping("compress_rates")}
    layers, streams, hidden = config.layers(), config.whole("hc_mult"), config.whole("hidden_size")
    rows = (2 + streams) * streams
    around = 2 * (rows * (streams * hidden + 1) + 3)
    found = experts(config, count="n_routed_experts", shared=config.whole("moe_intermediate_size"))
    bodies = tuple(Layer(_compressed(config, kind, rates), found, extra=around) for kind in kinds[:layers])
    return Body(bodies, streams * (streams * hidden + 1) + 1)


def _v4_rule(config: Config) -> Callable[[int], str]:
    ratios = config.numbers("compress_ratios")

    def kind(index: int) -> str:
        if ratios:
            if index >= len(ratios) or ratios[index] not in RATIOS:
                raise config.wrong("compress_ratios", "0, 4 or 128 for each layer", ratios)
            return RATIOS[ratios[index]]
        return "compressed_sparse_attention" if index >= 2 and index % 2 else "heavily_compressed_attention"

    return kind


def _compressed(config: Config, kind: str, rates: Mapping[str, Any]) -> CompressedAttention:
    known(config, [kind], *RATIOS.values())
    indexed = kind == "compressed_sparse_attention"
    ratio = rates.get(kind, 0)
    if type(ratio) is not int or ratio < 0:
        raise config.wrong("compress_rates", "whole numbers", ratio)
    return CompressedAttention(
        heads=config.whole("num_attention_heads"),
        head_dim=config.whole("head_dim"),
        query_rank=config.whole("q_lora_rank"),
        output_rank=config.whole("o_lora_rank"),
        output_groups=config.whole("o_groups"),
        window=config.whole("sliding_window"),
        ratio=ratio,
        overlaps=indexed,
        indexer=indexer_of(config) if indexed else None,
        top_k=config.whole("index_topk") if indexed else None,
    )


def experts_or_dense(rule: Callable[[Config], Sequence[bool]]) -> Reader:
    """Latent attention in every layer, balanced experts where the rule says."""
    return stack(everywhere_latent, mixture(balanced(), rule, _dense_here))


def _dense_here(config: Config) -> DenseFeedForward:
    return network(config, bias="mlp_bias")


LITE: Mixers = everywhere_latent
LATENT: Mapping[str, Reader] = {
    "deepseek_v2": stack(LITE, mixture(unbiased, after(), _dense_here)),
    "deepseek_v3": experts_or_dense(after()),
    "kimi_k2": experts_or_dense(after()),
    "mistral4": stack(LITE, mixture(unbiased, after())),
    "glm4_moe_lite": experts_or_dense(by_types(_after_one)),
    "axk1": _axk1,
    "axk2": _axk2,
    "deepseek_v32": stack(always_indexed, mixture(balanced(), by_types())),
    "glm_moe_dsa": stack(sparse, mixture(balanced(), by_types())),
    "mistral_large4_text": _large4,
    "dots3_note_text": _dots3,
    "deepseek_v4": _v4,
    "youtu": stack(LITE, dense()),
    "minicpm3": stack(LITE, dense()),
}
"""By `model_type`."""
