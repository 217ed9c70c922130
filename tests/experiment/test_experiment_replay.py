"""A run written to a folder, read back as a trace and run again, is the same run."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from infermodel.experiment import run
from infermodel.report.write import write
from infermodel.scenario import load, resolve

FIRST = """
title: traffic of a law
seed: 3
requests: 200
warm_up: 0 s
traffic:
  arrivals: {kind: gamma, rate: 300 /min, cv: 2}
  prompt_tokens: {kind: lognormal, mean: 900, cv: 0.7, min: 16, max: 6000}
  output_tokens: {kind: uniform, low: 1, high: 60}
services:
  - name: GPU
    model: llama-3.1-8b
    fleet: {system: dgx-h100, replicas: 2}
    limits: {max_context: 8192, max_sequences: 8}
  - name: wafer
    model: llama-3.1-8b
    fleet: {system: cs-3}
    limits: {max_context: 8192, max_sequences: 8}
"""


def test_a_run_exported_and_replayed_is_the_same_run(tmp_path: Path) -> None:
    first_file, again_file = tmp_path / "first.yaml", tmp_path / "again.yaml"
    services = FIRST[FIRST.index("services:") :]
    first_file.write_text(FIRST)
    first = run(resolve(load(first_file)))
    folder = write(first, [], [], tmp_path / "report", figures=False)
    with gzip.open(folder / "requests.csv.gz", "rt") as file:
        header, *lines = file.read().splitlines()
    gpu = [line for line in lines if line.startswith("GPU,")]
    (tmp_path / "exported.csv").write_text("\n".join([header, *gpu]) + "\n")
    again_file.write_text(
        "title: the same from its file\nseed: 4\nwarm_up: 0 s\n"
        "traffic: {arrivals: {kind: trace, file: exported.csv, format: requests}}\n" + services
    )
    again = run(resolve(load(again_file)))
    for one, other in zip(first.services, again.services, strict=True):
        ours, theirs = one.record.requests, other.record.requests
        assert np.isfinite(ours.finished_at[:200]).all()
        for name in ("arrived_at", "first_scheduled_at", "first_token_at", "last_token_at", "finished_at", "replica"):
            assert getattr(ours, name)[:200].tobytes() == getattr(theirs, name)[:200].tobytes(), name
