"""Our own request files: CSV with arrived_at_s, prompt_tokens, output_tokens, and optionally priority.

The tables that a run writes can be read back, and so can the requests of a load generator's result, which are written
with what was measured of each beside them: measured_ttft_ms, measured_tpot_ms, measured_e2e_ms and failed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from infermodel.formats.columns import (
    SECONDS,
    TOKENS,
    WHOLE,
    TraceColumns,
    read_columns,
    trace_columns,
)
from infermodel.formats.results.measured import RequestColumns

_REQUIRED = {"arrived_at_s": SECONDS, "prompt_tokens": TOKENS, "output_tokens": TOKENS}
_ALSO_CALLED = {"arrived_at": "arrived_at_s"}  # as the tables of a run have it
_MEASURED = ("measured_ttft_ms", "measured_tpot_ms", "measured_e2e_ms", "failed")


def text_of(measured: RequestColumns) -> str:
    """A file of requests as a load generator measured them; cells of what is not known are empty.

    Raises:
        ValueError: the columns do not tell when requests were sent, or their lengths.
    """
    if measured.sent_at_s is None:
        raise ValueError("the result does not tell when each request was sent")
    if np.isnan(measured.prompt_tokens).any() or np.isnan(measured.output_tokens).any():
        raise ValueError("the result does not tell how many tokens each request had")
    times = (measured.ttft_s, measured.tpot_s, measured.e2e_s)
    lines = [",".join([*_REQUIRED, *_MEASURED])]
    for i, sent in enumerate(measured.sent_at_s.tolist()):
        tokens = (f"{measured.prompt_tokens[i]:.0f}", f"{measured.output_tokens[i]:.0f}")
        milliseconds = ("" if np.isnan(column[i]) else f"{1e3 * column[i]:.6g}" for column in times)
        lines.append(",".join([f"{sent:.9g}", *tokens, *milliseconds, str(int(measured.failed[i]))]))
    return "\n".join(lines) + "\n"


def read(path: Path) -> TraceColumns:
    """The requests of a file, times as they stand.

    Raises:
        FormatError: with line and column of what is broken.
    """
    columns = read_columns(path, _REQUIRED, {"priority": WHOLE}, _ALSO_CALLED)
    return trace_columns(
        path,
        columns["arrived_at_s"],
        columns["prompt_tokens"],
        columns["output_tokens"],
        priority=columns.get("priority"),
    )
