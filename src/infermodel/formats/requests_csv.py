"""Our own request files: CSV with arrived_at_s, prompt_tokens, output_tokens, and optionally priority.

The tables that a run writes can be read back, and so can per-request measurements of real servers, which add
measured_ttft_ms, measured_tpot_ms, measured_e2e_ms and failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.columns import (
    MEASURED,
    SECONDS,
    TOKENS,
    WHOLE,
    TraceColumns,
    arrival_order,
    read_columns,
    trace_columns,
)
from infermodel.formats.results.measured import RequestColumns

_REQUIRED = {"arrived_at_s": SECONDS, "prompt_tokens": TOKENS, "output_tokens": TOKENS}
_ALSO_CALLED = {"arrived_at": "arrived_at_s"}  # as the tables of a run have it
_MEASURED = {"measured_ttft_ms": MEASURED, "measured_tpot_ms": MEASURED, "measured_e2e_ms": MEASURED}


@dataclass(frozen=True)
class MeasuredRequests:
    """Requests with what a real server took for each, seconds; NaN where the file does not say."""

    requests: TraceColumns
    ttft_s: NDArray[np.float64]
    tpot_s: NDArray[np.float64]
    e2e_s: NDArray[np.float64]
    failed: NDArray[np.bool_]


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
    lines = [",".join([*_REQUIRED, *_MEASURED, "failed"])]
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


def read_measured(path: Path) -> MeasuredRequests:
    """The requests of a file and the times measured for them.

    Raises:
        FormatError: with line and column of what is broken.
    """
    columns = read_columns(path, _REQUIRED, {**_MEASURED, "failed": WHOLE})
    trace = trace_columns(path, columns["arrived_at_s"], columns["prompt_tokens"], columns["output_tokens"])
    order = arrival_order(columns["arrived_at_s"])
    absent = np.full(len(order), np.nan)
    ttft_ms, tpot_ms, e2e_ms = (columns.get(name, absent)[order] for name in _MEASURED)
    failed = columns.get("failed", np.zeros(len(order)))[order] != 0
    return MeasuredRequests(trace, ttft_ms / 1e3, tpot_ms / 1e3, e2e_ms / 1e3, failed)
