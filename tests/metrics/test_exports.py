from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from tests.metrics.hand_records import one_at_a_time

from infermodel.metrics.exports import REQUEST_COLUMNS, TIMELINE_COLUMNS, request_rows, timeline_rows
from infermodel.tables import REJECTED, UNFINISHED, RequestTable


def test_request_rows_hold_every_primitive_column() -> None:
    record = one_at_a_time([0.0, 1.0, 2.0], [3, 3, 3])
    table = replace(record.requests, status=np.array([0, UNFINISHED, REJECTED]))
    rows = request_rows(table)
    assert list(rows) == [each.name for each in REQUEST_COLUMNS]
    assert {each.name for each in fields(RequestTable)} <= set(rows)
    assert rows["status"].tolist() == ["finished", "unfinished", "rejected"]
    assert rows["ttft_s"].tolist() == [1.0, 2.0, 3.0]  # 2 s each, one after the other
    assert {len(values) for values in rows.values()} == {3}


def test_timeline_rows_by_hand() -> None:
    # two requests of 7 tokens at 0 and 1: busy 0-4 and 4-8, the second waits from 1 to 4; bins of 2 s up to 9
    record = one_at_a_time([0.0, 1.0], [7, 7], bin_s=2.0, idle_after_s=1.0)
    rows = timeline_rows(record)
    assert list(rows) == [each.name for each in TIMELINE_COLUMNS]
    assert rows["start_s"].tolist() == [0, 2, 4, 6, 8]
    assert rows["end_s"].tolist() == [2, 4, 6, 8, 9]
    assert rows["waiting"] == pytest.approx([0.5, 1, 0, 0, 0])
    assert rows["running"] == pytest.approx([0.5, 1, 0.5, 1, 0])
    assert rows["utilisation"] == pytest.approx([1, 1, 1, 1, 0])
    assert rows["bound_compute"] == pytest.approx([0.5, 0, 0.5, 0, 0])
    assert rows["bound_memory"] == pytest.approx([0.5, 1, 0.5, 1, 0])
    assert rows["arrivals_per_s"] == pytest.approx([1, 0, 0, 0, 0])
    assert rows["power_w"] == pytest.approx([300, 300, 300, 300, 100])
    assert rows["kv_use"] == pytest.approx([7 / 20, 7 / 20, 7 / 20, 7 / 20, 0])  # 107 tokens are 7 blocks of 16
    assert rows["mfu"] == pytest.approx([0.5, 0.5, 0.5, 0.5, 0])
    assert rows["mbu"] == pytest.approx([0.75, 0.75, 0.75, 0.75, 0])
    seconds = rows["end_s"] - rows["start_s"]
    assert rows["output_tok_s"] @ seconds == pytest.approx(14)
    assert rows["prompt_tok_s"] @ seconds == pytest.approx(200)


def test_rejected_requests_do_not_wait_in_the_timeline() -> None:
    record = one_at_a_time([0.0, 1.0], [7, 7], bin_s=2.0)
    status = np.array([0, REJECTED])
    assert timeline_rows(replace(record, requests=replace(record.requests, status=status)))["waiting"].sum() == 0
