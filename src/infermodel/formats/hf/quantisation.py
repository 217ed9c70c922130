"""In which formats a checkpoint's weights are kept: what its lists say, and the bytes that follow."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from infermodel.architecture import PRECISION_BYTES, ModelArchitecture
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.modules import Module, matches, modules

DTYPES: Mapping[str, str] = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "half": "fp16", "float": "fp32"}

NAMED = (
    "nvfp4",
    "mxfp4",
    "mxfp8",
    "fp8",
    "awq",
    "gptq",
    "int4",
    "int8",
    "w4a16",
    "w8a8",
    "4bit",
    "8bit",
    "bnb",
    "gguf",
)
"""Words in a checkpoint's name that say it is quantised."""


class Stored(NamedTuple):
    """Where a checkpoint may say how it is kept."""

    outer: Config
    config: Config
    beside: Mapping[str, Any]


class Format(NamedTuple):
    """How one weight is kept: the nearest format that the cost engine knows, and its bits with all scales."""

    precision: str
    bits: float

    @property
    def bytes(self) -> float:
        """Of a weight."""
        return self.bits / 8


FP8 = Format("fp8", 8.0)
FP8_BLOCKS = Format("fp8", 8.0 + 32 / 128**2)
MXFP8 = Format("fp8", 8.0 + 8 / 32)
MXFP4 = Format("mxfp4", 4.0 + 8 / 32)
NVFP4 = Format("nvfp4", 4.0 + 8 / 16)
INT8 = Format("int8", 8.0)

Rule = Callable[[Module], Format | None]
"""The format of a module; None where it stays in 16 bits."""


def integers(bits: int, group: int, *, zeros: bool) -> Format:
    """Whole numbers of so many bits, a scale of 16 bits for each group, and a zero point where they have one.

    Args:
        group: weights that share a scale; -1 for a whole column, which costs next to nothing.

    >>> integers(4, 32, zeros=True)
    Format(precision='int4', bits=4.625)
    """
    beside = (16 + bits * zeros) / group if group > 0 else 0.0
    return Format("int4" if bits <= 4 else "int8", bits + beside)


def stored(model: ModelArchitecture, how: Stored) -> ModelArchitecture:
    """The model with the format of its weights and their bytes.

    Raises:
        FormatError: the file says how in a way that is not known.
    """
    said = _said(how)
    half = _dtype(how)
    if said is None:
        named = any(word in model.name.lower().replace("-", "").replace("_", "") for word in NAMED)
        return replace(model, default_precision="" if named or half is None else half)
    config, keys = said
    rule = _rule(config, keys, how)
    beside = PRECISION_BYTES[half or "bf16"]
    total, by_format = (model.parameters + model.tower_parameters) * beside, dict[str, int]()
    by_group: dict[str, Counter[str]] = {}
    in_blocks = False
    try:
        for module in modules(model):
            found = rule(module)
            kept = by_group.setdefault(module.group, Counter())
            kept[found.precision if found else half or "bf16"] += module.weights
            if found is not None:
                total += module.weights * (found.bytes - beside)
                in_blocks |= found == FP8_BLOCKS
                by_format[found.precision] = by_format.get(found.precision, 0) + module.weights
    except ValueError as error:
        raise config.refused(f"quantization_config: {error}") from None
    most = max(by_format, key=lambda name: by_format[name], default=half or "bf16")
    formats = tuple((group, kept.most_common(1)[0][0]) for group, kept in by_group.items())
    return replace(model, default_precision=most, stored_bytes=total, formats=formats, fp8_in_blocks=in_blocks)


def _said(how: Stored) -> tuple[Config, Mapping[str, Any]] | None:
    """The object that says how, wherever it stands, and the configuration to blame."""
    for config in (how.outer, how.config):
        for name in ("quantization_config", "quantization", "compression_config"):
            keys = config.mapping(name)
            if keys:
                merged = {**how.beside.get("quantization", {}), **keys} if how.beside else keys
                return config, merged
    beside = how.beside.get("quantization")
    return (how.outer, beside) if isinstance(beside, Mapping) and beside else None


def _dtype(how: Stored) -> str | None:
    """The format of what is not quantised, None where the file does not say."""
    for config in (how.outer, how.config):
        for name in ("dtype", "torch_dtype"):
            said = config.keys.get(name)
            if said is None or said == "auto":
                continue
            if not isinstance(said, str) or said.removeprefix("torch.") not in DTYPES:
                raise config.refused(f"{name}: {reprlib.repr(said)} is none of {', '.join(DTYPES)}")
            return DTYPES[said.removeprefix("torch.")]
    return None


