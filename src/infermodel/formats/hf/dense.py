"""Families of grouped attention and dense feed-forward networks in every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from infermodel.architecture import GroupedAttention
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.pieces import (
    Body,
    FeedForwards,
    Mixers,
    Reader,
    Windows,
    attention,
    dense,
    everything,
    final_bias,
    grouped,
    more,
    no_final_norm,
    one_window,
    stack,
    windows,
)

PLAIN = stack(attention(qkv_bias="attention_bias"), dense(bias="mlp_bias"))
"""Llama and what follows it to the letter."""


def switched(found: Windows) -> Windows:
    """Windows where `use_sliding_window` says so (Qwen)."""
    return lambda config: found(config) if config.flag("use_sliding_window") else everything(config)


def late(config: Config, index: int) -> bool:
    """Windows from a layer on."""
    first = config.whole("max_window_layers", default=config.layers())
    return bool(config.keys.get("sliding_window")) and index >= first


def pattern(default: int) -> Windows:
    """Every so many-th layer sees everything, the others have a window."""

    def local(config: Config, index: int) -> bool:
        every = config.keys.get("sliding_window_pattern")
        if isinstance(every, str) and every:  # a letter a layer, repeated: L for local
            return every[index % len(every)].upper() == "L"
        step = config.whole("sliding_window_pattern", default=default)
        return bool(config.keys.get("sliding_window")) and bool(step) and (index + 1) % step != 0

    return windows(local)


QWEN_WINDOWS = switched(windows(late))
NORMED = attention(qkv_bias="attention_bias", qk_norm="head")
QWEN2 = stack(attention(qkv_bias=True, output_bias=False, reach=QWEN_WINDOWS), dense())


def _gated(config: Config) -> Sequence[GroupedAttention]:
    """Muse Glimmer: a gate for every channel of the result; the last layer and every fourth before it see all."""
    last = config.layers() - 1
    reach = windows(lambda _, index: (last - index) % 4 != 0)(config)
    plain = attention(qkv_bias="attention_bias")(config)
    return [
        replace(each, window=window, gate_columns=each.heads * each.head_dim)
        for each, window in zip(plain, reach, strict=True)
        if isinstance(each, GroupedAttention)
    ]


def _doge(config: Config) -> Body:
    """A step projected from values for each KV head, two vectors on the residual."""
    if config.flag("is_moe"):
        raise config.refused("is_moe: Doge's experts are not supported")
    body = stack(NORMED, dense(bias="mlp_bias"), norms=4)(config)
    plain = grouped(config)
    own = plain.kv_heads + plain.kv_heads * plain.head_dim * plain.kv_heads
    return replace(body, layers=tuple(replace(layer, extra=own) for layer in body.layers))


def _molmo2(config: Config) -> Body:
    """Words of its own are embedded beside the vocabulary."""
    norm = "head" if config.keys.get("qk_norm_type") == "qwen3" else "wide"
    mixers: Mixers = (
        attention(qkv_bias="attention_bias", output_bias=False, qk_norm="head")
        if norm == "head"
        else attention(qkv_bias="attention_bias", output_bias=False, qk_norm="wide")
    )
    return more(stack(mixers, dense())(config), config.whole("additional_vocab_size", default=0) * _hidden(config))


def _hidden(config: Config) -> int:
    return config.whole("hidden_size")


def _modernbert(config: Config) -> Body:
    """A norm after the embedding, none before the first attention; a dense layer and a norm before the head."""
    reach = windows(lambda _, index: index % 3 != 0, size="local_attention")(config)
    halves = [window and window // 2 for window in reach]  # looks to both sides of a token; a decoder only back
    body = stack(attention(qkv_bias="attention_bias", reach=lambda _: halves), dense(bias="mlp_bias"))(config)
    hidden = _hidden(config)
    return more(body, hidden * hidden + hidden + config.whole("vocab_size") * config.flag("decoder_bias"))


def _persimmon(config: Config) -> Sequence[GroupedAttention]:
    own = 4 * (_hidden(config) // config.whole("num_attention_heads")) * config.flag("qk_layernorm")
    return [replace(grouped(config, qkv_bias=True, output_bias=True), extra=own)] * config.layers()


def _stablelm(config: Config) -> Body:
    if config.flag("qk_layernorm"):
        raise config.refused("qk_layernorm: norms of each head are not supported in this family")
    norms = 2 if config.flag("use_parallel_residual") else 4
    mixers = attention(qkv_bias="use_qkv_bias", output_bias=False)
    return stack(mixers, dense(), norms=norms, extra=final_bias)(config)


def _post_norms(config: Config) -> Body:
    """HyperCLOVA X: norms after both blocks too, where it has them."""
    norms = 4 if config.flag("use_post_norm", True) else 2
    return stack(attention(qkv_bias="attention_bias"), dense(bias="mlp_bias"), norms=norms)(config)


def _cohere(config: Config) -> Body:
    norm = attention(qkv_bias="attention_bias", qk_norm="wide" if config.flag("use_qk_norm") else "")
    return stack(norm, dense(), norms=1)(config)


def _head_bias(config: Config) -> int:
    """Phi: biases of the final norm and of the head."""
    return _hidden(config) + config.whole("vocab_size")


def with_layer_norms(mixers: Mixers, feed_forwards: FeedForwards) -> Reader:
    """A reader of models whose norms, two a layer and the final one, have biases."""
    return stack(mixers, feed_forwards, norms=4, extra=final_bias)


UNGATED = dense(gated=False, bias="mlp_bias")

DENSE: Mapping[str, Reader] = {
    "llama": PLAIN,
    "granite": PLAIN,
    "granite_docling_text": PLAIN,
    "helium": stack(attention(qkv_bias="attention_bias", output_bias=False), dense(bias="mlp_bias")),
    "internlm3": stack(attention(qkv_bias="attention_bias", output_bias="mlp_bias"), dense(bias="mlp_bias")),
    "hyperclovax": _post_norms,
    "smollm3": PLAIN,
    "iquestcoder": PLAIN,
    "seed_oss": stack(attention(qkv_bias="attention_bias", output_bias="attention_out_bias"), dense(bias="mlp_bias")),
    "mistral": stack(attention(reach=one_window), dense()),
    "ministral": stack(attention(reach=windows(lambda config, _: bool(config.keys.get("sliding_window")))), dense()),
    "ministral3": stack(attention(reach=one_window), dense()),
    "cwm": stack(attention(reach=windows(lambda _, index: index % 4 != 0)), dense()),
    "phi3": stack(attention(reach=one_window), dense()),
    "qwen2": QWEN2,
    "qwen2_vl_text": QWEN2,
    "qwen2_5_vl_text": QWEN2,
    "qwen2_5_omni_text": QWEN2,
    "qwen3": stack(attention(qkv_bias="attention_bias", qk_norm="head", reach=QWEN_WINDOWS), dense()),
    "qwen3_vl_text": stack(NORMED, dense()),
    "hunyuan_v1_dense": stack(NORMED, dense()),
    "apertus": stack(NORMED, dense(gated=False)),
    "arcee": stack(attention(qkv_bias="attention_bias"), UNGATED),
    "bitnet": stack(
        attention(qkv_bias="attention_bias"),
        dense(),
        norms=3,
        each=lambda config: config.whole("intermediate_size"),
    ),
    "cohere": _cohere,
    "cohere2": stack(attention(qkv_bias="attention_bias", reach=pattern(4)), dense(), norms=1),
    "cohere_compass_text": stack(
        attention(qkv_bias="attention_bias", reach=windows(lambda _, __: False)), dense(), norms=1
    ),
    "doge": _doge,
    "ernie4_5": stack(attention(qkv_bias="use_bias"), dense(bias="use_bias")),
    "exaone4": stack(attention(qk_norm="head", reach=pattern(4)), dense()),
    "gemma": stack(attention(qkv_bias="attention_bias"), dense()),
    "gemma2": stack(
        attention(qkv_bias="attention_bias", reach=windows(lambda _, index: index % 2 == 0)), dense(), norms=4
    ),
    "gemma3_text": stack(
        attention(qkv_bias="attention_bias", qk_norm="head", reach=pattern(6)),
        dense(),
        norms=4,
    ),
    "vaultgemma": stack(attention(qkv_bias="attention_bias", reach=windows(lambda _, index: index % 2 == 0)), dense()),
    "glm": stack(attention(qkv_bias="attention_bias", output_bias=False), dense()),
    "glm4": stack(attention(qkv_bias="attention_bias", output_bias=False), dense(), norms=4),
    "glm4v_text": stack(attention(qkv_bias=True, output_bias=False), dense(), norms=4),
    "glm_ocr_text": stack(attention(), dense(), norms=4),
    "granite_swa": stack(
        attention(qkv_bias="attention_bias", sinks=True, reach=windows(lambda _, index: index % 4 != 0)),
        dense(bias="mlp_bias"),
    ),
    "jais2": with_layer_norms(attention(qkv_bias="attention_bias"), UNGATED),
    "nemotron": with_layer_norms(attention(qkv_bias="attention_bias"), UNGATED),
    "starcoder2": with_layer_norms(
        attention(qkv_bias="use_bias", reach=one_window), dense(gated=False, bias="use_bias")
    ),
    "gpt_neox": with_layer_norms(attention(qkv_bias="attention_bias"), dense(gated=False, bias=True)),
    "persimmon": with_layer_norms(_persimmon, dense(gated=False, bias=True)),
    "phi": stack(attention(qkv_bias=True), dense(gated=False, bias=True), norms=2, extra=_head_bias),
    "stablelm": _stablelm,
    "modernbert-decoder": _modernbert,
    "molmo2_text": _molmo2,
    "muse_glimmer_text": stack(_gated, dense(), norms=4),
    "nanochat": stack(attention(qkv_bias="attention_bias"), dense(gated=False), norms=0, extra=no_final_norm),
    "olmo": stack(attention(qkv_bias="attention_bias"), dense(), norms=0, extra=no_final_norm),
    "olmo2": stack(attention(qkv_bias="attention_bias", qk_norm="wide"), dense()),
    "olmo3": stack(attention(qkv_bias="attention_bias", qk_norm="wide", reach=pattern(4)), dense()),
}
"""By `model_type`."""
