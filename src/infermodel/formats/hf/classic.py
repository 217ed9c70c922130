"""Families from before Llama: their own names for everything, learned positions, biases."""

from __future__ import annotations

from collections.abc import Mapping

from infermodel.architecture import DenseFeedForward, ExpertFeedForward, GroupedAttention, Layer
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.pieces import Body, Reader


def _multi_head(config: Config, kv_heads: int | None = None, *, bias: bool = True) -> GroupedAttention:
    heads = config.whole("num_attention_heads", "n_head", "n_heads", "num_heads")
    head_dim = config.whole("hidden_size", "n_embd", "d_model") // heads
    return GroupedAttention(heads, kv_heads or heads, head_dim, None, bias, bias)


def _body(config: Config, layer: Layer, extra: int = 0) -> Body:
    return Body((layer,) * config.layers(), extra)


def _gpt2(config: Config) -> Body:
    """Learned positions; layer norms and every projection with biases."""
    if config.flag("add_cross_attention"):
        raise config.refused("add_cross_attention: attention to an encoder is not supported")
    hidden = config.whole("hidden_size")
    inner = config.whole("n_inner", default=4 * hidden) or 4 * hidden
    kv_heads = 1 if config.flag("multi_query") else None
    layer = Layer(_multi_head(config, kv_heads), DenseFeedForward(inner, gated=False, bias=True), norms=4)
    return _body(config, layer, config.whole("max_position_embeddings") * hidden + hidden)


def _gptj(config: Config) -> Body:
    """Attention and feed-forward side by side after one norm; only the feed-forward and the head have biases."""
    hidden = config.whole("hidden_size")
    inner = config.whole("n_inner", default=4 * hidden) or 4 * hidden
    layer = Layer(_multi_head(config, bias=False), DenseFeedForward(inner, gated=False, bias=True), norms=2)
    return _body(config, layer, hidden + config.whole("vocab_size"))


def _gpt_neo(config: Config) -> Body:
    """Learned positions, windows in every second layer, a bias on the output projection alone."""
    hidden = config.whole("hidden_size")
    inner = config.whole("intermediate_size", default=4 * hidden) or 4 * hidden
    kinds = config.keys.get("attention_layers")
    if not isinstance(kinds, list):
        kinds = ["global" if index % 2 == 0 else "local" for index in range(config.layers())]
    window = config.whole("window_size")
    heads = config.whole("num_attention_heads", "num_heads")
    layers = tuple(
        Layer(
            GroupedAttention(heads, heads, hidden // heads, window if kind == "local" else None, output_bias=True),
            DenseFeedForward(inner, gated=False, bias=True),
            norms=4,
        )
        for kind in kinds[: config.layers()]
    )
    return Body(layers, config.whole("max_position_embeddings") * hidden + hidden)


def _bloom(config: Config) -> Body:
    """A norm after the embedding; every projection with a bias."""
    hidden = config.whole("hidden_size")
    layer = Layer(_multi_head(config), DenseFeedForward(4 * hidden, gated=False, bias=True), norms=4)
    return _body(config, layer, 3 * hidden)


def _opt(config: Config) -> Body:
    """Learned positions, two of them unused; the embedding may be narrower than the model."""
    hidden, bias = config.whole("hidden_size"), config.flag("enable_bias", True)
    norms = 4 if config.flag("layer_norm_elementwise_affine", True) else 0
    layer = Layer(
        _multi_head(config, bias=bias), DenseFeedForward(config.whole("ffn_dim"), gated=False, bias=bias), norms=norms
    )
    narrow = config.whole("word_embed_proj_dim", default=hidden) or hidden
    if narrow != hidden:
        raise config.refused("word_embed_proj_dim: embeddings of another width than the model are not supported")
    last = config.flag("do_layer_norm_before", True) and not config.flag("_remove_final_layer_norm")
    extra = (config.whole("max_position_embeddings") + 2) * hidden + (hidden if last and norms else -hidden)
    return _body(config, layer, extra)


def _mpt(config: Config) -> Body:
    """No positions to learn where it has ALiBi, no biases."""
    hidden = config.whole("d_model", "hidden_size")
    if not config.flag("no_bias", True):
        raise config.refused("no_bias: biases are not supported in this family")
    inner = DenseFeedForward(config.whole("expansion_ratio", default=4) * hidden, gated=False)
    return _body(config, Layer(_multi_head(config, bias=False), inner))


def _falcon(config: Config) -> Body:
    """One KV head for all (`multi_query`), or groups in the newer layout; blocks side by side under one norm or two."""
    hidden, bias, new = config.whole("hidden_size"), config.flag("bias"), config.flag("new_decoder_architecture")
    heads = config.whole("num_attention_heads", "n_head")
    kv_heads = config.whole("num_kv_heads", "n_head_kv", default=heads) or heads
    if not new:
        kv_heads = 1 if config.flag("multi_query", True) else heads
    inner = config.whole("ffn_hidden_size", default=4 * hidden) or 4 * hidden
    parallel = new or config.flag("parallel_attn", True)
    norms = config.whole("num_ln_in_parallel_attn", default=2 if new else 1) or (2 if new else 1)
    layer = Layer(
        _multi_head(config, kv_heads, bias=bias),
        DenseFeedForward(inner, gated=False, bias=bias),
        norms=2 * norms if parallel else 4,
    )
    return _body(config, layer, hidden)


def _dbrx(config: Config) -> Body:
    """Sizes of attention and experts stand in objects of their own; norms without biases."""
    attention, experts = config.part("attn_config"), config.part("ffn_config")
    mixer = _multi_head(config, attention.whole("kv_n_heads", default=1) or 1, bias=False)
    routed = ExpertFeedForward(
        experts.whole("moe_num_experts", default=4),
        experts.whole("moe_top_k", default=1),
        experts.whole("ffn_hidden_size", default=3584),
    )
    return _body(config, Layer(mixer, routed))


CLASSIC: Mapping[str, Reader] = {
    "gpt2": _gpt2,
    "gpt_bigcode": _gpt2,
    "gptj": _gptj,
    "codegen": _gptj,
    "gpt_neo": _gpt_neo,
    "bloom": _bloom,
    "opt": _opt,
    "mpt": _mpt,
    "falcon": _falcon,
    "dbrx": _dbrx,
}
"""By `model_type`."""
