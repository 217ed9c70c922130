"""Towers of a wrapper: its encoders, and what brings their output to the language model's width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from infermodel.architecture import Tower
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.encoder_pieces import linear, shuffled
from infermodel.formats.hf.encoders import ENCODERS, neck

PARTS: Mapping[str, str] = {"vision_config": "vision", "audio_config": "sound", "high_res_vision_config": "fine vision"}
"""Where a wrapper keeps its encoders, and what to call them."""

Projector = Callable[[Config, int, int], int]
"""Weights between encoder and language model: of the wrapper, the encoder's width and the language model's."""


def towers(outer: Config, config: Config) -> tuple[Tower, ...]:
    """The encoders of a file and their projectors.

    Raises:
        FormatError: an encoder that is not known.
    """
    found = list[Tower]()
    kind = str(outer.keys.get("model_type"))
    if kind not in WRAPPERS:
        raise outer.refused(f"model_type {kind!r} is no wrapper that is known; {_near(kind)}")
    defaults: Mapping[str, Mapping[str, Any]] = outer.mapping("parts")
    for name, title in PARTS.items():
        own = defaults.get(name, {})
        if name not in outer.keys and len(own) > 1:
            raise outer.refused(f"key {name!r} is missing")  # its sizes are then neither the file's nor its class's
        if not outer.mapping(name) and (name in outer.keys or not own or kind in BARE_BY_DEFAULT):
            continue
        part, count = _encoder(outer, name, str(own.get("model_type", "")))
        found.append(Tower(title, count(part)))
    if kind in PROJECTORS and (found or kind == "fuyu"):
        vision = outer.part("vision_config", str(defaults.get("vision_config", {}).get("model_type", "")))
        width = vision.whole("hidden_size", default=0)
        found.append(Tower("projector", PROJECTORS[kind](outer, width, config.whole("hidden_size"))))
    return tuple(tower for tower in found if tower.parameters)


def _near(kind: str) -> str:
    near = get_close_matches(kind, WRAPPERS, n=3, cutoff=0.4)
    return f"the nearest that are: {', '.join(near)}" if near else "name its language model's own config instead"


def _encoder(outer: Config, name: str, default: str) -> tuple[Config, Callable[[Config], int]]:
    """The keys of an encoder and what counts it; many files name the wrapper where they mean its encoder."""
    family = str(outer.mapping(name).get("model_type") or default)
    for each in (family, f"{family}_vision"):
        if each in ENCODERS:
            part = outer.part(name, each)
            return (part if each == family else _under(outer, name, each)), ENCODERS[each]
    raise outer.refused(f"{name}.model_type {family!r} is no encoder that is known")


def _under(outer: Config, name: str, family: str) -> Config:
    """The same keys over the defaults of another class."""
    keys = {**outer.mapping(name), "model_type": family}
    return Config(outer.path, {**outer.keys, name: keys}, outer.place).part(name, family)


def two_layers(outer: Config, width: int, hidden: int) -> int:
    """Two projections with a bias where the file says so (LLaVA)."""
    bias, layers = outer.flag("multimodal_projector_bias", True), outer.keys.get("vision_feature_layer")
    inputs = width * (len(layers) if isinstance(layers, list) else 1)
    return linear(inputs, hidden, bias=bias) + linear(hidden, hidden, bias=bias)


def _mistral3(outer: Config, width: int, hidden: int) -> int:
    merge = outer.whole("spatial_merge_size", default=2)
    bias = outer.flag("multimodal_projector_bias")
    return width + merge**2 * width**2 + linear(width, hidden, bias=bias) + linear(hidden, hidden, bias=bias)


def _internvl(outer: Config, width: int, hidden: int) -> int:
    wide = width * shuffled(outer)
    return 2 * wide + linear(wide, hidden) + linear(hidden, hidden)


def _aria(outer: Config, width: int, hidden: int) -> int:
    """Learned queries that look at the image."""
    queries = outer.whole("max_value_projector_patch_to_query_dict", default=256) * width
    cross = 3 * width**2 + 4 * linear(width, width) + linear(width, width) + 4 * width
    return queries + cross + 2 * width + width * hidden + hidden**2


def _cohere(outer: Config, width: int, hidden: int) -> int:
    inner = outer.whole("alignment_intermediate_size")
    return linear(width * outer.whole("downsample_factor") ** 2, inner) + linear(inner // 2, hidden)


def _lfm2(outer: Config, width: int, hidden: int) -> int:
    wide, middle = width * outer.whole("downsample_factor") ** 2, outer.whole("projector_hidden_size")
    bias = outer.flag("projector_bias", True)
    norm = 2 * wide * outer.flag("projector_use_layernorm", True)
    return norm + linear(wide, middle, bias=bias) + linear(middle, hidden, bias=bias)


def _lfm3(outer: Config, width: int, hidden: int) -> int:
    merge = outer.part("vision_config", "lfm3_vl_vision").whole("spatial_merge_size")
    middle, bias = outer.whole("projector_hidden_size"), outer.flag("projector_bias", True)
    return 2 * width + linear(width * merge**2, middle, bias=bias) + linear(middle, hidden, bias=bias)


def _muse(outer: Config, width: int, hidden: int) -> int:
    middle = outer.whole("projector_hidden_size")
    return outer.whole("out_hidden_size") * middle + middle**2 + middle * hidden


def _molmo2(outer: Config, width: int, hidden: int) -> int:
    """Attention over neighbouring patches of two layers, and a gated network."""
    adapter = outer.part("adapter_config", "molmo2_adapter")
    wide = width * max(1, len(adapter.keys.get("vision_feature_layer") or (0, 0)))
    inner = adapter.whole("intermediate_size")
    pooling = 3 * linear(wide, width) + linear(width, width)
    return pooling + 2 * width * inner + inner * adapter.whole("text_hidden_size", default=hidden)


def _kimi(outer: Config, width: int, hidden: int) -> int:
    wide = 4 * width
    return 2 * outer.whole("projection_hidden_size", default=width) + linear(wide, wide) + linear(wide, hidden)


def _got(outer: Config, width: int, hidden: int) -> int:
    channels = outer.part("vision_config", "got_ocr2_vision").whole("output_channels", default=256)
    return 9 * (2 * channels**2 + 2 * channels * hidden) + linear(hidden, hidden)


def _hybrid(outer: Config, width: int, hidden: int) -> int:
    """A second neck and two convolutions behind the fine encoder; half the width from each."""
    fine = outer.part("high_res_vision_config", "sam_vision_model")
    channels = fine.whole("output_channels", default=256)
    convolutions = 9 * (2 * channels**2 + 8 * channels**2)
    joined = linear(width, hidden // 2) + linear(4 * channels, hidden // 2) + linear(hidden, hidden)
    return neck(fine.whole("hidden_size"), channels) + convolutions + joined


def _ovis2(outer: Config, width: int, hidden: int) -> int:
    """A table of visual words."""
    words = outer.part("vision_config", "ovis2_vision").whole("vocab_size")
    return words * outer.whole("hidden_size", default=hidden)


def _omni(outer: Config, width: int, hidden: int) -> int:
    wide = width * shuffled(outer)
    middle = outer.whole("projector_hidden_size")
    return wide + wide * middle + middle * hidden


def _minicpm(outer: Config, width: int, hidden: int) -> int:
    """Mergers of 2 x 2 patches, the last to the language model's width."""
    wide, times = 4 * width, outer.whole("merger_times", default=1)
    merger = 2 * wide + linear(wide, wide)
    return times * merger + (times - 1) * linear(wide, width) + linear(wide, hidden)


