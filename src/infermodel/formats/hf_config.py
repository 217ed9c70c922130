"""Model architectures from the `config.json` that stands beside weights in the Hugging Face layout.

A family of models is one function from its configuration to its layers, named in `FAMILIES` by its `model_type`.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from infermodel.architecture import (
    DenseFeedForward,
    ExpertFeedForward,
    FeedForward,
    GroupedAttention,
    LatentAttention,
    Layer,
    ModelArchitecture,
)
from infermodel.formats.text import FormatError, read_lines
from infermodel.hardware import Quantity

MOST_LINES = 100_000
MOST_LAYERS = 10_000
LARGEST = 10**9
"""Of any number: no model has so many words, experts, channels or tokens of context."""

_DTYPES: Mapping[str, str] = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
_QUANTISED: Mapping[str, str] = {"fp8": "fp8", "mxfp4": "mxfp4"}


@dataclass(frozen=True, slots=True)
class Config:
    """The keys of a configuration, and the file to blame."""

    path: Path
    keys: Mapping[str, Any]

    def whole(self, *names: str, default: int | None = None) -> int:
        """The whole number under the first of `names` that is there and not null.

        Raises:
            FormatError: none is there and no default is given, or it is not a positive whole number.
        """
        for name in names:
            value = self.keys.get(name)
            if value is None:
                continue
            least = 1 if default is None else 0
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise self.wrong(name, "a whole number", value)
            if value > LARGEST:
                raise self.wrong(name, f"at most {LARGEST:,}", value)
            return value
        if default is None:
            raise FormatError(self.path, f"key {names[0]!r} is missing")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """The truth value of a key.

        Raises:
            FormatError: it is anything else.
        """
        value = self.keys.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "true or false", value)
        return default if value is None else value

    def mapping(self, name: str) -> Mapping[str, Any]:
        """The object under a key, empty where it is absent or null.

        Raises:
            FormatError: it is no object.
        """
        value = self.keys.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise self.wrong(name, "an object of keys", value)
        return value or {}

    def wrong(self, name: str, expected: str, found: object) -> FormatError:
        """The error of a key that holds something else."""
        return FormatError(self.path, f"{name}: expected {expected}, found {reprlib.repr(found)}")

    def sequence(self, name: str) -> list[Any] | None:
        """The list of one entry a layer under a key, None where it is absent or null.

        Raises:
            FormatError: it is no list, or not one of as many entries as there are layers.
        """
        value = self.keys.get(name)
        if value is None or value == []:
            return None
        if not isinstance(value, list) or len(value) != self.layers():
            raise FormatError(self.path, f"{name}: expected a list of num_hidden_layers entries")
        if not all(isinstance(each, str | int) for each in value):
            raise FormatError(self.path, f"{name}: expected a word or a number for each layer")
        return value

    def layers(self) -> int:
        """How many layers there are.

        Raises:
            FormatError: more than any model has; an object is made for each.
        """
        layers = self.whole("num_hidden_layers")
        if layers > MOST_LAYERS:
            raise self.wrong("num_hidden_layers", f"at most {MOST_LAYERS:,}", layers)
        return layers


def _grouped(config: Config, window: int | None = None, **extras: Any) -> GroupedAttention:
    """Attention as most families write it; a head is hidden / heads wide unless the file says otherwise."""
    heads = config.whole("num_attention_heads")
    kv_heads = config.whole("num_key_value_heads", default=heads)
    head_dim = config.whole("head_dim", default=config.whole("hidden_size") // heads)
    if not kv_heads or not head_dim:
        raise FormatError(config.path, "expected at least one head of keys and values, one number wide, found none")
    return GroupedAttention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        window=window,
        **extras,
    )


def _uniform(config: Config, attention: GroupedAttention, feed_forward: FeedForward) -> tuple[Layer, ...]:
    return (Layer(attention, feed_forward),) * config.layers()


def _dense(config: Config) -> DenseFeedForward:
    if config.flag("mlp_bias", False):
        raise FormatError(config.path, "mlp_bias: feed-forward networks with biases are not supported")
    return DenseFeedForward(config.whole("intermediate_size"))


def _window(config: Config) -> int | None:
    return config.whole("sliding_window", default=0) or None


def _llama(config: Config) -> tuple[Layer, ...]:
    bias = config.flag("attention_bias", False)
    return _uniform(config, _grouped(config, qkv_bias=bias, output_bias=bias), _dense(config))


def _mistral(config: Config) -> tuple[Layer, ...]:
    return _uniform(config, _grouped(config, _window(config)), _dense(config))


def _mixtral(config: Config) -> tuple[Layer, ...]:
    experts = ExpertFeedForward(
        experts=config.whole("num_local_experts"),
        top_k=config.whole("num_experts_per_tok"),
        intermediate=config.whole("intermediate_size"),
    )
    return _uniform(config, _grouped(config, _window(config)), experts)


def _qwen_attention(config: Config, **extras: bool) -> list[GroupedAttention]:
    """Attention by layer: from `max_window_layers` on with a window, where windows are switched on."""
    layers = config.layers()
    kinds = config.sequence("layer_types")
    if kinds is None:
        first = (
            config.whole("max_window_layers", default=layers) if config.flag("use_sliding_window", False) else layers
        )
        kinds = ["full_attention" if index < first else "sliding_attention" for index in range(layers)]
    return [_grouped(config, _window(config) if kind == "sliding_attention" else None, **extras) for kind in kinds]


def _qwen2(config: Config) -> tuple[Layer, ...]:
    dense = _dense(config)
    return tuple(Layer(attention, dense) for attention in _qwen_attention(config, qkv_bias=True))


def _qwen3(config: Config) -> tuple[Layer, ...]:
    bias, dense = config.flag("attention_bias", False), _dense(config)
    attentions = _qwen_attention(config, qkv_bias=bias, output_bias=bias, qk_norm=True)
    return tuple(Layer(attention, dense) for attention in attentions)


def _qwen3_moe(config: Config) -> tuple[Layer, ...]:
    bias = config.flag("attention_bias", False)
    experts = ExpertFeedForward(
        experts=config.whole("num_experts", "num_local_experts"),
        top_k=config.whole("num_experts_per_tok"),
        intermediate=config.whole("moe_intermediate_size"),
    )
    every, dense_layers = config.whole("decoder_sparse_step", default=1), config.keys.get("mlp_only_layers") or []
    if not isinstance(dense_layers, list):
        raise config.wrong("mlp_only_layers", "a list of layers", dense_layers)
    attentions = _qwen_attention(config, qkv_bias=bias, output_bias=bias, qk_norm=True)
    return tuple(
        Layer(attention, _dense(config) if index in dense_layers or (index + 1) % max(1, every) else experts)
        for index, attention in enumerate(attentions)
    )


def _dense_then_experts(config: Config, attention: GroupedAttention | LatentAttention) -> tuple[Layer, ...]:
    """Some dense layers first, then layers of routed and shared experts with a balancing bias."""
    width = config.whole("moe_intermediate_size")
    experts = ExpertFeedForward(
        experts=config.whole("n_routed_experts"),
        top_k=config.whole("num_experts_per_tok"),
        intermediate=width,
        shared_intermediate=width * config.whole("n_shared_experts", default=0),
        router_bias=True,
    )
    layers = config.layers()
    dense = min(layers, config.whole("first_k_dense_replace", default=0))
    if config.whole("moe_layer_freq", default=1) != 1:
        raise FormatError(config.path, "moe_layer_freq: only 1 is supported")
    return (Layer(attention, _dense(config)),) * dense + (Layer(attention, experts),) * (layers - dense)


def _deepseek_v3(config: Config) -> tuple[Layer, ...]:
    attention = LatentAttention(
        heads=config.whole("num_attention_heads"),
        query_rank=config.whole("q_lora_rank"),
        kv_rank=config.whole("kv_lora_rank"),
        nope_dim=config.whole("qk_nope_head_dim"),
        rope_dim=config.whole("qk_rope_head_dim"),
        value_dim=config.whole("v_head_dim"),
    )
    return _dense_then_experts(config, attention)


def _glm4_moe(config: Config) -> tuple[Layer, ...]:
    extras = {"qkv_bias": config.flag("attention_bias", False), "qk_norm": config.flag("use_qk_norm", False)}
    return _dense_then_experts(config, _grouped(config, **extras))


def _gpt_oss(config: Config) -> tuple[Layer, ...]:
    experts = ExpertFeedForward(
        experts=config.whole("num_local_experts"),
        top_k=config.whole("num_experts_per_tok", "experts_per_token"),
        intermediate=config.whole("intermediate_size"),
        router_bias=True,
        expert_bias=True,
    )
    bias, layers = config.flag("attention_bias", True), config.layers()
    kinds = config.sequence("layer_types") or (["sliding_attention", "full_attention"] * layers)[:layers]
    window = config.whole("sliding_window")
    attention = {
        kind: _grouped(config, reach, qkv_bias=bias, output_bias=bias, sinks=True)
        for kind, reach in (("sliding_attention", window), ("full_attention", None))
    }
    unknown = sorted(set(kinds) - set(attention))
    if unknown:
        raise FormatError(config.path, f"layer_types: {unknown[0]!r} is not supported")
    return tuple(Layer(attention[kind], experts) for kind in kinds)


def _llama4(config: Config) -> tuple[Layer, ...]:
    """Rotary layers see their chunk, modelled as a window of its size; the others see all."""
    layers, every = config.layers(), config.whole("interleave_moe_layer_step", default=1)
    width = config.whole("intermediate_size")
    experts = ExpertFeedForward(
        experts=config.whole("num_local_experts"),
        top_k=config.whole("num_experts_per_tok"),
        intermediate=width,
        shared_intermediate=width,
    )
    interval = config.whole("no_rope_layer_interval", default=4)
    rotary = config.sequence("no_rope_layers") or [(index + 1) % max(1, interval) for index in range(layers)]
    chunk = config.whole("attention_chunk_size", default=0) or None
    bias = config.flag("attention_bias", False)
    return tuple(
        Layer(
            _grouped(config, chunk if rotary[index] else None, qkv_bias=bias, output_bias=bias),
            DenseFeedForward(config.whole("intermediate_size_mlp")) if (index + 1) % max(1, every) else experts,
        )
        for index in range(layers)
    )


FAMILIES: Mapping[str, Callable[[Config], tuple[Layer, ...]]] = {
    "llama": _llama,
    "mistral": _mistral,
    "mixtral": _mixtral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "deepseek_v3": _deepseek_v3,
    "kimi_k2": _deepseek_v3,
    "glm4_moe": _glm4_moe,
    "gpt_oss": _gpt_oss,
    "llama4_text": _llama4,
}
"""How each `model_type` lays out its layers. `llama4` is the `llama4_text` in its `text_config`."""


def _precision(config: Config) -> str:
    """The number format of the weights as they are stored."""
    quantisation = config.mapping("quantization_config")
    method, bits = quantisation.get("quant_method"), quantisation.get("bits")
    if isinstance(method, str) and method in _QUANTISED:
        return _QUANTISED[method]
    if method in ("awq", "gptq") and type(bits) is int and bits in (4, 8):
        return f"int{bits}"
    if method is not None:
        raise FormatError(config.path, f"quantization_config: quant_method {reprlib.repr(method)} is not supported")
    dtype = config.keys.get("torch_dtype") or config.keys.get("dtype") or "bfloat16"
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise FormatError(config.path, f"torch_dtype: {reprlib.repr(dtype)} is none of {', '.join(_DTYPES)}")
    return _DTYPES[dtype]


def architecture(keys: Mapping[str, Any], path: Path, name: str) -> ModelArchitecture:
    """A model from the parsed content of a `config.json`.

    Args:
        keys: the content.
        path: the file, for messages and provenance.
        name: what to call the model.

    Raises:
        FormatError: `model_type` is not in `FAMILIES`, or a key that its family needs is missing or wrong.
    """
    whole = Config(path, keys)
    inner = whole.mapping("text_config")
    config = Config(path, inner) if inner else whole
    family = config.keys.get("model_type", keys.get("model_type"))
    if not isinstance(family, str) or family not in FAMILIES:
        raise FormatError(path, f"model_type {reprlib.repr(family)} is not supported; supported: {', '.join(FAMILIES)}")
    layers = FAMILIES[family](config)
    figures = {
        "hidden": config.whole("hidden_size"),
        "vocabulary": config.whole("vocab_size"),
        "max_context": config.whole("max_position_embeddings"),
        "layers": len(layers),
    }
    return ModelArchitecture(
        name=name,
        title=name,
        hidden=figures["hidden"],
        vocabulary=figures["vocabulary"],
        layers=layers,
        tied_embeddings=config.flag("tie_word_embeddings", whole.flag("tie_word_embeddings", False)),
        max_context=figures["max_context"],
        default_precision=_precision(whole if "quantization_config" in keys or "torch_dtype" in keys else config),
        provenance={key: Quantity(value, "", "datasheet", str(path)) for key, value in figures.items()},
    )


def read_hf_config(path: Path) -> ModelArchitecture:
    """A model from a `config.json` on disk, named after the folder that it is in.

    Args:
        path: the file, or the folder that holds it.

    Raises:
        FormatError: no such file, no JSON object, or a model that is not supported; see `architecture`.
    """
    file = path / "config.json" if path.is_dir() else path
    lines = list(islice(read_lines(file), MOST_LINES + 1))
    if len(lines) > MOST_LINES:
        raise FormatError(file, f"is no configuration: more than {MOST_LINES:,} lines")
    try:
        keys = json.loads("\n".join(lines))
    except json.JSONDecodeError as error:
        text = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        raise FormatError(file, error.msg, line=error.lineno, column=error.colno, text=text) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise FormatError(file, f"is no configuration: {error}") from None
    if not isinstance(keys, dict):
        raise FormatError(file, "expected a JSON object of configuration keys")
    name = file.resolve().parent.name if file.name == "config.json" else file.stem
    return architecture(keys, file, name)
