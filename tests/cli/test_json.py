"""`--json`: one object of one shape from every command, with the numbers of the tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from infermodel.cli import COMMANDS, infermodel

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"

SCENARIO = """\
title: T
requests: 30
capacity: coarse
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: fixed, tokens: 1000}
  output_tokens: {kind: fixed, tokens: 50}
objectives: {ttft_p50: 5 s}
services:
  - {name: 8B, model: llama-3.1-8b, fleet: {system: dgx-h100, replicas: 1}}
"""


def call(*args: str | Path) -> dict[str, Any]:
    found = CliRunner().invoke(infermodel, [*map(str, args), "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert list(told) == ["infermodel", "command", "tables", "notes", "files"]
    assert told["command"] == args[0]
    assert all(isinstance(rows, list) for rows in told["tables"].values())
    return dict(told)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(SCENARIO.replace("capacity: coarse\n", ""))
    return tmp_path / "s.yaml"


def test_every_command_takes_it_and_is_documented() -> None:
    page = DOCUMENT.read_text()
    for name in COMMANDS:
        assert "--json" in CliRunner().invoke(infermodel, [name, "--help"]).output, name
        assert f"`{name}`" in page, name


def test_a_run_tells_what_its_tables_do(file: Path, tmp_path: Path) -> None:
    told = call("run", file, "--no-figures", "--out", tmp_path / "r")
    assert told["files"] == [str(tmp_path / "r")]
    (row,) = told["tables"]["summary"]
    with (tmp_path / "r" / "summary.csv").open() as table:
        (written,) = csv.DictReader(table)
    assert set(row) == set(written)
    assert row["ttft_p50_s"] == float(written["ttft_p50_s"])
    assert [each["command"].split()[0] for each in told["tables"]["deploy"]] == ["vllm"]


def test_a_dry_run(file: Path) -> None:
    told = call("run", file, "--dry-run")
    assert told["tables"]["services"][0]["service"] == "8B"


def test_capacity_and_compare(file: Path, tmp_path: Path) -> None:
    told = call("capacity", file, "--width", "0.5", "--replications", "1", "--out", tmp_path / "a")
    assert told["tables"]["capacity"][0]["low"] > 0
    call("run", file, "--no-figures", "--out", tmp_path / "b", "--seed", "7")
    differences = call("compare", tmp_path / "b", tmp_path / "b", "--no-figures", "--out", tmp_path / "c")
    assert {row["service"] for row in differences["tables"]["compare"]} == {"8B"}


def test_a_sweep_and_a_plan(file: Path, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(
        "title: T\nbase: s.yaml\nask: run\naxes:\n  - {name: rate, path: traffic.arrivals.rate, values: [60 /min]}\n"
    )
    told = call("sweep", tmp_path / "sweep.yaml", "--jobs", "1", "--out", tmp_path / "w")
    assert told["tables"]["sweep"][0]["service"] == "8B"
    (tmp_path / "plan.yaml").write_text(
        "title: T\nbase: s.yaml\nmost_systems: 2\ncandidates:\n  - {system: dgx-h100, price: {purchase: dgx-h100}}\n"
    )
    told = call("plan", tmp_path / "plan.yaml", "--jobs", "1", "--out", tmp_path / "p")
    assert [row["best"] for row in told["tables"]["plan"]] == [True]
    assert [row["replicas"] for row in told["tables"]["deploy"]] == [8]


def test_catalog_schema_and_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert {"kind": "systems", "name": "cs-3"} in call("catalog")["tables"]["catalog"]
    assert {"name": "vllm", "title": "vLLM"} in call("catalog", "engines")["tables"]["engines"]
    figures = {row["figure"]: row for row in call("catalog", "device", "h100-sxm")["tables"]["figures"]}
    assert figures["memory_bandwidth"]["value"] == 3.35e12
    keys = {(row["within"], row["key"]) for row in call("schema")["tables"]["keys"]}
    assert {("The scenario", "title"), ("services[]", "fleet")} <= keys
    assert call("new", "mine.yaml")["files"] == ["mine.yaml"]


def test_what_is_wrong_is_said_as_always(tmp_path: Path) -> None:
    found = CliRunner().invoke(infermodel, ["run", str(tmp_path / "none.yaml"), "--json"])
    assert (found.exit_code, found.stdout) == (2, "")
    assert "none.yaml" in found.stderr