def _minimax(outer: Config, width: int, hidden: int) -> int:
    middle = outer.whole("projector_hidden_size")
    return linear(width, middle) + 2 * linear(middle, hidden) + linear(outer.whole("merged_hidden_size"), middle)


def _moss(outer: Config, width: int, hidden: int) -> int:
    sound = outer.part("audio_config", "moss_transcribe_diarize_audio").whole("d_model", "hidden_size")
    inputs, bias = sound * outer.whole("audio_merge_size"), outer.flag("projector_bias", True)
    return linear(inputs, hidden, bias=bias) + linear(hidden, hidden, bias=bias) + 2 * hidden


def _unlimited(outer: Config, width: int, hidden: int) -> int:
    vision = outer.part("vision_config", "unlimited_ocr_vision")
    before = vision.part("sam_config", "unlimited_ocr_sam_vision")
    behind = vision.part("encoder_config", "unlimited_ocr_vision_encoder")
    channels = before.numbers("downsample_channels") or [512, 1024]
    return linear(channels[-1] + behind.whole("hidden_size"), hidden) + 2 * hidden


def _fuyu(outer: Config, width: int, hidden: int) -> int:
    return linear(outer.whole("patch_size") ** 2 * outer.whole("num_channels"), hidden)


def _idefics3(outer: Config, width: int, hidden: int) -> int:
    return width * outer.whole("scale_factor") ** 2 * hidden


def _paligemma(outer: Config, width: int, hidden: int) -> int:
    vision = outer.part("vision_config", "siglip_vision_model")
    return linear(width, vision.whole("projection_dim", default=hidden))


def _gemma3(outer: Config, width: int, hidden: int) -> int:
    return width * hidden + width


