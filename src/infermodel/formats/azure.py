"""Azure LLM inference traces of 2023 to 2025: CSV with TIMESTAMP, ContextTokens, GeneratedTokens.

The 2023 files have local times of seven decimals, those of 2024 a UTC offset; both are read. The multimodal ones of
2025 have NumImages as well: no image is played. Source:
https://github.com/Azure/AzurePublicDataset (CC-BY-4.0).
"""

from __future__ import annotations

from pathlib import Path

from infermodel.formats.columns import TIMESTAMP, TOKENS, WHOLE, TraceColumns, read_columns, trace_columns

_REQUIRED = {"TIMESTAMP": TIMESTAMP, "ContextTokens": TOKENS, "GeneratedTokens": TOKENS}


def read(path: Path) -> TraceColumns:
    """The log, its clock starting at the first request, to the microsecond.

    Raises:
        FormatError: with line and column of what is broken.
    """
    columns = read_columns(path, _REQUIRED, {"NumImages": WHOLE})
    stamps = columns["TIMESTAMP"]
    arrived_at_s = (stamps - stamps.min()) / 1e6 if len(stamps) else stamps.astype(float)
    images = int((columns["NumImages"] > 0).sum()) if "NumImages" in columns else 0
    notes = [f"{path.name}: the images of {images:,} requests are left out"] if images else []
    return trace_columns(path, arrived_at_s, columns["ContextTokens"], columns["GeneratedTokens"], notes=notes)
