"""Weights of encoders for images and sound, by their `model_type`."""

from __future__ import annotations

from collections.abc import Mapping

from infermodel.formats.hf.config import Config
from infermodel.formats.hf.encoder_pieces import Block, Counter, linear, patch_inputs, patches, side
from infermodel.formats.hf.gemma3n_encoders import GEMMA3N_ENCODERS


def _width(config: Config) -> int:
    return config.whole("hidden_size")


def _plain(config: Config) -> int:
    """Blocks with biases everywhere, as of CLIP."""
    return config.layers() * Block(_width(config), config.whole("intermediate_size")).parameters


def _siglip(config: Config) -> int:
    """SigLIP; a pooling head where it has one."""
    width, inner = _width(config), config.whole("intermediate_size")
    head = 4 * width**2 + 7 * width + linear(width, inner) + linear(inner, width)
    pooled = head * config.flag("vision_use_head", True)
    return _embedded(config) + _plain(config) + 2 * width + pooled


def _embedded(config: Config) -> int:
    """Patches with a bias, positions."""
    return linear(patch_inputs(config), _width(config)) + patches(config) * _width(config)


def _without_head(config: Config) -> int:
    return _embedded(config) + _plain(config) + 2 * _width(config)


def _siglip2(config: Config) -> int:
    """SigLIP 2, whose positions are counted in patches."""
    width, inner = _width(config), config.whole("intermediate_size")
    head = 4 * width**2 + 7 * width + linear(width, inner) + linear(inner, width)
    embedded = linear(patch_inputs(config), width) + config.whole("num_patches") * width
    return embedded + _plain(config) + 2 * width + head * config.flag("vision_use_head", True)


def _clip(config: Config) -> int:
    width = _width(config)
    return patch_inputs(config) * width + (patches(config) + 2) * width + _plain(config) + 4 * width


def _pixtral(config: Config) -> int:
    width = _width(config)
    block = Block(width, config.whole("intermediate_size"), True, False, False, False, 1)
    return patch_inputs(config) * width + width + config.layers() * block.parameters


def _merger(width: int, out: int, merge: int = 2) -> int:
    """Two projections of `merge` x `merge` patches together, a norm before."""
    wide = width * merge**2
    return 2 * width + linear(wide, wide) + linear(wide, out)


def _qwen2(config: Config) -> int:
    width, ratio = config.whole("embed_dim"), config.whole("mlp_ratio")
    blocks = config.whole("depth") * Block(width, width * ratio).parameters
    patch = patch_inputs(config, "in_channels", config.whole("temporal_patch_size"))
    return patch * width + blocks + _merger(width, config.whole("hidden_size"))


def _qwen2_5(config: Config) -> int:
    width = _width(config)
    block = Block(width, config.whole("intermediate_size"), gated=True, norm_vectors=1)
    fewer = config.whole("num_key_value_heads", default=0)  # EXAONE 4.5 groups keys and values
    shared = (config.whole("num_heads") - fewer) / config.whole("num_heads") if fewer else 0.0
    less = int(2 * shared * (width**2 + width))
    patch = patch_inputs(config, "in_channels", config.whole("temporal_patch_size")) * width
    merger = _merger(width, config.whole("out_hidden_size")) - width
    return patch + config.whole("depth") * (block.parameters - less) + merger


def _qwen3(config: Config) -> int:
    width, out = _width(config), config.whole("out_hidden_size")
    merge = config.whole("spatial_merge_size")
    patch = linear(patch_inputs(config, "in_channels", config.whole("temporal_patch_size")), width)
    positions = config.whole("num_position_embeddings") * width
    blocks = config.whole("depth") * Block(width, config.whole("intermediate_size")).parameters
    deep = _merger(width, out, merge) + 2 * (merge**2 - 1) * width
    mergers = _merger(width, out, merge) + len(config.numbers("deepstack_visual_indexes")) * deep
    return patch + positions + blocks + mergers


def _glm4v(config: Config) -> int:
    """Positions and a norm after the patches; networks as wide as the language model."""
    width, out = _width(config), config.whole("out_hidden_size")
    block = Block(width, out, True, config.flag("attention_bias"), False, False, 1)
    around = patches(config) * width + width
    return _glm(config, block, config.whole("intermediate_size")) + around


def _glm_ocr(config: Config) -> int:
    return _glm(config, _glm_block(config), config.whole("out_hidden_size") * config.whole("in_channels"))


