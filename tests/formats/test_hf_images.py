"""How many tokens a model makes of an image, against what the image processors of transformers 5.23.0 give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.kit.tiny_config import TINY

from infermodel import catalog
from infermodel.architecture.images import Filled, Fixed, ImageEncoder, ImageRule, Padded, Resized, Tiles
from infermodel.formats.hf.images import READERS
from infermodel.formats.hf_config import architecture, read_hf_config
from infermodel.formats.text import FormatError

VISION = {"hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 2, "num_heads": 2, "patch_size": 14}
"""Everything else of an encoder is as its class has it."""

SIZES = ((640, 480), (1024, 1024), (1920, 1080), (3000, 2000), (4096, 4096), (50, 2000))
COUNTED: dict[str, tuple[ImageRule, tuple[int, ...]]] = {
    "Qwen2.5-VL": (Resized(28, 3136, 12845056), (391, 1369, 2691, 7597, 16384, 142)),
    "Qwen3-VL": (Resized(32, 65536, 16777216), (300, 1024, 2040, 5828, 16384, 124)),
    "Kimi K2.5": (Padded(28, 512 * 14, 16384, 14), (414, 1369, 2691, 4187, 4225, 144)),
    "Gemma 4": (Filled(48, 280), (266, 256, 264, 260, 256, 210)),
    "InternVL": (Tiles(448, 12, 256), (3328, 2560, 2304, 1792, 2560, 3328)),
    "Llama 4": (Tiles(336, 16, 144, largest=True), (720, 2448, 2304, 2304, 2448, 1008)),
    "Mistral Small 3.1": (Padded(28, 1540, row_ends=True), (432, 1406, 1736, 2072, 3080, 165)),
    "LLaVA": (Fixed(576), (576,) * 6),
}


@pytest.mark.parametrize("name", COUNTED)
def test_tokens_are_those_of_the_image_processors(name: str) -> None:
    rule, counted = COUNTED[name]
    found = [rule.grid(width, height) for width, height in SIZES]
    ends_of_rows = isinstance(rule, Padded) and rule.row_ends
    assert tuple(each.pieces * each.tokens + each.marks * ends_of_rows for each in found) == counted


def read(family: str, **more: Any) -> ImageEncoder | None:
    text = {**TINY, "model_type": "qwen3"} if family != "kimi_k25" else {**TINY, "model_type": "qwen2"}
    return architecture({"model_type": family, "text_config": text, **more}, Path("config.json"), family).images


@pytest.mark.parametrize("family", READERS)
def test_every_family_is_read_from_its_classes_defaults(family: str) -> None:
    kind = {"llava": "clip_vision_model", "mistral3": "pixtral", "mistral_large4": "pixtral"}.get(family)
    encoder = read(family, vision_config={"model_type": kind}) if kind else read(family)
    assert encoder is not None
    one, two = encoder.seen(1024, 1024), encoder.seen(2048, 2048)
    assert one.tokens >= one.encoded > 0
    assert one.pieces * one.patches == one.encoded * encoder.joined
    assert two.tokens >= one.tokens or isinstance(encoder.rule, Tiles)
    assert encoder.flops(one) > 2 * one.pieces * one.patches * encoder.layers * 4 * encoder.width**2


def test_an_encoder_is_summed_by_hand() -> None:
    # 14 x 14 patches of 3 colours in two frames: 1,176 numbers. Two mergers of 2 x 2 patches: 32 to 32, 32 to 16, the
    # second of which takes what layer 1 gives.
    vision = {**VISION, "depth": 3, "out_hidden_size": 16, "deepstack_visual_indexes": [1]}
    encoder = read("qwen3_vl", vision_config=vision)
    assert encoder is not None
    assert (encoder.inputs, encoder.joined, encoder.projector) == (1176, 4, 2 * (32 * 32 + 32 * 16))
    seen = encoder.seen(280, 140)
    assert seen == (1, 364, 91, 93)  # 39,200 pixels are fewer than 65,536: 1.293 as wide and high, 13 x 7 squares
    weights = 3 * (4 * 8 * 8 + 2 * 8 * 12) + 1176 * 8
    assert encoder.flops(seen) == 2 * 364 * weights + 2 * 91 * 3072 + 4 * 8 * 3 * 364**2


def test_the_processors_file_bounds_images(tmp_path: Path) -> None:
    config = {"model_type": "qwen2_5_vl", "text_config": TINY, "vision_config": VISION}
    (tmp_path / "config.json").write_text(json.dumps(config))
    large = read_hf_config(tmp_path).images
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"min_pixels": 3136, "max_pixels": 784_000}))
    small = read_hf_config(tmp_path).images
    assert large is not None
    assert small is not None
    # 784,000 pixels are 1,000 squares of 28 x 28: an image of 4,000 x 2,000 pixels is scaled to 44 x 22 of them.
    assert (large.seen(4000, 2000).encoded, small.seen(4000, 2000).encoded) == (143 * 71, 44 * 22)
    (tmp_path / "preprocessor_config.json").unlink()
    together = {"image_processor": {"size": {"shortest_edge": 3136, "longest_edge": 784_000}}, "video_processor": {}}
    (tmp_path / "processor_config.json").write_text(json.dumps(together))
    assert read_hf_config(tmp_path).images == small
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"max_pixels": "many"}))
    with pytest.raises(FormatError, match=r"preprocessor_config.json.*max_pixels: expected a whole number"):
        read_hf_config(tmp_path)


def test_encoders_of_the_catalog_weigh_what_their_towers_do() -> None:
    # What multiplies patches and tokens; positions, norms and biases are left, of Gemma 4 20,480 positions of 1,152.
    for name in catalog.names("models"):
        model = catalog.load_model(name)
        encoder = model.images
        if encoder is not None:
            block = 4 * encoder.width**2 + encoder.matrices * encoder.width * encoder.intermediate
            multiplied = encoder.layers * block + encoder.inputs * encoder.width + encoder.projector
            assert 0.95 < multiplied / model.tower_parameters <= 1.0, name
