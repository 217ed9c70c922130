"""Why requests have not finished when a run ends: too much work for the fleet, or a run shorter than an answer."""

from __future__ import annotations

import numpy as np

from infermodel.tables import UNFINISHED, ServiceRecord


def answer_s(record: ServiceRecord) -> float:
    """Seconds from first to last token of the median unfinished request, at the mean gap of the run; 0 without gaps."""
    output_tokens = record.requests.output_tokens[record.requests.status == UNFINISHED]
    if not len(output_tokens) or not record.gaps.gaps:
        return 0.0
    return float(np.median(output_tokens - 1)) * record.gaps.total_s / record.gaps.gaps


def window_too_short(record: ServiceRecord, window_s: float) -> str:
    """What to change where answers take longer than the measured window; empty where something else holds them up."""
    takes_s = answer_s(record)
    if takes_s <= window_s:
        return ""
    return f"an answer takes some {takes_s:,.0f} s and the window has {window_s:,.0f} s: make the run longer"
