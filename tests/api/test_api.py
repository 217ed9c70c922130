"""`import infermodel`: quick, what its page says it is, and the same answers as the command line."""

from __future__ import annotations

import csv
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import infermodel as im
from infermodel import api
from infermodel.cli import infermodel

DOCS = Path(__file__).parents[2] / "docs"

SCENARIO = """\
title: T
requests: 40
capacity: false
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: fixed, tokens: 1000}
  output_tokens: {kind: fixed, tokens: 50}
objectives: {ttft_p50: 5 s}
services:
  - {name: 8B, model: llama-3.1-8b, fleet: {system: dgx-h100, replicas: 1}}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("api") / "s.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def answer(file: Path) -> Any:
    return im.run(file)


def cpu_s(program: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_importing_is_quick() -> None:
    nothing = min(cpu_s("pass") for _ in range(5))
    assert min(cpu_s("import infermodel") for _ in range(5)) <= 8 * nothing


def test_the_names_are_those_of_the_page() -> None:
    page = (DOCS / "python.md").read_text().split("## Contents")[1].split("##")[0]
    listed = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert sorted(listed) == im.__all__ == api.__all__
    for name in listed:
        assert getattr(im, name).__doc__, name
        assert name in dir(im)
    with pytest.raises(AttributeError, match="simulate"):
        _ = im.simulate


def test_a_run_says_what_the_command_line_says(file: Path, answer: Any, tmp_path: Path) -> None:
    said = CliRunner().invoke(infermodel, ["run", str(file), "--out", str(tmp_path / "r"), "--no-figures"]).stdout
    assert said == f"{answer}\n\nreport: {tmp_path / 'r' / 'report.html'}\n"
    answer.write(tmp_path / "own", figures=False, command=["infermodel"])
    for name in ("summary.csv", "prices.csv", "requests.csv.gz", "timeline.csv", "scenario.resolved.yaml"):
        assert (tmp_path / "own" / name).read_bytes() == (tmp_path / "r" / name).read_bytes(), name


def test_frames_have_the_documented_columns_and_units(answer: Any, tmp_path: Path) -> None:
    folder = answer.write(tmp_path / "r", figures=False)
    for name, found in (("summary", answer.summary), ("timeline", answer.timeline), ("prices", answer.table("prices"))):
        with (folder / f"{name}.csv").open() as table:
            assert list(found.columns) == next(csv.reader(table)), name
        assert list(found.attrs["units"]) == list(found.columns), name
    assert (len(answer.requests), answer.requests.attrs["units"]["ttft_s"]) == (40, "s")
    first = answer.requests.iloc[0]
    assert first.ttft_s == pytest.approx(first.first_token_at - first.arrived_at)
    assert answer.summary.replicas[0] == 1
    with pytest.raises(KeyError, match="there are summary, "):
        answer.table("sumary")


def test_a_notebook_shows_tables(answer: Any) -> None:
    shown = answer._repr_html_()
    assert "<th>service</th>" in shown
    assert "<td>8B</td>" in shown
    assert repr(answer) == "<RunAnswer: T>"


def test_a_scenario_is_changed_in_python(file: Path) -> None:
    base = im.load(file, set={"seed": np.int64(3)})
    two = base.changed({"services.8B.fleet.replicas": 2, "traffic.arrivals": {"kind": "constant", "rate": "1 /s"}})
    assert (base.resolved.seed, two.resolved.seed) == (3, 3)
    assert [each.resolved.services[0].pool.replicas for each in (base, two)] == [1, 2]
    assert "2" in two.table("services")["replicas"][0]
    assert base.digest != two.digest
    said = CliRunner().invoke(infermodel, ["run", str(file), "--dry-run", "--seed", "3"]).stdout
    assert said == f"{base.answer}\n"


def test_a_scenario_is_made_of_dictionaries_and_written_back(file: Path, tmp_path: Path) -> None:
    made = {
        "title": "T",
        "requests": 40,
        "capacity": False,
        "traffic": {
            "arrivals": {"kind": "poisson", "rate": "60 /min"},
            "prompt_tokens": {"kind": "fixed", "tokens": 1000},
            "output_tokens": {"kind": "fixed", "tokens": 50},
        },
        "objectives": {"ttft_p50": "5 s"},
        "services": [{"name": "8B", "model": "llama-3.1-8b", "fleet": {"system": "dgx-h100", "replicas": 1}}],
    }
    assert im.load(made).digest == im.load(file).digest
    assert im.load(im.load(made).write(tmp_path / "again.yaml")).digest == im.load(file).digest


def test_mistakes_have_a_place(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(SCENARIO.replace("dgx-h100", "dgx-h10"))
    with pytest.raises(im.InputError) as raised:
        im.load(path)
    column = SCENARIO.splitlines()[9].index("dgx-h100") + 1
    assert (raised.value.line, raised.value.column) == (10, column)
    assert "did you mean 'dgx-h100'" in str(raised.value)
    with pytest.raises(im.InputError, match="has no objectives"):
        im.capacity(im.load(file, set={"objectives": None}))
    rows = tmp_path / "rows.csv"
    rows.write_text("id,gpu,engine,model,load,weights_precision,prompt_tokens,output_tokens\na,b,c,d,closed,bf16,x,1\n")
    with pytest.raises(im.InputError, match="'x' is no number") as raised:
        im.validate(rows)
    assert raised.value.line == 2
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(im.InputError, match="no report"):
        im.run(file).write(tmp_path, figures=False)


def test_progress_is_told(file: Path) -> None:
    told: list[im.Progress] = []
    im.run(file, replications=2, on_progress=told.append)
    assert [(each.done, each.total) for each in told] == [(0, 2), (1, 2), (2, 2)]
    assert told[0].doing == "simulating s.yaml"


def test_answers_are_compared_without_a_report(file: Path, answer: Any) -> None:
    other = im.run(im.load(file, set={"traffic.output_tokens.tokens": 100}))
    found = im.compare(answer, other)
    tokens = found.summary.query("metric == 'tpm'")
    assert list(tokens.report) == ["run 1", "run 2"]
    assert list(tokens.value) == pytest.approx([60 * (1000 + 50), 60 * (1000 + 100)])  # 60 requests a minute each
    assert "tokens/min" in str(found)
    with pytest.raises(im.InputError, match="two reports or more"):
        im.compare(answer)


def test_a_sweep_and_a_plan(file: Path, tmp_path: Path) -> None:
    sweep = file.with_name("sweep.yaml")
    sweep.write_text(
        "title: W\nbase: s.yaml\nask: run\naxes:\n  - {name: rate, path: traffic.arrivals.rate, values: [60 /min]}\n"
    )
    half = im.sweep(sweep, shard=(1, 2), points=tmp_path / "points")
    assert not half.is_whole
    with pytest.raises(im.InputError, match="1 of 2 points done"):
        half.write(tmp_path / "w")
    whole = im.sweep(sweep, points=tmp_path / "points").summary.query("measure == 'offered_rpm'")
    assert list(whole.value) == pytest.approx([60, 60])  # of the base, and of the one value
    changed = im.sweep(sweep, set={"traffic.arrivals.rate": "30 /min", "axes.0.values": ["90 /min"]}).summary
    assert list(changed.query("measure == 'offered_rpm'").value) == pytest.approx([30, 90])
    plan = file.with_name("plan.yaml")
    plan.write_text(
        "title: P\nbase: s.yaml\nmost_systems: 2\ncandidates:\n  - {system: dgx-h100, price: {purchase: dgx-h100}}\n"
    )
    with pytest.raises(im.InputError, match="--set spares=x: spares: expected a whole number, got 'x'"):
        im.plan(plan, set=["spares=x"])
    found = im.plan(plan, set={"spares": 0, "services.0.fleet.replicas": None})
    assert list(found.summary.best) == [True]
    assert "Cheapest: 1 + " in str(found)
    assert im.load(found.write(tmp_path / "p") / "best.yaml").resolved.services[0].pool.systems == 1
