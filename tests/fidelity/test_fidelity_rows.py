from __future__ import annotations

import math

import pytest
from tests.fidelity.measured_rows import write_rows

from infermodel.fidelity.replay import replay
from infermodel.fidelity.rows import UNSAID, RowError, read_rows
from infermodel.fidelity.server import Skipped

LINE = (
    "a1,ours,A,h100-sxm,4,4,1,1,vllm,0.10.2,fp8,fp8,llama-3.3-70b,closed,16,,160,1024,1024,uniform_0.8,,no,,"
    "8192,16,,121.4,13.19,"
)


def test_a_row_is_read_with_what_it_leaves_open(tmp_path) -> None:
    (row,) = read_rows(write_rows(tmp_path / "m.csv", LINE))
    assert (row.id, row.tensor_parallel, row.model, row.concurrency) == ("a1", 4, "llama-3.3-70b", 16.0)
    assert math.isnan(row.request_rate_per_s)
    assert math.isnan(row.memory_utilisation)
    assert row.measured == {"ttft_mean_ms": 121.4, "tpot_mean_ms": 13.19}
    assert row.group == ("ours", "h100-sxm", "vllm", "llama-3.3-70b")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            LINE.replace("closed", "opened"),
            "m.csv:2: load: 'opened' is none of closed, poisson, trace, offline, single",
        ),
        (LINE.replace(",16,,160", ",many,,160"), "m.csv:2: concurrency: 'many' is no number"),
        (LINE.replace("sxm,4,4", "sxm,4,0"), "m.csv:2: tensor_parallel: 0 is no count"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path, wrong, said) -> None:
    with pytest.raises(RowError) as error:
        read_rows(write_rows(tmp_path / "m.csv", wrong))
    assert str(error.value).endswith(said)


def test_a_missing_column_is_named(tmp_path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("id,gpu\n1,h100-sxm\n")
    with pytest.raises(
        RowError, match="no column engine, load, model, output_tokens, prompt_tokens, weights_precision"
    ):
        read_rows(path)


def with_drafts(folder, draft: str, tokens: str, acceptance: str):
    path = write_rows(folder / "m.csv", LINE)
    header, line = path.read_text().splitlines()
    path.write_text(f"{header},draft,drafted_tokens,acceptance\n{line},{draft},{tokens},{acceptance}\n")
    return path


def test_a_row_says_who_drafts_and_what_is_accepted(tmp_path) -> None:
    (row,) = read_rows(with_drafts(tmp_path, "mtp", "3", "0.9;0.8;0.7"))
    assert (row.draft, row.acceptance) == ("mtp", (0.9, 0.8, 0.7))
    (row,) = read_rows(with_drafts(tmp_path, "ngram", "2", "0.5"))
    assert row.acceptance == (0.5, 0.5)


@pytest.mark.parametrize(
    "cells", [("mtp", "", "0.9"), ("mtp", "2", "1.5"), ("mtp", "2", "half"), ("mtp", "3", "0.9;0.8"), ("mtp", "2", "")]
)
def test_drafts_without_a_number_or_an_acceptance_are_refused(tmp_path, cells) -> None:
    with pytest.raises(RowError, match=r"m\.csv:2: drafts need drafted_tokens, and an acceptance"):
        read_rows(with_drafts(tmp_path, *cells))


def test_a_server_that_drafts_is_not_played_as_one_that_does_not(tmp_path) -> None:
    path = write_rows(tmp_path / "m.csv", LINE)
    header, line = path.read_text().splitlines()
    noted = ("speculative decoding; an image", "speculative decoding: mtp; an image", "no drafts")
    path.write_text("\n".join([f"{header},notes", *(f"{line},{note}" for note in noted), ""]))
    unsaid, told, plain = read_rows(path)
    assert (unsaid.draft, told.draft, plain.draft) == (UNSAID, "mtp", "")
    with pytest.raises(Skipped, match="its server verifies drafts; say whose"):
        replay(unsaid, tmp_path)
    with pytest.raises(Skipped, match="its server verifies drafts by mtp; say how many and how often right"):
        replay(told, tmp_path)
    shares = (0.6, 0.5)
    assert [row.drafting("", shares).acceptance for row in (unsaid, told, plain)] == [shares, shares, ()]
    assert [row.drafting("eagle3", shares).draft for row in (unsaid, told, plain)] == ["eagle3", "mtp", "eagle3"]