def _gemma3n(outer: Config, width: int, hidden: int) -> int:
    """For images and for sound, whichever the file has, a table of words of their own, two norms and a projection."""
    parts = (("vision_config", "gemma3n_vision"), ("audio_config", "gemma3n_audio"))
    said = [outer.part(name, kind) for name, kind in parts if outer.mapping(name) or name not in outer.keys]
    return sum(part.whole("hidden_size") * (part.whole("vocab_size") + 2 + hidden) for part in said)


def _llama4(outer: Config, width: int, hidden: int) -> int:
    return outer.part("vision_config", "llama4_vision_model").whole("vision_output_dim") * hidden


def _mllama(outer: Config, width: int, hidden: int) -> int:
    return linear(outer.part("vision_config", "mllama_vision_model").whole("vision_output_dim"), hidden)


def _hyperclova(outer: Config, width: int, hidden: int) -> int:
    return linear(outer.part("vision_config", "qwen2_5_vl_vision").whole("out_hidden_size"), hidden)


def inside(outer: Config, config: Config) -> int:
    """Weights of a projector that a family counts in its language model (ERNIE 4.5 VL)."""
    if outer.keys.get("model_type") != "ernie4_5_vl_moe":
        return 0
    vision, hidden = outer.part("vision_config", "ernie4_5_vl_moe_vision"), config.whole("hidden_size")
    wide = vision.whole("hidden_size") * vision.whole("spatial_merge_size") ** 2
    frames = wide * vision.whole("temporal_merge_size")
    spatial = linear(wide, wide) + linear(wide, wide) + 2 * wide
    temporal = linear(frames, wide) + linear(wide, wide) + 2 * wide
    return spatial + temporal + linear(wide, hidden) + hidden


PROJECTORS: Mapping[str, Projector] = {
    "aria": _aria,
    "cohere2_vision": _cohere,
    "deepseek_vl": lambda outer, width, hidden: linear(width, hidden) + linear(hidden, hidden),
    "deepseek_vl_hybrid": _hybrid,
    "fuyu": _fuyu,
    "gemma3": _gemma3,
    "gemma3n": _gemma3n,
    "gemma4": lambda outer, width, hidden: width * hidden,
    "shieldgemma2": _gemma3,
    "got_ocr2": _got,
    "pp_chart2table": _got,
    "hyperclovax_vision_v2": _hyperclova,
    "idefics3": _idefics3,
    "smolvlm": _idefics3,
    "internvl": _internvl,
    "qianfan_ocr": _internvl,
    "kimi_k25": _kimi,
    "lfm2_vl": _lfm2,
    "lfm3_vl": _lfm3,
    "llama4": _llama4,
    "llava": two_layers,
    "llava_next": lambda outer, width, hidden: two_layers(outer, width, hidden) + hidden,
    "llava_next_video": lambda outer, width, hidden: two_layers(outer, width, hidden) + hidden,
    "llava_onevision": lambda outer, width, hidden: two_layers(outer, width, hidden) + hidden,
    "minicpm_ocr": _minicpm,
    "minicpmv4_6": _minicpm,
    "minicpmv4_7": _minicpm,
    "minimax_m3_vl": _minimax,
    "mistral3": _mistral3,
    "mistral_large4": _mistral3,
    "mllama": _mllama,
    "molmo2": _molmo2,
    "moss_transcribe_diarize": _moss,
    "muse_glimmer": _muse,
    "nemotron_h_omni": _omni,
    "ovis2": _ovis2,
    "paligemma": _paligemma,
    "unlimited_ocr": _unlimited,
}
"""By the `model_type` of the wrapper."""

BARE = frozenset(
    {
        "dots3_note", "ernie4_5_vl_moe", "exaone4_5", "glm4v", "glm4v_moe", "glm5_next", "glm46v", "glm_ocr", "glmga",
        "granite_docling", "inkling2", "qwen2_5_omni_thinker", "qwen2_5_vl", "qwen2_vl", "qwen3_5", "qwen3_5_moe",
        "qwen3_vl", "qwen3_vl_moe",
    }
)  # fmt: skip
"""Wrappers whose encoders bring their output to the language model's width themselves."""

BARE_BY_DEFAULT = frozenset({"gemma4", "gemma4_unified"})
"""Wrappers that have no encoder where the file names none."""

WRAPPERS = frozenset(PROJECTORS) | BARE | {"gemma4_unified"}
"""What is known to hold a language model."""

TOWERS = frozenset(ENCODERS) | WRAPPERS | {
    "molmo2_adapter", "unlimited_ocr_sam_vision", "unlimited_ocr_vision_encoder",
}  # fmt: skip
"""Classes whose defaults are needed beside those of the language models."""
