"""Encoders of images by the `model_type` of their wrapper: their sizes, and how they cut an image.

What a file does not say is as the published checkpoints of the family have it; `preprocessor_config.json` beside it
goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from infermodel.architecture.images import Filled, Fixed, ImageEncoder, ImageRule, Padded, Resized, Tiles
from infermodel.formats.hf.config import Config
from infermodel.formats.hf.encoder_pieces import patch_inputs, patches, shuffled, side

Reader = Callable[[Config, Config, int], ImageEncoder]
"""Of the wrapper, the image processor's file (empty where there is none), and the language model's width."""


def image_encoder(outer: Config, processor: Config, hidden: int) -> ImageEncoder | None:
    """The encoder of images; None where the family's rule is not known, or the file has none.

    Raises:
        FormatError: a size is missing or wrong.
    """
    reader = READERS.get(str(outer.keys.get("model_type")))
    if reader is None or (not outer.mapping("vision_config") and "vision_config" in outer.keys):
        return None
    return reader(outer, processor, hidden)


def _pixels(processor: Config, least: int, most: int) -> tuple[int, int]:
    """Bounds on an image's pixels: under their older names, or as edges of a size."""
    size = processor.part("size")
    least = processor.whole("min_pixels", default=0) or size.whole("shortest_edge", default=0) or least
    return least, processor.whole("max_pixels", default=0) or size.whole("longest_edge", default=0) or most


def _merger(width: int, out: int, merge: int) -> int:
    """Weights of two projections of `merge` x `merge` patches together."""
    wide = width * merge**2
    return wide * (wide + out)


def _resized(
    vision: Config, width: int, intermediate: int, projector: int, bounds: tuple[int, int], *, gated: bool = False
) -> ImageEncoder:
    """An encoder like Qwen2-VL's: it takes an image for so many frames of a film, and squares of patches are joined."""
    merge = vision.whole("spatial_merge_size")
    return ImageEncoder(
        layers=vision.whole("depth"),
        width=width,
        intermediate=intermediate,
        heads=vision.whole("num_heads"),
        inputs=patch_inputs(vision, "in_channels", vision.whole("temporal_patch_size")),
        joined=merge**2,
        projector=projector,
        rule=Resized(side(vision, "patch_size") * merge, *bounds),
        gated=gated,
    )


