"""BurstGPT traces: CSV with Timestamp (seconds), Model, Request tokens, Response tokens, Total tokens, Log Type.

Source: https://github.com/HPMLL/BurstGPT (CC-BY-4.0). Times are whole seconds from midnight of the first day and are
kept so; releases with the columns Session ID and Elapsed time are read as well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infermodel.formats.columns import SECONDS, TEXT, TOKENS, TraceColumns, read_columns, trace_columns


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
    chats = columns["Session ID"][answered] if "Session ID" in columns else np.empty(0, dtype=str)
    named = chats[chats != ""]
    if len(named) > len(np.unique(named)):
        notes.append(f"{path.name}: {len(np.unique(named)):,} sessions; turns are played at the times they came")
    return trace_columns(
        path,
        columns["Timestamp"][answered],
        columns["Request tokens"][answered],
        columns["Response tokens"][answered],
        notes=notes,
    )
