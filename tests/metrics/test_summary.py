from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from tests.metrics.hand_records import one_at_a_time

from infermodel.metrics.objectives import objectives
from infermodel.metrics.questions import question_summary
from infermodel.metrics.schema import columns, markdown, row
from infermodel.metrics.steady import Window, count_at, whole_run
from infermodel.metrics.summary import Summary, summarise
from infermodel.tables import REJECTED, UNFINISHED


def steady() -> Summary:
    """A request of 11 tokens (6 s) every 8 s, 300 of them; 150 fall in the window [800, 2000)."""
    record = one_at_a_time(np.arange(300) * 8.0, [11] * 300, bin_s=40.0)
    return summarise(record, Window(800.0, 2000.0), objectives({"ttft_p99": 1.0, "e2e_p50": 5.0}), systems=[2])


def test_a_deterministic_service_by_hand() -> None:
    summary = steady()
    assert (summary.arrived, summary.finished, summary.unfinished, summary.rejected) == (150, 150, 0, 0)
    assert summary.offered_rpm == summary.rpm == 7.5  # one in 8 s
    assert summary.itpm == 750.0
    assert summary.otpm == 82.5
    assert summary.tpm == summary.tpm_per_replica == 832.5
    assert summary.rpm_per_system == 3.75
    assert summary.ttft_mean_s == summary.ttft_p50_s == summary.ttft_p99_s == 1.0
    assert summary.queue_time_mean_s == 0.0
    assert summary.tpot_mean_s == summary.tpot_p99_s == pytest.approx(0.5)
    assert summary.e2e_p95_s == 6.0
    assert summary.itl_mean_s == 0.5
    assert 0.4 < summary.itl_p50_s < 0.6
    assert summary.output_speed_mean_tok_s == summary.output_speed_p1_tok_s == pytest.approx(2.0)
    assert summary.utilisation == pytest.approx(6 / 8)
    assert summary.power_mean_w == pytest.approx(0.75 * 300 + 0.25 * 100)
    assert summary.joules_per_token == pytest.approx(250 * 8 / 111)
    assert summary.joules_per_output_token == pytest.approx(250 * 8 / 11)
    assert summary.bound_compute_share == pytest.approx(1 / 6)
    assert summary.bound_memory_share == pytest.approx(5 / 6)
    assert summary.prompt_tokens_mean == 100.0
    assert summary.output_tokens_mean == 11.0
    assert not summary.overloaded
    assert summary.warning == ""


def test_objectives_are_judged() -> None:
    summary = steady()
    assert summary.attainment == 0.0  # 6 s end to end, 5 promised
    assert summary.goodput_rps == 0.0
    assert not summary.objectives_met
    assert summary.missed_objectives == "e2e_p50"
    assert [each.met for each in summary.verdicts] == [True, False]


def test_a_steady_run_has_intervals() -> None:
    interval = steady().intervals["e2e_mean_s"]
    assert interval.mean == 6.0
    assert interval.half_width == pytest.approx(0.0, abs=1e-9)
    assert set(steady().intervals) == {"queue_time_mean_s", "ttft_mean_s", "tpot_mean_s", "e2e_mean_s"}


def test_littles_law_along_the_path() -> None:
    """Integral of the number of requests present = sum of their times, whatever happens in between."""
    rng = np.random.default_rng(2)
    record = one_at_a_time(np.cumsum(rng.exponential(4.0, 80)), rng.integers(1, 12, 80))
    requests = record.requests
    changes = np.unique(np.concatenate([[0.0], requests.arrived_at, requests.finished_at]))
    present = count_at(requests.arrived_at, requests.finished_at, changes[:-1])
    summary = summarise(record, whole_run(record))
    assert float(present @ np.diff(changes)) == pytest.approx(summary.e2e_mean_s * 80)


def test_an_overloaded_service_withholds_its_means() -> None:
    record = one_at_a_time(np.arange(400) * 3.0, [11] * 400)  # 6 s of work every 3 s
    summary = summarise(record, Window(0.0, 1000.0))
    assert summary.overloaded
    for name in ("queue_time_mean_s", "ttft_mean_s", "tpot_mean_s", "e2e_mean_s", "itl_mean_s"):
        assert np.isnan(getattr(summary, name))
    assert np.isnan(summary.output_speed_mean_tok_s)
    assert summary.ttft_p50_s > 100
    assert summary.rpm == pytest.approx(10.0, rel=0.01)
    assert summary.offered_rpm == pytest.approx(20.0, rel=0.01)
    assert summary.intervals == {}


def test_a_short_run_warns() -> None:
    record = one_at_a_time([0.0, 5.0], [2, 2])
    summary = summarise(record, whole_run(record))
    assert summary.warning == "2 requests in the window, fewer than 100"
    assert summary.intervals == {}
    assert summary.ttft_mean_s == 1.0


def test_unfinished_and_rejected_requests() -> None:
    record = one_at_a_time(np.arange(10) * 8.0, [11] * 10)
    status = np.array([0] * 8 + [UNFINISHED, REJECTED])
    never = np.where(status == 0, record.requests.finished_at, np.nan)
    tokens = np.where(status == REJECTED, np.nan, record.requests.first_token_at)
    cut = replace(record.requests, status=status, finished_at=never, last_token_at=never, first_token_at=tokens)
    summary = summarise(replace(record, requests=cut), whole_run(record))
    assert (summary.arrived, summary.finished, summary.unfinished, summary.rejected) == (10, 8, 1, 1)
    assert summary.e2e_p50_s == 6.0
    assert summary.e2e_p99_s == np.inf  # one of nine accepted ones never ended
    assert summary.ttft_p99_s == 1.0
    assert summary.output_speed_p1_tok_s == 0.0
    assert summary.attainment == 0.8


def test_one_token_requests_have_neither_tpot_nor_speed() -> None:
    record = one_at_a_time([0.0, 8.0], [1, 3])
    summary = summarise(record, whole_run(record))
    assert summary.tpot_p99_s == 0.5
    alone = summarise(one_at_a_time([0.0], [1]), Window(0.0, 2.0))
    assert np.isnan(alone.tpot_p99_s)
    assert np.isnan(alone.output_speed_p50_tok_s)


def test_every_field_is_declared_and_flat() -> None:
    declared = {each.name for each in columns(Summary)}
    assert {each.name for each in fields(Summary)} - declared == {"verdicts", "intervals", "pools", "paid_replicas"}
    values = row(steady())
    assert set(values) == declared
    assert {type(value) for value in values.values()} == {str, int, float, bool}
    table = markdown(columns(Summary))
    assert table.splitlines()[:2] == ["| column | unit | meaning |", "|---|---|---|"]
    assert "| `rpm` | requests/min | that clients get; see rate_way |" in table


def test_the_same_record_gives_the_same_summary() -> None:
    assert repr(steady()) == repr(steady())


def test_a_service_whose_requests_are_no_calls_has_no_questions() -> None:
    record = one_at_a_time([0.0, 5.0], [2, 2])
    assert question_summary(record, whole_run(record)) is None
