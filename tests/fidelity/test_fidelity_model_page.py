"""docs/model.md and the code say the same."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from infermodel import catalog
from infermodel.cost.attention import SOFTMAX_CHANNELS
from infermodel.cost.constants import KernelConstants
from infermodel.cost.kernels import TILE, TILE_START_BYTES
from infermodel.cost.launches import SMALL_KERNELS, SMALL_KERNELS_EXPERTS, SMALL_KERNELS_LATENT

PAGE = Path(__file__).parents[2] / "docs" / "model.md"


def test_every_constant_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    stated = {"gemm_tile_penalty", "gemm_smoothness", "elementwise_floor_s"}  # in words: not fitted
    named = set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))
    assert {field.name for field in fields(KernelConstants)} - stated <= named
    defaults = KernelConstants()
    assert f"c = {defaults.gemm_tile_penalty:g} and p = {defaults.gemm_smoothness:g}" in text
    assert f"small kernel {defaults.elementwise_floor_s * 1e6:g} us" in text


def test_the_numbers_in_the_text_are_the_code_s() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"tiles of {TILE} x {TILE}" in text
    assert f"{TILE_START_BYTES} / (k a)" in text
    assert f"head_dim + {SOFTMAX_CHANNELS}" in text
    kernels = f"{SMALL_KERNELS} kernels a layer, {SMALL_KERNELS_EXPERTS} more with experts"
    assert kernels in text
    assert f"{SMALL_KERNELS_LATENT} more with latent attention" in text


def test_every_calibrated_constant_has_a_standard_error() -> None:
    for kind, load in (("devices", catalog.load_device), ("engines", catalog.load_engine)):
        for name in catalog.names(kind):
            for where, quantity in load(name).provenance.items():
                if quantity.fit in ("kernel-tables-2026", "served-rows-2026"):
                    assert quantity.standard_error is not None, f"{name}: {where}"