def _rule(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """The rule of a method."""
    method = keys.get("quant_method")
    if method is None:
        method = _without_method(keys)
    if not isinstance(method, str) or method not in METHODS:
        raise config.refused(f"quantization_config: quant_method {reprlib.repr(method)} is not supported")
    return METHODS[method](config, keys, how)


def _without_method(keys: Mapping[str, Any]) -> object:
    """Which method it is where older files do not say."""
    if "load_in_4bit" in keys or "load_in_8bit" in keys:
        return "bitsandbytes"
    if "quant_algo" in keys or "quantized_layers" in keys:
        return "modelopt"
    if "config_groups" in keys:
        return "compressed-tensors"
    return "mlx" if "bits" in keys and "group_size" in keys else None


def _listed(keys: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """All entries of lists of what stays in 16 bits."""
    found = [entry for name in names for entry in keys.get(name) or () if isinstance(keys.get(name), list)]
    return tuple(str(entry) for entry in found)


IGNORED = ("ignore", "exclude_modules", "modules_to_not_convert", "llm_int8_skip_modules", "ignored_layers")
INSIDE = ("attention", "recurrence", "dense", "shared", "experts")


def but(format_: Format, ignored: Sequence[str], groups: Sequence[str] = INSIDE) -> Rule:
    """One format for the matrices of all layers that no list names."""

    def found(module: Module) -> Format | None:
        if module.group not in groups or any(matches(entry, module) for entry in ignored):
            return None
        return format_

    return found


def _whole(config: Config, keys: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = keys.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise config.wrong(f"quantization_config: {name}", "a whole number", value)
    return value


def _fp8(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """8-bit floats in blocks or not; experts of DeepSeek V4 in 4 bits, by a key of their own or a list of layers."""
    if keys.get("quantized_layers") or keys.get("moe_quant_algo"):
        return _modelopt(config, {**keys, "quant_algo": "MIXED_PRECISION"}, how, otherwise=FP8)
    rest = but(FP8_BLOCKS if keys.get("weight_block_size") else FP8, _listed(keys, *IGNORED))
    if (keys.get("expert_dtype") or how.config.keys.get("expert_dtype")) not in ("fp4", "mxfp4"):
        return rest
    return lambda module: MXFP4 if module.group == "experts" else rest(module)


def _mxfp4(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """Experts alone (gpt-oss)."""
    return but(MXFP4, _listed(keys, *IGNORED), ("experts",))


def _grouped(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """GPTQ, AWQ and AutoRound: integers in groups with zero points; the head too where it says so."""
    bits, group = _whole(config, keys, "bits"), _whole(config, keys, "group_size", 128)
    if not 2 <= bits <= 8:
        raise config.wrong("quantization_config: bits", "2 to 8", bits)
    groups = (*INSIDE, "head") if keys.get("lm_head") is True else INSIDE
    return but(integers(bits, group, zeros=True), _listed(keys, *IGNORED), groups)


def _bitsandbytes(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """4 bits with a scale of 32 bits for 64 weights, or of 8 where scales are quantised too; or 8 bits."""
    ignored = _listed(keys, *IGNORED)
    if keys.get("load_in_8bit") is True:
        return but(INT8, ignored)
    scale = 8 + 32 / 256 if keys.get("bnb_4bit_use_double_quant") is True else 32
    return but(Format("int4", 4 + scale / 64), ignored)


def _mlx(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """Everything, embedding and head too: a scale and an offset of 16 bits for each group; some modules otherwise."""

    def format_of(said: Mapping[str, Any]) -> Format:
        bits, group = _whole(config, said, "bits"), _whole(config, said, "group_size")
        return Format("int4" if bits <= 4 else "int8", bits + 32 / group)

    own = {name: said for name, said in keys.items() if isinstance(said, Mapping) or said is False}
    plain = format_of(keys)

    def found(module: Module) -> Format | None:
        for name, said in own.items():
            if matches(name, module):
                return format_of(said) if isinstance(said, Mapping) else None
        return plain

    return found


def _compressed(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """compressed-tensors: groups of modules, each with its format."""
    ignored, groups = _listed(keys, *IGNORED), keys.get("config_groups")
    if not isinstance(groups, Mapping):
        raise config.refused("quantization_config: config_groups is missing")
    formats = []
    for group in groups.values():
        said = group.get("weights") if isinstance(group, Mapping) else None
        targets = group.get("targets", ["Linear"]) if isinstance(group, Mapping) else []
        formats.append((tuple(str(target) for target in targets), _of_weights(config, said)))

    def found(module: Module) -> Format | None:
        if module.group not in INSIDE or any(matches(entry, module) for entry in ignored):
            return None
        for targets, format_ in formats:
            if any(target in ("Linear", "FusedMoE") or matches(target, module) for target in targets):
                return format_
        return None

    return found


def _of_weights(config: Config, said: object) -> Format | None:
    if said is None:
        return None
    if not isinstance(said, Mapping):
        raise config.wrong("quantization_config: weights", "an object of keys", said)
    bits, group = _whole(config, said, "num_bits"), said.get("group_size")
    size = group if isinstance(group, int) and not isinstance(group, bool) else -1
    if said.get("type", "int") == "float":
        if bits == 4:
            return MXFP4 if size == 32 else NVFP4
        if bits == 8:
            blocks = said.get("block_structure") or said.get("strategy") == "block"
            return MXFP8 if size == 32 else FP8_BLOCKS if blocks else FP8
        raise config.wrong("quantization_config: num_bits of floats", "4 or 8", bits)
    return integers(bits, size, zeros=said.get("symmetric") is False)


ALGORITHMS: Mapping[str, Format] = {
    "FP8": FP8,
    "FP8_PER_CHANNEL_PER_TOKEN": FP8,
    "FP8_PB_WO": FP8_BLOCKS,
    "FP8_PB_REAL": FP8_BLOCKS,
    "NVFP4": NVFP4,
    "NVFP4_AWQ": NVFP4,
    "W4A16_NVFP4": NVFP4,
    "MXFP8": MXFP8,
    "MXFP4": MXFP4,
    "W4A16_AWQ": integers(4, 128, zeros=False),
    "W4A8_AWQ": integers(4, 128, zeros=False),
    "INT8_SQ": INT8,
}
"""Names of ModelOpt."""


def _modelopt(config: Config, keys: Mapping[str, Any], how: Stored, otherwise: Format | None = None) -> Rule:
    """ModelOpt: one algorithm and what it leaves out, or a list of layers with an algorithm each."""
    algorithm, ignored = keys.get("quant_algo"), _listed(keys, *IGNORED)
    if algorithm == "MIXED_PRECISION":
        layers = keys.get("quantized_layers")
        if not isinstance(layers, Mapping):
            raise config.refused("quantization_config: quantized_layers is missing")
        own = {name: _algorithm(config, said.get("quant_algo")) for name, said in layers.items()}

        def found(module: Module) -> Format | None:
            for name, format_ in own.items():
                if matches(name, module):
                    return format_
            return otherwise if module.group in INSIDE else None

        return found
    if algorithm is None and isinstance(keys.get("config_groups"), Mapping):
        return _compressed(config, keys, how)
    return but(_algorithm(config, algorithm), ignored)


def _algorithm(config: Config, name: object) -> Format:
    if not isinstance(name, str) or name.upper() not in ALGORITHMS:
        raise config.refused(f"quantization_config: quant_algo {reprlib.repr(name)} is none of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name.upper()]


def _torchao(config: Config, keys: Mapping[str, Any], how: Stored) -> Rule:
    """torchao: the name of a recipe, or a recipe with its sizes."""
    said = keys.get("quant_type")
    if isinstance(said, Mapping):
        said = said.get("default", said)
    name = str(said.get("_type") if isinstance(said, Mapping) else said).lower().replace("_", "")
    inner = said.get("_data", {}) if isinstance(said, Mapping) else {}
    group = inner.get("group_size", 128) if isinstance(inner, Mapping) else 128
    ignored = _listed(keys, *IGNORED)
    if name.startswith("int4"):
        return but(Format("int4", 4 + 32 / (group if isinstance(group, int) and group > 0 else 128)), ignored)
    if name.startswith("int8"):
        return but(INT8, ignored)
    if name.startswith("float8"):
        return but(FP8, ignored)
    raise config.refused(f"quantization_config: quant_type {reprlib.repr(said)} of torchao is not supported")


METHODS: Mapping[str, Callable[[Config, Mapping[str, Any], Stored], Rule]] = {
    "fp8": _fp8,
    "fbgemm_fp8": lambda config, keys, how: but(FP8, _listed(keys, *IGNORED)),
    "deepseek_v4_fp8": _fp8,
    "finegrained_fp8": _fp8,
    "mxfp4": _mxfp4,
    "mxfp8": lambda config, keys, how: but(MXFP8, _listed(keys, *IGNORED)),
    "awq": _grouped,
    "gptq": _grouped,
    "auto-round": _grouped,
    "bitsandbytes": _bitsandbytes,
    "mlx": _mlx,
    "compressed-tensors": _compressed,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "torchao": _torchao,
}
"""By `quant_method`."""
