"""Qwen-Bailian traces: one JSON object a line with timestamp (seconds), input_length, output_length and hash_ids.

`hash_ids` has one id for each block of 16 prompt tokens; chat_id, parent_chat_id and turn tell sessions. vLLM's timed
traces are the same without chats. Source: https://github.com/alibaba-edu/qwen-bailian-usagetraces-anon (README,
Apache-2.0); vllm/benchmarks/datasets of vLLM 0.33.0. Written from these; not tried on a file of the publisher.
"""

from __future__ import annotations

from pathlib import Path

from infermodel.formats.block_log import log_columns, read_log
from infermodel.formats.columns import TraceColumns

BLOCK_TOKENS = 16


def read(path: Path) -> TraceColumns:
    """The log, times as they stand.

    Raises:
        FormatError: with line and column of what is broken.
    """
    return log_columns(path, read_log(path, "seconds"), 1.0, BLOCK_TOKENS)
