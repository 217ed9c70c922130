"""Mooncake traces: one JSON object a line with timestamp (ms), input_length, output_length and hash_ids.

`hash_ids` has one id for each block of 512 prompt tokens, equal where the text up to the end of the block is equal.
Source: https://github.com/kvcache-ai/Mooncake (FAST'25 traces, Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infermodel.formats.block_log import BlockLog, block_size, read_log, session_notes
from infermodel.formats.columns import TraceColumns, trace_columns
from infermodel.formats.text import FormatError

BLOCK_TOKENS = 512

MOST_A_SECOND = 1000
"""Requests a second beyond which times with decimals are no milliseconds."""


def read(path: Path, block_tokens: int = BLOCK_TOKENS) -> TraceColumns:
    """The log, times as they stand but in seconds; `block_tokens` prompt tokens to a hash, unless they prove otherwise.

    Raises:
        FormatError: with line and column of what is broken; or the times are seconds.
    """
    log = read_log(path, "milliseconds")
    if why := _seconds(log):
        raise FormatError(path, f"{why}; Mooncake's are milliseconds. `format: bailian` reads seconds")
    tokens, notes = block_size(path, log, block_tokens)
    return trace_columns(
        path,
        log.times / 1e3,
        log.prompts,
        log.outputs,
        hash_ids=log.hashes,
        hash_block_tokens=tokens,
        notes=[*notes, *session_notes(path, log)],
    )


def _seconds(log: BlockLog) -> str:
    """Why the times of a log are seconds; empty if they may be milliseconds."""
    if log.parents:
        return "has parent_chat_id, as Qwen-Bailian's traces, whose times are seconds"
    span_s = float(np.ptp(log.times)) / 1e3 if len(log.times) else 0.0
    if (log.times == np.rint(log.times)).all() or len(log.times) <= MOST_A_SECOND * span_s:
        return ""
    rate = len(log.times) / span_s if span_s else float("inf")
    return f"times have decimals, and as milliseconds they are {rate:,.0f} requests a second: they look like seconds"
