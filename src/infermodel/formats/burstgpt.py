"""BurstGPT traces: CSV with Timestamp (seconds), Model, Request tokens, Response tokens, Total tokens, Log Type.

Source: https://github.com/HPMLL/BurstGPT (CC-BY-4.0). Times are whole seconds from midnight of the first day and are
kept so; releases with the columns Session ID and Elapsed time are read as well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infermodel.formats.columns import SECONDS, TEXT, TOKENS, TraceColumns, read_columns, trace_columns
from infermodel.formats.turns import BLOCK_TOKENS, conversations


def read(path: Path) -> TraceColumns:
    """The log without its failures, which its authors mark by zero response tokens.

    Raises:
        FormatError: with line and column of what is broken.
    """
    required = {"Timestamp": SECONDS, "Request tokens": TOKENS, "Response tokens": TOKENS}
    columns = read_columns(path, required, {"Session ID": TEXT})
    answered = columns["Response tokens"] > 0
    failures = int((~answered).sum())
    notes = [f"{path.name}: {failures} failed requests (0 response tokens) left out"] if failures else []
    chats = columns["Session ID"][answered] if "Session ID" in columns else np.full(int(answered.sum()), "")
    times, prompts, outputs = (columns[name][answered] for name in required)
    ids, told = conversations(path, [each or None for each in chats.tolist()], times, prompts, outputs)
    return trace_columns(
        path,
        times,
        prompts,
        outputs,
        hash_ids=ids,
        hash_block_tokens=BLOCK_TOKENS if ids else 0,
        hash_answers=ids is not None,
        notes=[*notes, *told],
    )
