"""Formats that weights are kept in."""

from __future__ import annotations

from collections.abc import Mapping

PRECISION_BYTES: Mapping[str, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": 0.5,
    "int4": 0.5,
    "mxfp4": 4.25 / 8,  # 32 values of 4 bits share a scale of 8 bits (OCP microscaling formats, 2023)
    "nvfp4": 4.5 / 8,  # 16 values of 4 bits share a scale of 8 bits
}
