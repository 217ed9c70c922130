"""Sweeps that are interrupted, shared out and resumed, against the plain one."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from infermodel.answers.sweep import SweepAnswer
from infermodel.cli.sweep import write_into
from infermodel.search.design import Point
from infermodel.search.points import MEASURES
from infermodel.search.sweep import run_sweep
from infermodel.search.sweep_schema import load_sweep
from infermodel.search.sweep_table import effects, times_of

BASE = """
title: base
requests: {requests}
warm_up: 0 s
traffic:
  arrivals: {{kind: poisson, rate: 600 /min}}
  prompt_tokens: {{kind: lognormal, mean: 300, cv: 0.7}}
  output_tokens: {{kind: fixed, tokens: 50}}
services:
  - {{name: GPU, model: llama-3.1-8b, fleet: {{system: dgx-h100, replicas: 1}}, price: {{purchase: dgx-h100}}}}
"""
AXES = """
title: what if
base: base.yaml
replications: 3
axes:
  - {{path: traffic.arrivals.rate, range: {{from: 60 /min, to: 1200 /min, points: {points}}}}}
  - {{name: batch, path: services.GPU.limits.max_sequences, values: [4, 64]}}
"""


def sweep_file(folder: Path, *, points: int = 3, requests: int = 60) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "base.yaml").write_text(BASE.format(requests=requests))
    (folder / "sweep.yaml").write_text(AXES.format(points=points))
    return folder / "sweep.yaml"


def table(folder: Path) -> bytes:
    return (folder / "sweep.csv").read_bytes()


def plain(file: Path, folder: Path) -> bytes:
    swept = run_sweep(load_sweep(file), folder.with_name(f"{folder.name}.points"))
    assert swept.is_whole
    SweepAnswer(swept).write(folder)
    return table(folder)


def command(file: Path, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    program = "from infermodel.cli import main\nif __name__ == '__main__': main()"
    return subprocess.Popen([sys.executable, "-c", program, "sweep", str(file), "--out", str(folder), *options])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A sweep file, and the folder of its plain run."""
    folder = tmp_path_factory.mktemp("small")
    file = sweep_file(folder)
    plain(file, folder / "plain")
    return file, folder / "plain"


def test_the_table_is_long_and_pairs_with_the_base(small: tuple[Path, Path]) -> None:
    rows = list(csv.DictReader(StringIO(table(small[1]).decode())))
    assert {row["point"] for row in rows} == {str(n) for n in range(7)}
    speed = [row for row in rows if row["measure"] == "tpot_mean_s"]
    assert [row["batch"] for row in speed] == ["", "4", "64", "4", "64", "4", "64"]
    assert speed[0]["difference"] == "0.0"
    base, other = float(speed[0]["value"]), float(speed[2]["value"])
    assert float(speed[2]["difference"]) == pytest.approx(other - base)
    # The same requests at both: the difference is surer than the value.
    assert float(speed[2]["difference_half_width"]) < float(speed[2]["half_width"]) + float(speed[0]["half_width"])
    assert all(row["replications"] == "3" for row in rows if row["measure"] != "note")
    # Short runs say so beside their numbers.
    notes = [row["note"] for row in rows if row["measure"] == "note"]
    assert notes
    assert all("p99 of" in note for note in notes)
    # Prices keep their number, and a flag beside it: 1 in every replication where they hold.
    assert {float(row["value"]) for row in rows if row["measure"] == "price_holds"} <= {0.0, 1 / 3, 2 / 3, 1.0}
    assert sum(row["measure"] == "price_holds" for row in rows) == sum(row["measure"] == "rpm" for row in rows)


def test_pictures_and_page_are_there(small: tuple[Path, Path]) -> None:
    names = {path.name for path in small[1].iterdir()}
    assert {"sweep.csv", "sweep.html", "lines.svg", "heat_map.svg", "tornado.svg"} <= names
    page = (small[1] / "sweep.html").read_text()
    assert "what if" in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_axis_with_the_larger_swing_comes_first(small: tuple[Path, Path]) -> None:
    swept = run_sweep(load_sweep(small[0]), small[1] / "points")
    found = effects(swept, "GPU", "usd_per_mtok")
    assert [each.axis for each in found] == ["rate", "batch"]  # idle hours cost most
    assert found[0].low_at == "1200.0 /min"


