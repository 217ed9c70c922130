from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.report.example_report import example

from infermodel.answers.comparison import ComparisonAnswer
from infermodel.cli import infermodel
from infermodel.report.compare.differences import Difference, differences, paired
from infermodel.report.compare.read import Requests, SavedReport, read_reports
from infermodel.report.folder import NotAReport
from infermodel.report.write import write


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A report, and the same with every first token of the first service 10 ms later."""
    root = tmp_path_factory.mktemp("reports")
    result, capacities, verdicts = example()
    first = result.services[0]
    requests = first.record.requests
    later = replace(requests, first_token_at=requests.first_token_at + 0.01)
    summary = replace(first.summary, ttft_mean_s=first.summary.ttft_mean_s + 0.01)
    changed = replace(first, record=replace(first.record, requests=later), summary=summary)
    other = replace(result, services=(changed, *result.services[1:]))
    return [
        write(result, capacities, verdicts, root / "base", figures=False),
        write(other, capacities, verdicts, root / "later", figures=False),
    ]


def find(rows: list[Difference], service: str, metric: str, report: str) -> Difference:
    (row,) = (r for r in rows if (r.service, r.load, r.metric, r.report) == (service, "offered", metric, report))
    return row


def test_a_change_that_every_request_sees_has_no_noise(folders: list[Path]) -> None:
    rows = list(differences(read_reports(folders)))
    changed = find(rows, "CS-3 8B", "ttft_mean_s", "later")
    assert changed.difference == pytest.approx(0.01, abs=1e-12)
    assert changed.interval == "paired"
    assert changed.half_width < 1e-9
    assert changed.is_established
    same = find(rows, "CS-3 70B", "ttft_mean_s", "later")
    assert (same.difference, same.ratio, same.half_width) == (0.0, 1.0, 0.0)
    assert not same.is_established
    assert find(rows, "CS-3 8B", "ttft_p99_s", "later").is_established is None


def test_prices_that_do_not_hold_keep_their_number_and_are_struck_out(folders: list[Path], tmp_path: Path) -> None:
    result, capacities, verdicts = example()
    first = result.services[0]
    missed = replace(
        first.summary, price_holds=False, price_reason="misses ttft_p99", tail_warning="p99 of 40 requests: too few"
    )
    other = replace(result, services=(replace(first, summary=missed), *result.services[1:]))
    folder = write(other, capacities, verdicts, tmp_path / "missed", figures=False)
    name = first.summary.service
    rows = list(differences(read_reports([folders[0], folder])))
    held, struck = (find(rows, name, "blended", report) for report in ("base", "missed"))
    assert (held.price_holds, held.note) == (True, "")
    assert (struck.price_holds, struck.note) == (False, "misses ttft_p99")
    assert struck.value == held.value  # the number stays
    assert find(rows, name, "ttft_p99_s", "missed").note == "p99 of 40 requests: too few"
    assert find(rows, name, "ttft_mean_s", "missed").note == ""
    at_capacity = [r for r in rows if (r.load, r.metric, r.service) == ("capacity", "blended", name)]
    assert all(each.price_holds for each in at_capacity)
    said = CliRunner().invoke(
        infermodel, ["compare", str(folders[0]), str(folder), "--out", str(tmp_path / "c"), "--no-figures"]
    )
    assert f"missed, {name}: the price at the offered load does not hold: misses ttft_p99" in said.output
    page = (tmp_path / "c" / "compare.html").read_text(encoding="utf-8")
    assert '</s><small class="bad">misses ttft_p99</small>' in page


def test_pairs_take_the_common_noise_out() -> None:
    # 40 requests, 20 batches of 2: the change is 1 and 3 in turn, every batch mean 2; alone the latencies spread widely
    arrived = np.arange(40.0)
    noise = np.random.default_rng(1).exponential(100.0, 40)
    base = Requests(arrived, {"ttft_s": noise})
    other = Requests(arrived, {"ttft_s": noise + np.tile([1.0, 3.0], 20)})
    interval = paired(base, other, "ttft_s")
    assert interval is not None
    assert interval.mean == pytest.approx(2.0)
    assert interval.half_width == pytest.approx(0.0, abs=1e-9)


def test_requests_that_differ_are_no_pairs() -> None:
    one, two = Requests(np.array([0.0, 1.0]), {}), Requests(np.array([0.0, 1.5]), {})
    assert paired(one, two, "ttft_s") is None


def test_a_service_that_one_report_lacks_has_an_empty_figure() -> None:
    def saved(title: str, service: str) -> SavedReport:
        return SavedReport(title, "d", 1, {service: {"rpm": "120.0"}}, {}, {}, {}, {})

    rows = list(differences([saved("a", "old"), saved("b", "new")]))
    values = {(r.service, r.report): r.value for r in rows if r.metric == "rpm"}
    assert values[("old", "a")] == values[("new", "b")] == 120.0
    assert isnan(values[("old", "b")])
    assert isnan(values[("new", "a")])


def test_a_ratio_to_nothing_is_empty() -> None:
    def saved(title: str, rpm: str) -> SavedReport:
        return SavedReport(title, "d", 1, {"s": {"rpm": rpm}}, {}, {}, {}, {})

    rows = [r for r in differences([saved("a", "0.0"), saved("b", "5.0")]) if r.metric == "rpm"]
    assert (rows[1].difference, str(rows[1].ratio)) == (5.0, str(nan))


def test_a_comparison_on_disk(folders: list[Path], tmp_path: Path) -> None:
    compared = ComparisonAnswer(read_reports(folders))
    compared.write(tmp_path / "c")
    names = {"compare.csv", "compare.html", "compare_bars.svg", "compare_latency.svg", "manifest.json"}
    assert {path.name for path in (tmp_path / "c").iterdir()} == names
    with (tmp_path / "c" / "compare.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(compared.differences)
    page = (tmp_path / "c" / "compare.html").read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in page
    assert "<script" not in page
    ComparisonAnswer(read_reports(folders)).write(tmp_path / "d")
    for name in names:
        assert (tmp_path / "c" / name).read_bytes() == (tmp_path / "d" / name).read_bytes()


def test_parquet_and_csv_compare_alike(folders: list[Path], tmp_path: Path) -> None:
    write(*example(), tmp_path / "base", figures=False, requests="parquet")
    (one,), (two,) = read_reports([folders[0]]), read_reports([tmp_path / "base"])
    for service, requests in one.requests.items():
        for name, values in requests.latencies.items():
            assert np.array_equal(values, two.requests[service].latencies[name], equal_nan=True)


def test_what_is_no_report_is_said(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(NotAReport, match=r"no report of a run: manifest\.json cannot be read: No such file"):
        read_reports([folders[0], tmp_path])
    broken = tmp_path / "broken"
    shutil.copytree(folders[0], broken)
    (broken / "manifest.json").write_text(json.dumps({"digest": "x"}))
    with pytest.raises(NotAReport, match="seed"):
        read_reports([broken])


def test_the_command(folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    both = [str(folder) for folder in folders]
    said = CliRunner().invoke(infermodel, ["compare", *both, "--no-figures"])
    assert said.exit_code == 0, said.stderr
    assert "reports/compare_base_later/compare.html" in said.stdout
    assert "0.01 +- " in said.stdout
    assert CliRunner().invoke(infermodel, ["compare", both[0]]).exit_code == 2
    assert CliRunner().invoke(infermodel, ["compare", both[0], str(tmp_path)]).exit_code == 2
