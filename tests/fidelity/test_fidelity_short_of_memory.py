"""Servers whose memory is short: rows on which an earlier build preempted more than one request in fifty."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from infermodel.fidelity.replay import replay
from infermodel.fidelity.rows import read_rows

HERE = Path(__file__).parent
MEASUREMENTS = Path(os.environ.get("INFERMODEL_MEASUREMENTS", "nowhere")) / "measurements_2026.csv"

with (HERE / "short_of_memory.csv").open() as file:
    LISTED = list(csv.DictReader(line for line in file if not line.startswith("#")))


@pytest.mark.skipif(not MEASUREMENTS.exists(), reason="INFERMODEL_MEASUREMENTS points to no measurements_2026.csv")
def test_throughput_where_memory_is_short() -> None:
    # Qwen3 32B on "one H100" reads 66 GB of weights in 43 ms and computes a quarter of that device's peak, half of what
    # every other row on it does: an H100 PCIe of 2.04 TB/s would, and is what these two rows are played on.
    rows = {row.id: row for row in read_rows(MEASUREMENTS)}
    errors = {}
    for line in LISTED:
        row = replace(rows[line["id"]], gpu=line["other_device"] or rows[line["id"]].gpu)
        predicted = replay(row, MEASUREMENTS.parent).predicted["output_tok_s"]
        errors[row.id] = predicted / row.measured["output_tok_s"] - 1
    assert len(errors) == 10
    assert median(map(abs, errors.values())) < 0.15, errors
    assert max(map(abs, errors.values())) < 0.40, errors
