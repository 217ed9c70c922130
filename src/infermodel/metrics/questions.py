"""What asking questions of several calls comes to: answer times, tokens, dollars."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan

import numpy as np

from infermodel.metrics.latency import percentile
from infermodel.metrics.schema import column as _column
from infermodel.metrics.steady import Window
from infermodel.tables import ServiceRecord


@dataclass(frozen=True)
class QuestionSummary:
    """Questions that arrived in the measured window."""

    service: str = _column("", "name of the service")
    asked: int = _column("questions", "arrived in the window")
    answered: int = _column("questions", "of those, answered (also after the window)")
    calls_mean: float = _column("requests", "that a question takes")
    input_tokens_mean: float = _column("tokens", "read for a question, by all its calls")
    output_tokens_mean: float = _column("tokens", "written for a question, by all its calls")
    answer_time_p50_s: float = _column("s", "percentile 50; from the question to the last token of its last call")
    answer_time_p95_s: float = _column("s", "percentile 95; from the question to the last token of its last call")
    answered_per_hour: float = _column(
        "questions/h", "at the load's own rate where the fleet keeps up; else in the window"
    )


def question_summary(record: ServiceRecord, window: Window, asked_per_s: float = nan) -> QuestionSummary | None:
    """Of a service whose requests are calls of questions; None of any other.

    Args:
        record, window: of the run.
        asked_per_s: of the load, where the fleet keeps up with it; NaN: what is answered inside the window is counted.
    """
    table = record.questions
    if table is None:
        return None
    inside = window.holds(table.arrived_at)
    times_s = np.nan_to_num(table.answered_at - table.arrived_at, nan=inf)[inside]

    def mean(column: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
        return float(column[inside].mean()) if inside.any() else nan

    answered_per_s = float(window.holds(table.answered_at).sum()) / window.seconds
    if isfinite(asked_per_s) and inside.any():
        answered_per_s = asked_per_s * float(np.isfinite(times_s).mean())
    return QuestionSummary(
        service=record.name,
        asked=int(inside.sum()),
        answered=int(np.isfinite(times_s).sum()),
        calls_mean=mean(table.calls),
        input_tokens_mean=mean(table.prompt_tokens),
        output_tokens_mean=mean(table.output_tokens),
        answer_time_p50_s=percentile(times_s, 50),
        answer_time_p95_s=percentile(times_s, 95),
        answered_per_hour=3600 * answered_per_s,
    )
