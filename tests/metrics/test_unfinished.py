"""Why requests have not finished, by hand: tokens come every half second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.hand_records import in_pool, one_at_a_time

from infermodel.metrics.unfinished import answer_s, window_too_short
from infermodel.tables import FINISHED, UNFINISHED, GapHistogram, ServiceRecord

DONE = one_at_a_time([0.0, 100.0, 200.0], [11, 21, 41])


def left(record: ServiceRecord, *unfinished: int) -> ServiceRecord:
    status = np.full(3, FINISHED)
    status[list(unfinished)] = UNFINISHED
    return replace(record, requests=replace(record.requests, status=status))


def test_an_answer_takes_its_gaps() -> None:
    assert answer_s(left(DONE, 1)) == pytest.approx(10.0)
    assert answer_s(left(DONE, 1, 2)) == pytest.approx(15.0)  # the median of 20 and 40 gaps


def test_nobody_is_left_or_nothing_is_known() -> None:
    assert answer_s(DONE) == 0.0
    nothing = GapHistogram(np.array([0.4, 0.6]), np.array([0]), 0.0, 0)
    assert answer_s(in_pool(left(DONE, 1), gaps=nothing)) == 0.0


def test_only_a_window_shorter_than_an_answer_is_too_short() -> None:
    said = "an answer takes some 10 s and the window has 9 s: make the run longer"
    assert window_too_short(left(DONE, 1), 9.0) == said
    assert window_too_short(left(DONE, 1), 11.0) == ""
