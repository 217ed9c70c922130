"""Rows of servers with prompts and answers apart: read, played, scored; figures of our own making."""

from __future__ import annotations

import math
import os
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner

import infermodel as im
from infermodel.answers.apart import ApartAnswer
from infermodel.cli import infermodel
from infermodel.fidelity.disaggregated import ApartPrediction, as_row, predict_apart, read_apart
from infermodel.fidelity.rows import RowError

HEAD = (
    "id,gpu,framework,model,weights_precision,speculative,prefill_workers,prefill_gpus,prefill_tp,prefill_ep,"
    "prefill_dp_attention,decode_workers,decode_gpus,decode_tp,decode_ep,decode_dp_attention,prompt_tokens,"
    "output_tokens,length_spread,concurrency,total_tok_s_per_gpu,ttft_p50_ms,tpot_p50_ms"
)
PLAIN = "a,h200-sxm,dynamo-sglang,deepseek-r1,fp8,none,2,16,8,1,False,3,24,8,1,False,512,64,uniform_0.8,6,50,100,10"
RANKS = "b,h200-sxm,dynamo-sglang,deepseek-r1,fp8,none,1,8,8,1,True,1,8,1,8,True,512,64,uniform_0.8,6,50,,"
DRAFTS = PLAIN.replace("a,", "c,", 1).replace("none", "mtp")
UNSAID = PLAIN.replace("a,", "d,", 1).replace("none,2,16,8", "none,0,16,")
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
    # Six users at a time: tokens of a request over the time of an answer, on 40 GPUs. Prompts 410 to 512, answers 52
    # to 64.
    assert plain.predicted["total_tok_s_per_gpu"] == pytest.approx(
        6 / (plain.predicted["e2e_mean_ms"] / 1e3) * (461 + 58) / 40, rel=0.03
    )
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


def test_a_broken_row_is_named(file: Path) -> None:
    file.write_text(f"{HEAD}\n{PLAIN.replace(',6,50', ',many,50')}\n")
    with pytest.raises(RowError, match=r"apart\.csv:2: invalid literal"):
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
