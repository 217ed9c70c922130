"""BurstGPT traces: CSV with Timestamp (seconds), Model, Request tokens, Response tokens, Total tokens, Log Type.

Source: https://github.com/HPMLL/BurstGPT (CC-BY-4.0). Times are whole seconds from midnight of the first day and are
kept so; releases with the columns Session ID and Elapsed time are read as well.
"""

from __future__ import annotations

from pathlib import Path

from infermodel.formats.columns import SECONDS, TOKENS, TraceColumns, read_columns, trace_columns


def read(path: Path) -> TraceColumns:
    """The log without its failures, which its authors mark by zero response tokens.

    Raises:
        FormatError: with line and column of what is broken.
    """
    columns = read_columns(path, {"Timestamp": SECONDS, "Request tokens": TOKENS, "Response tokens": TOKENS})
    answered = columns["Response tokens"] > 0
    failures = int((~answered).sum())
    notes = [f"{path.name}: {failures} failed requests (0 response tokens) left out"] if failures else []
    return trace_columns(
        path,
        columns["Timestamp"][answered],
        columns["Request tokens"][answered],
        columns["Response tokens"][answered],
        notes=notes,
    )
