"""Tables of rate limits, pools, questions, failures and uncertain constants are there where a run has them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from infermodel.experiment import run
from infermodel.experiment.uncertainty import bands
from infermodel.report import tables
from infermodel.report.write import write
from infermodel.scenario import load, resolve

SCENARIO = """
title: keys, pools, questions and failures
duration: 2 min
warm_up: 0 s
capacity: false
traffic:
  arrivals: {kind: offline, requests: 40}
  prompt_tokens: {kind: fixed, tokens: 100}
  output_tokens: {kind: fixed, tokens: 10}
services:
  - name: keys
    model: llama-3.1-8b
    fleet: {system: cs-3}
    limits: {max_context: 8192}
    rate_limits: {tenants: [{name: free, limits: [{period: 1 min, requests: 30, tokens: 60000}]}]}
  - name: pools
    model: llama-3.1-8b
    limits: {max_context: 8192}
    fleet:
      pools:
        - {name: readers, role: prefill, system: dgx-h100, replicas: 1}
        - {name: writers, role: decode, system: dgx-h100, replicas: 1}
  - name: questions
    model: llama-3.1-8b
    fleet: {system: cs-3}
    limits: {max_context: 8192}
    traffic:
      arrivals: {kind: constant, rate: 6 /min}
      prompt_tokens: {kind: fixed, tokens: 100}
      output_tokens: {kind: fixed, tokens: 10}
      session: {kind: chain, calls: 3, wait: 1 s}
  - name: failing
    model: llama-3.1-8b
    fleet: {system: cs-3}
    limits: {max_context: 8192}
    failures: {mtbf: 1 min, mttr: 30 s, law: fixed, repair_law: fixed}
    traffic:
      arrivals: {kind: constant, rate: 6 /min}
      prompt_tokens: {kind: fixed, tokens: 100}
      output_tokens: {kind: fixed, tokens: 10}
"""


def test_tables_of_keys_and_of_questions(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    scenario = resolve(load(tmp_path / "s.yaml"))
    drawn = bands(scenario, draws=2)
    folder = write(run(scenario), (), (), tmp_path / "report", bands=drawn, figures=False)
    found = {}
    for name, schema in tables.RARE_SCHEMAS.items():
        with (folder / name).open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == [each.name for each in schema]
        found[name] = rows
    (tenant,), (question,), (fleet,) = found["tenants.csv"], found["questions.csv"], found["fleets.csv"]
    assert (tenant["sent"], tenant["finished"], tenant["charged_tokens"]) == ("40", "40", "4400")
    assert 60 < float(tenant["makespan_s"]) < 61  # thirty at once, ten a minute later
    assert (question["calls_mean"], question["output_tokens_mean"]) == ("3.0", "30.0")
    assert 2 < float(question["answer_time_p50_s"]) < 3  # two tools of a second
    assert (fleet["service"], fleet["fleet"], fleet["replicas"]) == ("failing", "fixed", "1")
    states = [(each["state"], each["start_s"]) for each in found["states.csv"]]
    assert states == [("up", "0.0"), ("down", "60.0"), ("up", "90.0")]
    band = next(line for line in found["bands.csv"] if line["answer"] == "ttft_mean_s")
    assert float(band["low"]) < float(band["high"])
    assert band["draws"] == "2"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Keys and their limits" in page
    assert "Questions of several calls" in page
    assert "within the uncertainty of the constants" in page
    heads = set(re.findall(r'<th[^>]* title="[^"]*">([^<]*)</th>', page))
    assert {"serving, fewest", "USD/h", "TTFT p99", "replicas up", "all done in", "answer time, p95"} <= heads
    assert not [head for head in heads if "_" in head or head in ("mfu", "usd per h", "tpm")]
    assert "prompt tokens<br>cached" in page
