"""What mutants found, kept from coming back."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from infermodel.cli import infermodel

SCENARIO = """\
title: T
requests: 3
traffic:
  arrivals: {kind: ARRIVALS}
  prompt_tokens: {kind: fixed, tokens: 100}
  output_tokens: {kind: fixed, tokens: 10}
services:
  - {name: CS-3, model: llama-3.1-8b, fleet: {system: cs-3}, limits: {max_context: 8192}}
"""


def run(folder: Path, arrivals: str, log: str = "") -> Result:
    (folder / "log.csv").write_text("arrived_at_s,prompt_tokens,output_tokens\n" + log)
    (folder / "s.yaml").write_text(SCENARIO.replace("ARRIVALS", arrivals))
    arguments = ["run", str(folder / "s.yaml"), "--no-figures", "--out", str(folder / "report")]
    return CliRunner().invoke(infermodel, arguments)


def test_a_log_in_which_all_come_at_once_is_measured_whole(tmp_path: Path) -> None:
    said = run(tmp_path, "trace, file: log.csv, format: requests", "0,100,10\n0,200,20\n0,300,30\n")
    assert said.exit_code == 0, said.output
    with (tmp_path / "report" / "summary.csv").open(newline="") as file:
        (summary,) = csv.DictReader(file)
    assert (summary["arrived"], summary["finished"]) == ("3", "3")


@pytest.mark.parametrize(
    ("arrivals", "log", "said"),
    [
        ("poisson, rate: 1e-12 /s", "", "traffic.arrivals: would last 9.51e+04 years of simulated time, more than ten"),
        ("constant, rate: 1e-300 /s", "", "more than ten"),
        ("closed, users: 1, think_time: 9 year", "", "would last 27 years of simulated time"),
        ("trace, file: log.csv, format: requests", "0,1,1\n1e18,2,2\n", "more than ten; start it later with 'from'"),
        ("trace, file: log.csv, format: requests, rate_scale: 1e-9", "0,1,1\n1,2,2\n", "more than ten"),
        ("trace, file: log.csv, format: requests, repeat: 100000", "0,1,1\n9999,2,2\n", "more than ten"),
    ],
)
def test_a_run_of_more_years_than_a_clock_is_exact_is_refused(
    tmp_path: Path, arrivals: str, log: str, said: str
) -> None:
    result = run(tmp_path, arrivals, log)
    assert result.exit_code == 2
    assert f"{tmp_path}/s.yaml:4:" in result.stderr
    assert said in result.stderr
    assert not (tmp_path / "report").exists()