def _qwen2(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    vision = outer.part("vision_config", "qwen2_vl_vision")
    width = vision.whole("embed_dim")
    projector = _merger(width, vision.whole("hidden_size"), vision.whole("spatial_merge_size"))
    bounds = _pixels(processor, 56 * 56, 16384 * 28 * 28)
    return _resized(vision, width, width * vision.whole("mlp_ratio"), projector, bounds)


def _qwen2_5(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    """Most layers see windows."""
    vision = outer.part("vision_config", "qwen2_5_vl_vision")
    width, inner = vision.whole("hidden_size"), vision.whole("intermediate_size")
    projector = _merger(width, vision.whole("out_hidden_size"), vision.whole("spatial_merge_size"))
    encoder = _resized(vision, width, inner, projector, _pixels(processor, 56 * 56, 16384 * 28 * 28), gated=True)
    return replace(
        encoder,
        windowed=encoder.layers - len(vision.numbers("fullatt_block_indexes")),
        window=(vision.whole("window_size") // side(vision, "patch_size")) ** 2,
    )


def _qwen3(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    """Further mergers bring what some layers give to the language model's first layers."""
    vision = outer.part("vision_config", f"{outer.keys['model_type']}_vision")
    width, inner = vision.whole("hidden_size"), vision.whole("intermediate_size")
    merger = _merger(width, vision.whole("out_hidden_size"), vision.whole("spatial_merge_size"))
    mergers = 1 + len(vision.numbers("deepstack_visual_indexes"))
    return _resized(vision, width, inner, mergers * merger, _pixels(processor, 256**2, 4096**2))


def _glm4(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    """A convolution that merges, and a gated network behind; an image counts as two frames against the bounds."""
    vision = outer.part("vision_config", f"{outer.keys['model_type']}_vision")
    width, merge, out = (vision.whole(key) for key in ("hidden_size", "spatial_merge_size", "out_hidden_size"))
    projector = width * merge**2 * out + out**2 + 3 * out * vision.whole("intermediate_size")
    frames, (least, most) = vision.whole("temporal_patch_size"), _pixels(processor, 112**2, 15000 * 28 * 28)
    return _resized(vision, width, out, projector, (least // frames, most // frames), gated=True)


def _plain(vision: Config, joined: int, projector: int, rule: ImageRule, *, gated: bool = False) -> ImageEncoder:
    """An encoder like CLIP's, whose layers all see the whole piece."""
    return ImageEncoder(
        layers=vision.layers(),
        width=vision.whole("hidden_size"),
        intermediate=vision.whole("intermediate_size"),
        heads=vision.whole("num_attention_heads"),
        inputs=patch_inputs(vision),
        joined=joined,
        projector=projector,
        rule=rule,
        gated=gated,
    )


def _gemma3(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    """Patches are averaged to a fixed number of tokens, between two marks and two pairs of empty lines."""
    vision = outer.part("vision_config", "siglip_vision_model")
    tokens = outer.whole("mm_tokens_per_image", default=256)
    joined = patches(vision) // tokens
    return _plain(vision, joined, vision.whole("hidden_size") * hidden, Fixed(tokens, marks=4))


def _gemma4(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    vision = outer.part("vision_config", "gemma4_vision")
    pooled = vision.whole("pooling_kernel_size")
    most = processor.whole("max_soft_tokens", default=0) or outer.whole("vision_soft_tokens_per_image", default=280)
    rule = Filled(side(vision, "patch_size") * pooled, most)
    return _plain(vision, pooled**2, vision.whole("hidden_size") * hidden, rule, gated=True)


def _llava(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    vision = outer.part("vision_config", "clip_vision_model")
    return _plain(vision, 1, vision.whole("hidden_size") * hidden + hidden**2, Fixed(patches(vision)))


def _llama4(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    """Marks around the image, before the whole, and one that ends each tile or its row."""
    vision = outer.part("vision_config", "llama4_vision_model")
    inner, out = vision.whole("projector_input_dim"), vision.whole("projector_output_dim")
    adapter = vision.whole("intermediate_size") * inner + out**2 + vision.whole("vision_output_dim") * hidden
    tiles = processor.whole("max_patches", default=0) or 16
    tile = processor.part("size").whole("height", default=0) or 336
    tokens = (tile // side(vision, "patch_size")) ** 2 // 4
    return _plain(vision, 4, adapter, Tiles(tile, tiles, tokens, largest=True, tile_marks=True, marks=3))


def _mistral3(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    vision = outer.part("vision_config", "pixtral")
    width, merge = vision.whole("hidden_size"), outer.whole("spatial_merge_size", default=2)
    longest = processor.part("size").whole("longest_edge", default=0) or side(vision, "image_size")
    projector = merge**2 * width**2 + width * hidden + hidden**2
    rule = Padded(side(vision, "patch_size") * merge, longest, row_ends=True)
    return _plain(vision, merge**2, projector, rule, gated=True)


def _internvl(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    vision = outer.part("vision_config", "internvl_vision")
    joined = shuffled(outer)
    tiles = processor.whole("max_patches", default=0) or outer.whole("max_dynamic_patch", default=0) or 12
    wide = joined * vision.whole("hidden_size")
    return _plain(
        vision, joined, wide * hidden + hidden**2, Tiles(side(vision, "image_size"), tiles, patches(vision) // joined)
    )


def _kimi(outer: Config, processor: Config, hidden: int) -> ImageEncoder:
    """Three marks and a word stand around an image."""
    vision = outer.part("vision_config", "kimi_k25_vision")
    limits, patch = processor.part("media_proc_cfg"), side(vision, "patch_size")
    most = limits.whole("in_patch_limit", default=0) or processor.whole("max_patches", default=0) or 16384
    a_side = limits.whole("patch_limit_on_one_side", default=0) or 512
    wide = 4 * vision.whole("hidden_size")
    rule = Padded(2 * patch, a_side * patch, most, patch, marks=4)
    return _plain(vision, 4, wide * (wide + hidden), rule)


READERS: Mapping[str, Reader] = {
    "qwen2_vl": _qwen2,
    "qwen2_5_vl": _qwen2_5,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": _qwen3,
    "qwen3_5": _qwen3,
    "qwen3_5_moe": _qwen3,
    "glm4v": _glm4,
    "glm4v_moe": _glm4,
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "llava": _llava,
    "llama4": _llama4,
    "mistral3": _mistral3,
    "mistral_large4": _mistral3,
    "internvl": _internvl,
    "kimi_k25": _kimi,
}
"""By the `model_type` of the wrapper."""
