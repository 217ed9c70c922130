"""The same question gives the same bytes: in any process, with any hash seed, on any number of cores, on any Python."""

from __future__ import annotations

import csv
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyarrow import parquet
from tests.faults.commands import lay_out

from infermodel.cli import infermodel

SOURCES = Path(__file__).parents[2] / "src"
PYTHONS = "INFERMODEL_PYTHONS"
"""Other interpreters to compare with, separated by colons; each has this program's requirements installed."""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    lay_out(tmp_path)
    return tmp_path


def tables(report: Path) -> dict[str, bytes]:
    """The bytes of a report without what names the command and the versions."""
    found = {path.name: path.read_bytes() for path in report.iterdir() if path.name != "manifest.json"}
    if "report.html" in found:
        maker = rb" by infermodel [^<]*, <code>[^<]*</code>"
        found["report.html"], times = re.subn(maker, b"", found["report.html"])
        assert times == 1
    return found


def report(desk: Path, name: str, *more: str, python: str = sys.executable, **environment: str) -> dict[str, bytes]:
    """The report that a process of its own writes."""
    program = "from infermodel.cli import main; main()"
    arguments = ["run", "s.yaml", "--set", "capacity=false", "--out", name, *more]
    known = {**os.environ, "PYTHONPATH": str(SOURCES), **environment}
    done = subprocess.run([python, "-c", program, *arguments], cwd=desk, env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tables(desk / name)


def test_the_same_bytes_in_any_process_with_any_hash_seed(desk: Path) -> None:
    one, other, any_seed = (report(desk, f"o{seed}", PYTHONHASHSEED=seed) for seed in ("0", "1", "random"))
    assert {"summary.csv", "requests.csv.gz", "timeline.csv", "latency.svg", "report.html"} <= one.keys()
    assert one == other == any_seed


def test_the_same_bytes_on_any_number_of_cores(desk: Path) -> None:
    asked = ("--replications", "3", "--no-figures", "--jobs")
    assert report(desk, "one", *asked, "1") == report(desk, "two", *asked, "2") == report(desk, "three", *asked, "3")


def test_the_same_sweep_from_shards_and_cores(desk: Path) -> None:
    def swept(name: str, *parts: tuple[str, ...]) -> bytes:
        for part in parts:
            said = CliRunner().invoke(infermodel, ["sweep", str(desk / "sweep.yaml"), "--out", str(desk / name), *part])
            assert said.exit_code == 0, said.output
        return (desk / name / "sweep.csv").read_bytes()

    whole = swept("whole", ("--jobs", "1"))
    assert len(whole.splitlines()) > 10
    assert swept("shards", ("--shard", "2/2", "--jobs", "1"), ("--shard", "1/2", "--jobs", "1")) == whole
    assert swept("cores", ("--jobs", "2")) == whole


def test_parquet_and_csv_hold_the_same_bits(desk: Path) -> None:
    for form in ("csv", "parquet"):
        asked = ["run", str(desk / "s.yaml"), "--no-figures", "--set", "capacity=false", "--requests", form]
        assert CliRunner().invoke(infermodel, [*asked, "--out", str(desk / form)]).exit_code == 0
    table = parquet.read_table(desk / "parquet" / "requests.parquet")
    with gzip.open(desk / "csv" / "requests.csv.gz", "rt", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == table.column_names
    assert len(lines) == table.num_rows
    for name in table.column_names:
        values = table[name].to_pylist()
        written = ["" if value is None or value != value else str(value) for value in values]
        assert written == [line[name] for line in lines], name
    rest = {"requests.csv.gz", "requests.parquet"}
    one, other = ({k: v for k, v in tables(desk / form).items() if k not in rest} for form in ("csv", "parquet"))
    assert one.pop("report.html") != b""
    other.pop("report.html")  # names the other file
    assert one == other


def test_the_same_bytes_on_other_pythons(desk: Path) -> None:
    others = [path for path in os.environ.get(PYTHONS, "").split(":") if path]
    if not others:
        pytest.skip(f"no other interpreter: name some in {PYTHONS}")
    mine = report(desk, "mine")
    for number, python in enumerate(others):
        theirs = report(desk, f"other{number}", python=python)
        assert theirs.keys() == mine.keys(), python
        assert [name for name in mine if theirs[name] != mine[name]] == [], python