def test_slices_add_up_and_labels_stand_for_values(small: tuple[Path, Path], tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    file.write_text(file.read_text().replace("values: [4, 64]", "values: [4, 64], labels: [few, many]") + "slices: 4\n")
    one = list(csv.DictReader(StringIO(table(small[1]).decode())))
    four = list(csv.DictReader(StringIO(plain(file, tmp_path / "out").decode())))
    assert [row["batch"] for row in four if row["measure"] == "rpm"] == ["", *3 * ["few", "many"]]
    found = effects(run_sweep(load_sweep(file), tmp_path / "out.points"), "GPU", "usd_per_mtok")
    assert {found[1].low_at, found[1].high_at} == {"few", "many"}
    for measure, times in {"rpm": 4, "usd_per_h": 4, "usd_per_h_low": 4, "usd_per_mtok": 1, "ttft_p99_s": 1}.items():
        values = [[float(row["value"]) for row in rows if row["measure"] == measure] for rows in (one, four)]
        assert values[1] == pytest.approx([times * each for each in values[0]])


def test_dollars_watts_and_failures_of_slices_add_up() -> None:
    added = {name for name, unit in MEASURES.items() if unit in ("USD/h", "W")} | {"failures_a_month"}
    assert {"usd_per_h_lost", "power_w"} < added
    assert {times_of(Point(1, (), (), slices=4), name) for name in added} == {4}


def test_an_axis_of_slices_asks_once_and_multiplies(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    file.write_text("title: how large\nbase: base.yaml\naxes: [{path: slices, values: [1, 3], labels: [one, three]}]\n")
    rows = list(csv.DictReader(StringIO(plain(file, tmp_path / "out").decode())))
    assert len(list((tmp_path / "out.points").iterdir())) == 1
    _, one, three = [float(row["value"]) for row in rows if row["measure"] == "tpm"]
    assert three == pytest.approx(3 * one)
    assert len({row["value"] for row in rows if row["measure"] == "usd_per_mtok"}) == 1


def test_a_page_of_ones_own_gets_tables_and_pictures(small: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("![](pictures/sweep-panels.png)\n<!-- sweep, batch=4: rpm, usd_per_mtok -->\n<!-- end -->\n")
    answer = SweepAnswer(run_sweep(load_sweep(small[0]), small[1] / "points"))
    write_into(page, "sweep", small[1], answer)
    assert "| rate | system | rpm | USD/Mtok |" in page.read_text()
    assert (tmp_path / "sweep.csv").read_bytes() == table(small[1])
    assert (tmp_path / "pictures" / "sweep-panels.png").read_bytes().startswith(b"\x89PNG")


def test_processes_and_shards_give_the_same_table(small: tuple[Path, Path], tmp_path: Path) -> None:
    file, folder = small
    sweep = load_sweep(file)
    run_sweep(sweep, tmp_path / "two.points", jobs=2)
    assert plain(file, tmp_path / "two") == table(folder)
    for i in (1, 2, 3):
        swept = run_sweep(sweep, tmp_path / "parts.points", shard=(i, 3))
        assert swept.is_whole is (i == 3)
    SweepAnswer(swept).write(tmp_path / "parts")
    assert table(tmp_path / "parts") == table(folder)


def test_points_that_cannot_be_built_keep_their_reason(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    file.write_text(
        "title: what if\nbase: base.yaml\naxes: [{path: services.GPU.model, values: [llama-3.1-8b, llama-3.1-405b]}]\n"
    )
    rows = list(csv.DictReader(StringIO(plain(file, tmp_path / "out").decode())))
    (lost,) = [row for row in rows if row["point"] == "2"]
    assert "llama-3.1-405b" in lost["model"]
    assert "405B" in lost["reason"]
    assert lost["service"] == lost["value"] == ""


def test_points_that_were_refused_are_asked_again_when_their_trace_is_there(tmp_path: Path) -> None:
    file, log = sweep_file(tmp_path), "arrived_at_s,prompt_tokens,output_tokens\n0,9,9\n1,9,9\n2,9,9\n"
    logs = ", ".join(f"{{arrivals: {{kind: trace, file: {name}.csv, format: requests}}}}" for name in ("now", "later"))
    file.write_text(
        "title: which log\nbase: base.yaml\nset: [requests=3]\n"
        f"axes: [{{path: traffic, labels: [now, later], values: [{logs}]}}]\n"
    )
    (tmp_path / "now.csv").write_text(log)
    rows = list(csv.DictReader(StringIO(plain(file, tmp_path / "out").decode())))
    assert {row["point"] for row in rows if row["reason"]} == {"2"}
    (tmp_path / "later.csv").write_text(log)
    rows = list(csv.DictReader(StringIO(plain(file, tmp_path / "out").decode())))
    assert not any(row["reason"] for row in rows)


def test_broken_files_are_asked_again(small: tuple[Path, Path], tmp_path: Path) -> None:
    file, folder = small
    assert plain(file, tmp_path / "out") == table(folder)
    kept = sorted((tmp_path / "out.points").iterdir())
    changed = kept[0].read_text().replace("[", "[1", 1)  # a figure
    for path, text in zip(kept, [changed, "{}", "[1", '{"answers": 3}', "[" * 100_000], strict=False):
        path.write_text(text)
    (tmp_path / "out" / "sweep.csv").unlink()
    assert plain(file, tmp_path / "out") == table(folder)


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, points=6, requests=200)
    expected = plain(file, tmp_path / "plain")
    points = tmp_path / "out.points"
    kills = 0
    for seconds in (0.0, 0.3):
        running = command(file, tmp_path / "out", "--jobs", "2", "--quiet")
        before = len(list(points.glob("*.json")))
        deadline = time.monotonic() + 60
        while len(list(points.glob("*.json"))) <= before and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.02)
        time.sleep(seconds)
        kills += running.poll() is None
        running.kill()
        running.wait()
    assert kills == 2
    assert 0 < len(list(points.glob("*.json"))) < 13
    assert not (tmp_path / "out" / "sweep.csv").exists()
    assert command(file, tmp_path / "out", "--jobs", "2", "--quiet").wait(timeout=120) == 0
    assert table(tmp_path / "out") == expected


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real scheduler and two workers, each a process."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    port = 20000 + os.getpid() % 20000
    address = f"tcp://127.0.0.1:{port}"
    module = [sys.executable, "-m", "distributed.cli"]
    scheduler = [
        *module[:2],
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    worker = [*module[:2], "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    running = [subprocess.Popen(scheduler, **quiet)]
    running += [subprocess.Popen(worker, **quiet) for _ in range(2)]
    yield address, running
    for each in running:
        each.send_signal(signal.SIGKILL)
        each.wait()


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_gives_the_same_table(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, running = cluster
    file = sweep_file(tmp_path, points=8, requests=400)
    expected = plain(file, tmp_path / "plain")
    done = []

    def on_point(number: int, total: int) -> None:
        done.append(number)
        if len(done) == 4:
            running[-1].kill()

    swept = run_sweep(load_sweep(file), tmp_path / "out.points", dask=address, on_point=on_point)
    assert swept.is_whole
    assert running[-1].wait() == -signal.SIGKILL
    SweepAnswer(swept).write(tmp_path / "out")
    assert table(tmp_path / "out") == expected


@pytest.mark.slow
def test_two_hundred_points_keep_two_processes_busy(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, points=100, requests=400)
    swept = run_sweep(load_sweep(file), tmp_path / "points", jobs=2)
    assert len(swept.points) == 201
    assert swept.busy_share > 0.9


@pytest.mark.slow
def test_capacities_have_paired_intervals_too(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    base = (tmp_path / "base.yaml").read_text() + "objectives: {ttft_p50: 300 ms}\n"
    (tmp_path / "base.yaml").write_text(base)
    file.write_text(
        "title: wider\nbase: base.yaml\nask: capacity\nwidth: 5 %\nreplications: 3\nfewest: 100\naxes:\n"
        "  - {name: batch, path: services.GPU.limits.max_sequences, values: [4, 8]}\n"
    )
    rows = list(csv.DictReader(StringIO(plain(file, tmp_path / "out").decode())))
    lows = {row["point"]: row for row in rows if row["measure"] == "capacity_low"}
    assert lows["2"]["replications"] == "3"
    assert float(lows["2"]["half_width"]) > 0
    # Four seats hold less than eight, and the same requests say so more surely than the two values do.
    four, eight = (float(lows[point]["value"]) for point in "12")
    assert four < eight
    assert float(lows["1"]["difference_half_width"]) < float(lows["1"]["difference"]) * -1


def test_plans_are_swept_with_changes_to_prices_and_to_traffic(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    base = (tmp_path / "base.yaml").read_text() + "objectives: {ttft_p90: 2 s}\n"
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "plan.yaml").write_text(
        "title: which\nbase: base.yaml\nreplications: 1\nmost_systems: 4\ncandidates:\n"
        "  - {system: dgx-h100, tensor_parallel: [1], price: {purchase: 100000 USD}}\n"
        "  - {system: hgx-h200, tensor_parallel: [1, 8], price: {purchase: 300000 USD}}\n"
    )
    file.write_text(
        "title: dearer\nbase: plan.yaml\nask: plan\naxes:\n"
        "  - {name: price, path: candidates.0.price.purchase, values: [100000 USD, 400000 USD]}\n"
        "  - {name: rate, path: traffic.arrivals.rate, values: [600 /min], labels: [calm]}\n"
    )
    rows = list(csv.DictReader(StringIO(plain(file, tmp_path / "out").decode())))
    dollars = {(r["point"], r["service"]): float(r["value"]) for r in rows if r["measure"] == "usd_per_h"}
    assert dollars["1", "dgx-h100"] < dollars["1", "hgx-h200"] < dollars["2", "dgx-h100"]
    assert dollars["1", "hgx-h200"] == dollars["2", "hgx-h200"]
    assert {r["value"] for r in rows if r["measure"] == "systems"} == {"1.0"}
    page = (tmp_path / "out" / "sweep.html").read_text()
    told = re.findall(r"price (\w+) USD, rate calm: 1 ([\w-]+),", page)
    assert told == [("100000", "dgx-h100"), ("400000", "hgx-h200")]
