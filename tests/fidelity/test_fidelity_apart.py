"""Rows of servers with prompts and answers apart: read, played, scored; figures of our own making."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from click.testing import CliRunner
from tests.metrics.hand_records import request_table

import infermodel as im
from infermodel.answers.apart import ApartAnswer
from infermodel.cli import infermodel
from infermodel.fidelity.disaggregated import (
    ApartPrediction,
    ApartRow,
    PoolRow,
    as_row,
    as_sent,
    drafts_of,
    pool_of,
    predict_apart,
    read_apart,
    seats_of,
    tokens_read,
)
from infermodel.fidelity.ranking import comparisons
from infermodel.fidelity.rows import RowError
from infermodel.tables import REJECTED

HEAD = (
    "id,gpu,framework,model,weights_precision,speculative,prefill_workers,prefill_gpus,prefill_tp,prefill_ep,"
    "prefill_dp_attention,decode_workers,decode_gpus,decode_tp,decode_ep,decode_dp_attention,prompt_tokens,"
    "output_tokens,length_spread,concurrency,total_tok_s_per_gpu,ttft_p50_ms,tpot_p50_ms"
)
PLAIN = "a,h200-sxm,dynamo-sglang,deepseek-r1,fp8,none,2,16,8,1,False,3,24,8,1,False,512,64,uniform_0.8,6,50,100,10"
RANKS = "b,h200-sxm,dynamo-sglang,deepseek-r1,fp8,none,1,8,8,1,True,1,8,1,8,True,512,64,uniform_0.8,6,50,,"
DRAFTS = PLAIN.replace("a,", "c,", 1).replace("none", "mtp")
UNSAID = PLAIN.replace("a,", "d,", 1).replace("none,2,16,8", "none,,16,")
UNKNOWN = PLAIN.replace("a,", "e,", 1).replace("dynamo-sglang", "abacus")
MEASUREMENTS = os.environ.get("INFERMODEL_MEASUREMENTS", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "apart.csv"
    path.write_text("\n".join([HEAD, PLAIN, RANKS, DRAFTS, UNSAID, UNKNOWN]) + "\n")
    return path


def test_a_row_says_what_each_pool_is(file: Path) -> None:
    plain, ranks, drafts, *_ = read_apart(file)
    assert (plain.prefill.workers, plain.prefill.gpus, plain.decode.workers, plain.decode.gpus) == (2, 8, 3, 8)
    assert plain.gpus == 40
    assert (plain.users, plain.drafts, drafts.drafts) == (6, False, True)
    assert plain.measured == {"total_tok_s_per_gpu": 50.0, "tpot_p50_ms": 10.0, "ttft_p50_ms": 100.0}
    assert ranks.measured == {"total_tok_s_per_gpu": 50.0}


def test_attention_in_parallel_is_a_rank_a_gpu(file: Path) -> None:
    plain, ranks, *_ = read_apart(file)
    whole, of_ranks = as_row(plain, plain.decode, "", ()), as_row(ranks, ranks.decode, "", ())
    assert (whole.tensor_parallel, whole.attention_data_parallel, whole.expert_parallel) == (8, 1, 1)
    assert (of_ranks.tensor_parallel, of_ranks.attention_data_parallel, of_ranks.expert_parallel) == (1, 8, 8)


def test_rows_are_played_and_scored_or_say_why_not(file: Path) -> None:
    answer = im.validate(file)
    assert isinstance(answer, ApartAnswer)
    plain, ranks, drafts, unsaid, unknown = answer.predictions
    # Six users at a time: tokens of a request over the time of an answer, on 40 GPUs, prompts 410 to 512, answers 52
    # to 64; less while users leave after their tenth answer, at most one answer's time.
    steady = 6 / (plain.predicted["e2e_mean_ms"] / 1e3) * (461 + 58) / 40
    assert 10 / 11 < plain.predicted["total_tok_s_per_gpu"] / steady < 1
    assert plain.error("tpot_p50_ms") == plain.predicted["tpot_p50_ms"] / 10 - 1
    assert math.isnan(ranks.error("tpot_p50_ms"))
    assert ranks.predicted["tpot_p50_ms"] > 0
    assert "--acceptance" in drafts.skipped
    assert "laid out" in unsaid.skipped
    assert "'abacus'" in unknown.skipped
    first = answer.scores[0]
    assert (first.servers, first.drafts, first.metric, first.rows) == ("all", False, "total_tok_s_per_gpu", 2)


def test_a_worker_that_is_cut_fewer_ways_than_it_has_gpus_is_not_guessed_at(file: Path) -> None:
    file.write_text(f"{HEAD}\n{PLAIN.replace(',24,8,1', ',24,4,1')}\n")
    (row,) = read_apart(file)
    assert predict_apart(row, "", ()).skipped.startswith("a worker of 8 GPUs is cut 4 ways")


def test_drafts_make_answers_quicker(file: Path) -> None:
    plain, _, drafted, *_ = im.validate(file, draft="mtp", acceptance=(0.8,)).predictions
    assert isinstance(drafted, ApartPrediction)
    assert drafted.predicted["tpot_p50_ms"] < plain.predicted["tpot_p50_ms"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD}\n{PLAIN.replace(',6,50', ',many,50')}", r"apart\.csv:2: concurrency: 'many' is no number"),
        (f"{HEAD}\n{PLAIN.replace('none,2,', 'none,2.5,')}", r"apart\.csv:2: prefill_workers: 2\.5 is no count"),
        (f"{HEAD}\na,h200-sxm,dynamo-sglang", r"apart\.csv:2: model: is empty"),
        (f"{HEAD.replace('decode_tp', 'tp')}\n{PLAIN}", r"apart\.csv: no column decode_tp"),
        (f"{HEAD}\n{PLAIN}\n\xff", r"apart\.csv: is not UTF-8 text: byte 0xff"),
    ],
)
def test_a_broken_row_is_named(file: Path, text: str, said: str) -> None:
    file.write_text(text, encoding="latin-1")
    with pytest.raises(RowError, match=said):
        read_apart(file)


def test_the_command(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(infermodel, ["validate", str(file), "--out", str(tmp_path / "v"), "--jobs", "1"])
    assert done.exit_code == 0, done.output
    assert "5 rows, 3 skipped" in done.output
    assert len((tmp_path / "v" / "predictions.csv").read_text().splitlines()) == 6


def test_the_command_refuses_a_page_before_it_plays(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Accuracy\n")
    with patch("infermodel.api.validate", side_effect=AssertionError("played")):
        done = CliRunner().invoke(infermodel, ["validate", str(file), "--docs", str(page), "--jobs", "1"])
    assert (done.exit_code, page.read_text()) == (2, "# Accuracy\n")
    assert "--docs renews the tables of experiments in one pool" in done.output


@pytest.mark.skipif(not MEASUREMENTS, reason="no measurements are at hand")
def test_tokens_of_real_servers_come_at_their_pace() -> None:
    """Light rows without drafts, none of which any constant was fitted to: as this was written a median of 9 % off."""
    rows = [row for row in read_apart(Path(MEASUREMENTS) / "disaggregated.csv") if not row.drafts and row.users <= 64]
    errors = [abs(predict_apart(row, "", ()).error("tpot_p50_ms")) for row in rows]
    known = sorted(error for error in errors if not math.isnan(error))
    assert len(known) > 15
    assert known[len(known) // 2] < 0.15


Point = tuple[float, float]
"""Tokens/s of a user and of a GPU."""


def of_layout(name: str, workers: int, users: int, measured: Point, ours: Point) -> ApartPrediction:
    """A row of one of several layouts."""
    pool = PoolRow(workers, 8, 8, 1, attention_data=False)
    figures = [{"tpot_p50_ms": 1e3 / speed, "total_tok_s_per_gpu": tokens} for speed, tokens in (measured, ours)]
    first, second = figures
    row = ApartRow(
        name, "", "b200", "dynamo-trt", "deepseek-r1", "fp8", False, pool, pool, 1024, 1024, "", users, first
    )
    return ApartPrediction(row, second)


def test_layouts_are_compared_where_both_were_measured() -> None:
    """The first from 20 to 80 tokens/s, the second at 40, the third at 84 and beyond: two pairs have one in common."""
    rows = [
        of_layout("a", 1, 64, (20.0, 1000.0), (20.0, 900.0)),
        of_layout("a", 1, 8, (80.0, 250.0), (80.0, 225.0)),
        of_layout("b", 2, 16, (40.0, 800.0), (40.0, 300.0)),
        of_layout("c", 3, 4, (84.0, 240.0), (84.0, 200.0)),
        of_layout("c", 3, 1, (160.0, 100.0), (160.0, 90.0)),
    ]
    first, second = comparisons(rows)
    # At 40 tokens/s a makes 500 on the straight line of logarithms, and 450 by the model: less than b, and more.
    assert (first.first, first.second, first.speed_tok_s) == ("a", "b", 40.0)
    assert (first.measured, first.predicted) == pytest.approx((500 / 800, 450 / 300))
    assert (first.is_clear, first.is_right) == (True, False)
    # At the ends of a and c, 4 % apart, both are right, and measurement hardly tells.
    assert (second.second, second.is_clear, second.is_right) == ("c", False, True)
    assert comparisons(rows[:3]) == []  # two layouts
    answer = ApartAnswer(Path("rows.csv"), rows)
    assert answer.order == (
        "the better of two layouts at one speed of a user: 0 of 1 right whose measured tokens differ by more than 15%, "
        "2 pairs in all"
    )


def test_users_above_a_power_of_two_a_rank_tell_the_seats(file: Path) -> None:
    plain, ranks, *_ = read_apart(file)
    of_trt, workers = replace(ranks, framework="dynamo-trt"), replace(plain, framework="dynamo-trt")
    assert [seats_of(replace(of_trt, users=users)) for users in (563, 600, 4300, 6150)] == [64, 64, 512, 768]
    assert seats_of(replace(of_trt, users=512)) == 0  # a seat each, or more
    assert seats_of(replace(of_trt, users=64 * 8 * 3 // 2 + 1)) == 0  # too many to tell
    assert [seats_of(replace(workers, users=users)) for users in (3, 4, 18, 27)] == [0, 1, 4, 8]  # three workers
    assert seats_of(replace(ranks, users=563)) == 0  # SGLang


def test_drafts_are_as_many_as_scripts_ask_for(file: Path) -> None:
    plain, ranks, *_ = read_apart(file)
    of_trt = replace(ranks, framework="dynamo-trt")  # eight ranks
    assert [drafts_of(replace(of_trt, users=users)) for users in (8, 511, 512)] == [3, 3, 1]
    assert drafts_of(replace(plain, framework="dynamo-trt", users=511)) == 1  # three
    assert drafts_of(plain) == 2


def test_steps_of_prompts_are_as_scripts_of_their_time_set_them(file: Path) -> None:
    row = replace(read_apart(file)[0], framework="dynamo-trt")
    long, old = replace(row, prompt_tokens=8192.0), "2025-12-19"
    assert [tokens_read(replace(each, date=old)) for each in (row, long)] == [4608, 8448]
    assert [tokens_read(replace(long, date=date)) for date in ("", "2026-01-29")] == [16384, 16384]
    assert math.isnan(tokens_read(replace(row, framework="dynamo-sglang", date=old)))
    reads, _ = pool_of(row, row.prefill, "prefill")
    decodes, _ = pool_of(row, row.decode, "decode")
    assert (reads.limits.max_batched_tokens, decodes.limits.max_batched_tokens) == (16384, 8192)


def test_columns_of_a_rank_leave_experts_to_be_dealt_out(file: Path) -> None:
    file.write_text(f"{HEAD}\n{RANKS.replace('1,8,1,8,True', '1,8,1,1,True')}\n")
    (row,) = read_apart(file)
    assert as_row(row, row.decode, "", ()).expert_parallel == 8
    assert as_row(row, replace(row.decode, tensor_parallel=8), "", ()).expert_parallel == 1


def test_three_requests_of_a_user_stand_for_the_ten_that_were_sent() -> None:
    """Two users: the first requests last 10 s, those between 2 s, the last 1 s. Of ten of each eight are like those
    between, so that the ten last 10 + 8 x 2 + 1 s, in which twenty requests of 3 + 2 tokens pass.
    """
    arrived = np.array([0.0, 0.0, 10.0, 10.0, 12.0, 12.0])
    ended = arrived + np.array([10.0, 10.0, 2.0, 2.0, 1.0, 1.0])
    played = request_table(
        arrived_at=arrived,
        first_token_at=ended,
        last_token_at=ended,
        finished_at=ended,
        prompt_tokens=np.full(6, 3),
        output_tokens=np.full(6, 2),
    )
    found = as_sent(played, 2)
    assert found["ttft_p50_ms"] == 2000.0
    assert found["ttft_mean_ms"] == pytest.approx((10 + 8 * 2 + 1) / 10 * 1e3)
    assert found["total_tok_s"] == pytest.approx(20 * 5 / (10 + 8 * 2 + 1))


def test_requests_that_never_finished_tell_nothing() -> None:
    assert as_sent(request_table(arrived_at=np.zeros(3), status=np.full(3, REJECTED)), 1) == {}
