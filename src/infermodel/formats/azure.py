"""Azure LLM inference traces of 2023 and 2024: CSV with TIMESTAMP, ContextTokens, GeneratedTokens.

The 2023 files have local times of seven decimals, those of 2024 a UTC offset; both are read. Source:
https://github.com/Azure/AzurePublicDataset (CC-BY-4.0).
"""

from __future__ import annotations

from pathlib import Path

from infermodel.formats.columns import TIMESTAMP, TOKENS, TraceColumns, read_columns, trace_columns


def read(path: Path) -> TraceColumns:
    """The log, its clock starting at the first request, to the microsecond.

    Raises:
        FormatError: with line and column of what is broken.
    """
    columns = read_columns(path, {"TIMESTAMP": TIMESTAMP, "ContextTokens": TOKENS, "GeneratedTokens": TOKENS})
    stamps = columns["TIMESTAMP"]
    arrived_at_s = (stamps - stamps.min()) / 1e6 if len(stamps) else stamps.astype(float)
    return trace_columns(path, arrived_at_s, columns["ContextTokens"], columns["GeneratedTokens"])
