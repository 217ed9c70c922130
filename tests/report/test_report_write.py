from __future__ import annotations

import csv
import gzip
import json
import os
import re
from pathlib import Path

import pytest
from pyarrow import parquet
from tests.report.example_report import HOSTILE, example, hostile

from infermodel.formats import requests_csv
from infermodel.report import tables
from infermodel.report.write import write
from infermodel.scenario import load, resolve


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(*example(), tmp_path_factory.mktemp("reports") / "small", command=["infermodel", "run", "small.yaml"])


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(*hostile(), tmp_path_factory.mktemp("reports") / "nasty")


def rows(path: Path) -> list[dict[str, str]]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(text.decode("utf-8").splitlines()))


def test_a_report_has_its_files(report: Path) -> None:
    pictures = "speed_price speed_latency capacity latency objectives throughput kv_use cost roofline claims"
    assert {path.name for path in report.iterdir()} == {
        *tables.SCHEMAS,
        "report.html",
        "scenario.resolved.yaml",
        "deploy.sh",
        "deploy.yaml",
        "manifest.json",
        *(f"{name}.svg" for name in pictures.split()),
    }


def test_every_table_has_its_declared_columns(report: Path) -> None:
    for name, schema in tables.SCHEMAS.items():
        found = rows(report / name)
        assert found, name
        assert list(found[0]) == [each.name for each in schema], name


def test_claims_have_the_columns_that_were_asked_for(report: Path) -> None:
    header = (report / "claims.csv").read_text().splitlines()[0]
    assert header == "id,statement,published,unit,modelled,ratio,used_to_fit,verdict,reason,source"


def test_tables_say_what_the_run_said(report: Path) -> None:
    result, capacities, _ = example()
    summary = rows(report / "summary.csv")
    assert [row["service"] for row in summary] == [each.name for each in result.scenario.services]
    assert [float(row["ttft_p99_s"]) for row in summary] == [each.summary.ttft_p99_s for each in result.services]
    assert [float(row["low"]) for row in rows(report / "capacity.csv")] == [each.low for each in capacities]
    points = rows(report / "capacity_points.csv")
    assert len(points) == sum(len(each.points) for each in capacities)
    assert {row["sustained"] for row in points} == {"true", "false"}


def test_prices_add_up(report: Path) -> None:
    for service in ("CS-3 8B", "DGX H100 8B"):
        for at in ("capacity", "offered"):
            items = {
                row["item"]: float(row["mid"])
                for row in rows(report / "prices.csv")
                if row["service"] == service and row["load"] == at
            }
            parts = sum(usd for item, usd in items.items() if item.startswith("hourly.") and item != "hourly.total")
            assert parts == pytest.approx(items["hourly.total"], rel=1e-12)


def test_requests_read_back_to_the_same_bits(report: Path) -> None:
    result, _, _ = example()
    written = rows(report / "requests.csv.gz")
    assert len(written) == sum(len(each.record.requests) for each in result.services)
    requests = result.services[0].record.requests
    mine = [row for row in written if row["service"] == "CS-3 8B"]
    assert [float(row["first_token_at"]) for row in mine if row["first_token_at"]] == [
        at for at in requests.first_token_at.tolist() if at == at
    ]
    assert {row["status"] for row in mine} <= {"finished", "unfinished", "rejected"}


def test_the_resolved_scenario_loads_again_to_the_same_digest(report: Path) -> None:
    result, _, _ = example()
    assert resolve(load(report / "scenario.resolved.yaml")).digest == result.scenario.digest


def test_the_manifest_states_digest_seed_versions_command_and_checksums(report: Path) -> None:
    result, _, _ = example()
    manifest = json.loads((report / "manifest.json").read_text())
    assert (manifest["digest"], manifest["seed"]) == (result.scenario.digest, 1)
    assert manifest["command"] == ["infermodel", "run", "small.yaml"]
    assert manifest["infermodel"]
    assert manifest["libraries"]["numpy"]
    assert set(manifest["sha256"]) == {path.name for path in report.iterdir()} - {"manifest.json"}


def test_the_same_run_gives_the_same_bytes(report: Path, tmp_path: Path) -> None:
    again = write(*example(), tmp_path / "again", command=["infermodel", "run", "small.yaml"])
    assert {path.name for path in again.iterdir()} == {path.name for path in report.iterdir()}
    for path in report.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_without_figures_there_are_none(tmp_path: Path) -> None:
    report = write(*example(), tmp_path / "plain", figures=False)
    assert not list(report.glob("*.svg"))
    assert "<img" not in (report / "report.html").read_text()


def test_parquet_holds_the_same_requests(report: Path, tmp_path: Path) -> None:
    written = write(*example(), tmp_path / "parquet", figures=False, requests="parquet")
    table = parquet.read_table(written / "requests.parquet")
    assert table.column_names == [each.name for each in tables.REQUEST_COLUMNS]
    from_csv = [row["first_token_at"] for row in rows(report / "requests.csv.gz")]
    assert ["" if cell != cell else repr(cell) for cell in table["first_token_at"].to_pylist()] == from_csv
    assert not (written / "requests.csv.gz").exists()


def test_no_cell_starts_a_formula(nasty: Path) -> None:
    for name in tables.SCHEMAS:
        for row in rows(nasty / name):
            for column, cell in row.items():
                assert cell[:1] not in {*"=+@|%\t\r"}, (name, column, cell)
                assert cell[:1] != "-" or float(cell) < 0, (name, column, cell)


def test_a_nasty_name_is_no_path(nasty: Path) -> None:
    assert all(re.fullmatch(r"[\w.]+", path.name) for path in nasty.iterdir())
    assert [path.name for path in nasty.parent.iterdir()] == ["nasty"]


def test_a_nasty_name_is_text_in_the_page(nasty: Path) -> None:
    page = (nasty / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert HOSTILE not in page


def test_the_page_loads_nothing_and_runs_nothing(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert '<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; img-src data:;' in page
    for source in re.findall(r'(?:src|href|action|data)\s*=\s*"([^"]*)"', page):
        assert source.startswith("data:image/svg+xml;base64,")
    assert not re.search(r"\son\w+\s*=|javascript:|@import|url\(|<(script|iframe|object|embed|link|form|base)\b", page)


def test_the_page_tells_the_story_in_order(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    parts = ["The answer", "At capacity", "Why", "Pictures", "Claims", "Tables", "Not modelled", "checked laws:"]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    result, _, _ = example()
    assert f"checked laws: {len(result.laws)} checks of" in page
    assert result.scenario.digest in page


def test_a_broken_write_leaves_the_old_report(report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write(*example(), tmp_path / "kept", figures=False)
    before = {path.name: path.read_bytes() for path in place.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("infermodel.report.write.write_timeline", full)
    with pytest.raises(OSError, match="No space"):
        write(*example(), place)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert os.listdir(tmp_path) == ["kept"]


def test_our_own_requests_can_be_read_as_a_trace(report: Path) -> None:
    result, _, _ = example()
    path = report.parent / "alone.csv"
    with gzip.open(report / "requests.csv.gz", "rt", encoding="utf-8") as file:
        lines = file.readlines()
    path.write_text("".join([lines[0], *(line for line in lines if line.startswith("CS-3 8B"))]), encoding="utf-8")
    trace = requests_csv.read(path)
    assert trace.arrived_at_s.tolist() == result.services[0].record.requests.arrived_at.tolist()