def _glm5(config: Config) -> int:
    return _glm(config, _glm_block(config), config.whole("projection_intermediate_size"))


def _glm_block(config: Config) -> Block:
    width, bias = _width(config), config.flag("attention_bias", True)
    norms = 2 * (width // config.whole("num_heads"))
    return Block(width, config.whole("intermediate_size"), True, bias, bias, bias, 1, norms)


def _glm(config: Config, block: Block, context: int) -> int:
    """Patches, blocks, a convolution that merges and a gated network behind it."""
    width, out, merge = _width(config), config.whole("out_hidden_size"), config.whole("spatial_merge_size")
    patch = linear(patch_inputs(config, "in_channels", config.whole("temporal_patch_size")), width)
    merged = linear(width * merge**2, out) + out**2 + 2 * out + 3 * out * context
    return patch + config.whole("depth") * block.parameters + merged + width


def _internvl(config: Config) -> int:
    width, bias = _width(config), config.flag("attention_bias")
    block = Block(width, config.whole("intermediate_size"), qkv_bias=bias, extra=2 * width)
    embedded = linear(patch_inputs(config), width) + (patches(config) + 2) * width
    return embedded + config.layers() * block.parameters


def _llama4(config: Config) -> int:
    width, inner = _width(config), config.whole("intermediate_size")
    around = patch_inputs(config) * width + (patches(config) + 2) * width + 4 * width
    adapter = inner * config.whole("projector_input_dim") + config.whole("projector_output_dim") ** 2
    return around + _plain(config) + adapter


def _kimi(config: Config) -> int:
    width = _width(config)
    positions = config.whole("pos_emb_height") * config.whole("pos_emb_width") * width
    return linear(patch_inputs(config), width) + positions + _plain(config) + 2 * width


def _mllama(config: Config) -> int:
    """Positions within tiles and of tiles for each aspect ratio; global layers behind the others."""
    width, tiles = _width(config), config.whole("max_num_tiles")
    ratios = len(config.keys.get("supported_aspect_ratios") or ()) + 1 or 9
    positions = (patches(config) + 1) * width
    embedded = patch_inputs(config) * width + width + positions + ratios * tiles * (positions + 2 * width)
    block = Block(width, config.whole("intermediate_size"), qkv_bias=False, output_bias=False)
    layers = config.layers() + config.whole("num_global_layers")
    return embedded + layers * block.parameters + 4 * width


def sam(config: Config) -> int:
    """The encoder of Segment Anything, its neck included: relative positions in every block."""
    width, out = _width(config), config.whole("output_channels", default=256)
    head, grid = width // config.whole("num_attention_heads"), side(config, "image_size") // side(config, "patch_size")
    everywhere = set(config.numbers("global_attn_indexes"))
    positions = sum(
        2 * (2 * (grid if index in everywhere else config.whole("window_size")) - 1) * head
        for index in range(config.layers())
    ) * config.flag("use_rel_pos", True)
    inner = config.whole("mlp_dim", default=int(width * 4)) or 4 * width
    block = Block(width, inner, qkv_bias=config.flag("qkv_bias", True)).parameters
    absolute = grid**2 * width * config.flag("use_abs_pos", True)
    embedded = linear(patch_inputs(config), width) + absolute
    return embedded + config.layers() * block + positions + neck(width, out)


def neck(width: int, out: int) -> int:
    """Two convolutions with norms behind Segment Anything."""
    return width * out + 2 * out + 9 * out**2 + 2 * out


def _ovis2(config: Config) -> int:
    """A head over visual words."""
    width, bias = _width(config), config.flag("qkv_bias")
    block = Block(width, config.whole("intermediate_size"), True, bias, bias, config.flag("mlp_bias"), 1)
    words = config.whole("vocab_size") - config.whole("num_visual_indicator_tokens")
    stride = config.whole("hidden_stride", default=1)
    return _embedded(config) + 2 * width + config.layers() * block.parameters + words * (width * stride**2 + 2)


def _lfm3(config: Config) -> int:
    """Convolutions and attention in turn."""
    width, inner = _width(config), config.whole("intermediate_size")
    head = width // config.whole("num_attention_heads")
    attention = 2 * width**2 + 2 * width * config.whole("num_key_value_heads") * head + 2 * head
    convolution = 4 * width**2 + width * config.whole("conv_kernel_size") ** 2
    kinds = config.kinds("layer_types", lambda _: "full_attention")
    mixing = sum(convolution if kind == "conv" else attention for kind in kinds)
    patch = patch_inputs(config, "in_channels", config.whole("temporal_patch_size")) * width
    return patch + mixing + config.layers() * (3 * width * inner + 2 * width) + 2 * width


def _muse(config: Config) -> int:
    width = _width(config)
    positions = config.whole("pos_emb_height") * config.whole("pos_emb_width") * width
    patch = patch_inputs(config, frames=config.whole("patch_temporal")) * width
    return patch + positions + _plain(config) + 4 * width


def _molmo2(config: Config) -> int:
    width = _width(config)
    return linear(patch_inputs(config), width) + config.whole("num_position_embeddings") * width + _plain(config)


def _radio(config: Config) -> int:
    width = _width(config)
    video = config.whole("video_patch_dim", default=0) if config.keys.get("video_temporal_patch_size") else 0
    grid = config.whole("max_img_size") // side(config, "patch_size")
    tokens = grid**2 + config.whole("num_cls_tokens") + config.whole("num_registers")
    block = Block(width, int(4 * width), config.flag("use_swiglu_ffn"), extra=2 * width)
    return (config.whole("patch_dim") + video + tokens) * width + config.layers() * block.parameters


def _minicpm(config: Config) -> int:
    """SigLIP with a merger of windows inside."""
    width, inner = _width(config), config.whole("intermediate_size")
    rows = config.keys.get("window_kernel_size")
    window = rows[0] * rows[1] if isinstance(rows, list) and len(rows) == 2 else 4
    wide = width * window
    merger = 4 * width**2 + 4 * width + 2 * width + 2 * wide
    merger += linear(wide, inner * window) + linear(inner * window, width)
    return _without_head(config) + merger


def _minimax(config: Config) -> int:
    width = _width(config)
    patch = patch_inputs(config, frames=config.whole("temporal_patch_size")) * width
    return patch + 2 * width + _plain(config)


def _gemma4(config: Config) -> int:
    width, head = _width(config), config.whole("head_dim")
    heads = config.whole("num_attention_heads") + config.whole("num_key_value_heads")
    block = 2 * width * heads * head + 2 * head + 3 * width * config.whole("intermediate_size") + 4 * width
    embedded = 3 * side(config, "patch_size") ** 2 * width + 2 * config.whole("position_embedding_size") * width
    return embedded + config.layers() * block


def _ernie(config: Config) -> int:
    width = _width(config)
    blocks = config.whole("depth") * Block(width, config.whole("intermediate_size")).parameters
    return patch_inputs(config, "in_channels") * width + blocks + 2 * width


def _granite(config: Config) -> int:
    """SigLIP and a connector with a coarse and a fine path, each with mergers of earlier layers."""
    width, out, scale = _width(config), config.whole("out_hidden_size"), config.whole("scale_factor")
    deep = len(config.numbers("deepstack_visual_indexes"))

    def path(factor: int) -> int:
        wide = width * factor**2
        return wide * out + deep * (2 * wide + linear(wide, out) + linear(out, out))

    fine = path(scale // 2) * config.flag("use_fine_route", True)
    return _without_head(config) + 2 * width + path(scale) + fine + out**2 + 4 * out


def _unlimited(config: Config) -> int:
    """Segment Anything, two convolutions, and an encoder like CLIP's on what they give."""
    before, behind = (
        config.part("sam_config", "unlimited_ocr_sam_vision"),
        config.part("encoder_config", "unlimited_ocr_vision_encoder"),
    )
    channels = before.numbers("downsample_channels") or [512, 1024]
    out = before.whole("output_channels", default=256)
    convolutions = 9 * (out * channels[0] + channels[0] * channels[1])
    width = _width(behind)
    rest = (patches(behind) + 2) * width + _plain(behind) + 2 * width
    return sam(before) + convolutions + rest


def whisper(config: Config) -> int:
    """The encoder of Whisper."""
    width = config.whole("d_model", "hidden_size")
    inner = config.whole("encoder_ffn_dim", "intermediate_size")
    block = Block(width, inner).parameters - width  # keys have no bias
    mels = config.whole("num_mel_bins")
    stem = linear(3 * mels, width) + linear(3 * width, width)
    return stem + config.whole("encoder_layers", "num_hidden_layers") * block + 2 * width


def _with_positions(config: Config) -> int:
    return whisper(config) + config.whole("max_source_positions") * config.whole("d_model", "hidden_size")


def _qwen_audio(config: Config) -> int:
    return (
        whisper(config) + 2 * config.whole("output_dim") + linear(config.whole("d_model"), config.whole("output_dim"))
    )


def _dots_vision(config: Config) -> int:
    """Experts in the later layers, whole experts counted."""
    width, inner = _width(config), config.whole("intermediate_size")
    kinds = config.kinds("mlp_layer_types", lambda _: "dense")
    norms = 2 * (width // config.whole("num_attention_heads")) + 2 * width
    narrow = config.whole("moe_intermediate_size")
    counts = [config.layer(index).whole("num_local_experts") for index in range(config.layers())]
    routed = [count * (3 * width * narrow + width) for count in counts]
    networks = sum(each if kind == "sparse" else 3 * width * inner for kind, each in zip(kinds, routed, strict=True))
    merged = _merger(
        config.whole("adapter_in_dim"), config.whole("adapter_out_dim"), config.whole("adapter_merge_size")
    )
    return (
        linear(patch_inputs(config), width) + config.layers() * (4 * width**2 + norms) + networks + merged + 2 * width
    )


def _dots_audio(config: Config) -> int:
    width, inner, down = _width(config), config.whole("intermediate_size"), config.whole("downsample_hidden_size")
    block = 4 * width**2 + 3 * width + linear(width, 2 * inner) + linear(inner, width) + 2 * width
    stem = linear(9, down) + 2 * linear(9 * down, down) + config.whole("conv_output_size") * width
    wide, out = config.whole("adapter_input_size"), config.whole("adapter_out_dim")
    return stem + config.layers() * block + width + 2 * wide + linear(wide, out) + linear(out, out)


def _inkling2(config: Config) -> int:
    width, merge = _width(config), config.whole("spatial_merge_size")
    block = Block(width, config.whole("intermediate_size"), extra=2 * width)
    middle, out = config.whole("projection_hidden_dim"), config.whole("text_hidden_size")
    embedded = patch_inputs(config) * width + (config.whole("posemb_grid_size") ** 2 + 2) * width
    return embedded + config.layers() * block.parameters + 2 * width + merge**2 * width * middle + middle * out


ENCODERS: Mapping[str, Counter] = {
    "clip_vision_model": _clip,
    "siglip_vision_model": _siglip,
    "siglip2_vision_model": _siglip2,
    "idefics3_vision": _without_head,
    "smolvlm_vision": _without_head,
    "pixtral": _pixtral,
    "qwen2_vl_vision": _qwen2,
    "qwen2_5_vl_vision": _qwen2_5,
    "qwen2_5_omni_vision_encoder": _qwen2_5,
    "exaone4_5_vision": _qwen2_5,
    "qwen3_vl_vision": _qwen3,
    "qwen3_vl_moe_vision": _qwen3,
    "qwen3_5_vision": _qwen3,
    "qwen3_5_moe_vision": _qwen3,
    "glm4v_vision": _glm4v,
    "glm4v_moe_vision": _glm4v,
    "glm_ocr_vision": _glm_ocr,
    "glm5_next_vision": _glm5,
    "internvl_vision": _internvl,
    "qianfan_ocr_vision": _internvl,
    "llama4_vision_model": _llama4,
    "kimi_k25_vision": _kimi,
    "mllama_vision_model": _mllama,
    "sam_vision_model": sam,
    "got_ocr2_vision": sam,
    "pp_chart2table_vision": sam,
    "ovis2_vision": _ovis2,
    "lfm3_vl_vision": _lfm3,
    "muse_glimmer_vision": _muse,
    "molmo2_vision": _molmo2,
    "radio": _radio,
    "minicpmv4_6_vision": _minicpm,
    "minicpmv4_7_vision": _minicpm,
    "minicpm_ocr_vision": _minicpm,
    "minimax_m3_vl_vision": _minimax,
    "gemma4_vision": _gemma4,
    "ernie4_5_vl_moe_vision": _ernie,
    "granite_docling_vision": _granite,
    "unlimited_ocr_vision": _unlimited,
    "moss_transcribe_diarize_audio": _with_positions,
    "whisper": _with_positions,
    "qwen2_5_omni_audio_encoder": _qwen_audio,
    "dots3_note_vision_encoder": _dots_vision,
    "dots3_note_audio_encoder": _dots_audio,
    "inkling2_vision": _inkling2,
    **GEMMA3N_ENCODERS,
}
"""By `model_type`."""
