"""A scenario of two pools from the file to its answers: figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import infermodel as im
from infermodel.cli import infermodel
from infermodel.experiment import ServiceResult, run
from infermodel.scenario import load, resolve
from infermodel.search.capacity import find_capacity

LONELY = """\
title: One request at a time through two pools
requests: 20
warm_up: 0 s
traffic:
  arrivals: {kind: constant, rate: 6 /min}
  prompt_tokens: {kind: fixed, tokens: 4000}
  output_tokens: {kind: fixed, tokens: 100}
objectives: {ttft_p99: 1 s}
capacity: false
services:
  - name: apart
    model: llama-3.1-70b
    engine: sglang
    precision: {weights: fp8}
    limits: {max_context: 16384}
    fleet:
      pools:
        - {name: readers, role: prefill, system: dgx-h100, tensor_parallel: 4}
        - {name: writers, role: decode, system: dgx-h100, systems: 2, tensor_parallel: 2, price: {rental: 3 USD/h}}
      link: {latency: 1 ms, overlap: none}
    price: {rental: 2 USD/h, list: {input: 1 USD/Mtok, output: 2 USD/Mtok, source: nobody}}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("apart") / "apart.yaml"
    path.write_text(LONELY)
    return path


@pytest.fixture(scope="module")
def apart(file: Path) -> ServiceResult:
    (result,) = run(resolve(load(file))).services
    return result


def test_what_crosses_takes_its_bytes_over_the_cards_of_the_slower_end(apart: ServiceResult) -> None:
    # 80 layers, keys and values of 8 heads of 128 in two bytes each: 327,680 bytes a token. Two GPUs receive, with a
    # card of 50 GB/s each.
    assert apart.handover is not None
    assert apart.handover.bytes_mean == 4000 * 327_680
    assert apart.handover.transfer_mean_s == pytest.approx(4000 * 327_680 / (2 * 50e9) + 0.001, rel=1e-9)
    assert apart.handover.handed_over == apart.summary.finished == 19


def test_parts_of_the_way_sum_to_the_first_token(apart: ServiceResult) -> None:
    """It leaves the decoding pool when that takes the request up."""
    way, engine = apart.handover, apart.service.decode_pool.engine
    assert way is not None
    parts = way.queue_mean_s + way.prefill_mean_s + way.room_mean_s + way.transfer_mean_s + way.join_mean_s
    assert apart.summary.ttft_mean_s == pytest.approx(parts + engine.egress_s, abs=2e-3)


def test_tokens_are_as_quick_as_where_nobody_reads_prompts(apart: ServiceResult, file: Path) -> None:
    one = LONELY.replace("4000}", "4000}\n  # alone\n").split("    fleet:")[0]
    alone = file.with_name("alone.yaml")
    alone.write_text(one + "    fleet: {system: dgx-h100, tensor_parallel: 2}\n    price: {rental: 2 USD/h}\n")
    (result,) = run(resolve(load(alone))).services
    assert apart.summary.tpot_mean_s == pytest.approx(result.summary.tpot_mean_s, rel=0.01)


def test_pools_do_their_parts(apart: ServiceResult) -> None:
    readers, writers = apart.summary.pools
    assert (readers.pool, readers.role, readers.systems, readers.replicas) == ("readers", "prefill", 1, 2)
    assert (writers.pool, writers.role, writers.systems, writers.replicas) == ("writers", "decode", 2, 8)
    assert writers.prompt_tok_s == 0
    assert readers.prompt_tok_s == pytest.approx(4000 / 10)
    assert readers.output_tok_s == pytest.approx(1 / 10)  # the first token
    assert writers.output_tok_s == pytest.approx(99 / 10)
    assert apart.summary.replicas == 10
    assert apart.summary.power_mean_w == pytest.approx(readers.power_mean_w + writers.power_mean_w)


def test_dollars_are_those_of_both_pools_and_each_pays_for_its_tokens(apart: ServiceResult) -> None:
    # Eight GPUs at 2 USD/h and sixteen at 3.
    economics = apart.economics
    assert economics.hourly.total.mid == pytest.approx(8 * 2 + 16 * 3)
    assert economics.split is not None
    assert economics.split.input_usd.mid == pytest.approx(16)
    assert economics.split.output_usd.mid == pytest.approx(48)
    assert economics.list_usd_per_mtok == pytest.approx((4000 + 2 * 100) / 4100)


def test_capacity_is_found_for_two_pools(file: Path) -> None:
    scenario = resolve(load(file, ["objectives={ttft_p95: 2 s, tpot_p95: 60 ms}"]))
    found = find_capacity(scenario, scenario.services[0], width=0.5)
    # 4,000 tokens take a replica of four H100 some 0.2 s: two of them read ten prompts a second at most.
    assert 3 < found.low < found.high < 13
    assert found.summary is not None
    assert [pool.role for pool in found.summary.pools] == ["prefill", "decode"]


def test_a_report_has_tables_of_pools_and_of_the_way_between_them(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(infermodel, ["run", str(file), "--out", str(tmp_path / "r"), "--json"])
    assert done.exit_code == 0, done.output
    tables = json.loads(done.stdout)["tables"]
    assert [row["pool"] for row in tables["pools"]] == ["readers", "writers"]
    assert len((tmp_path / "r" / "pools.csv").read_text().splitlines()) == 3
    assert len((tmp_path / "r" / "handover.csv").read_text().splitlines()) == 2
    page = (tmp_path / "r" / "report.html").read_text()
    assert "From one pool to the other" in page


def test_reports_of_two_pools_are_compared(file: Path, tmp_path: Path) -> None:
    slower = im.load(file, set={"services.0.fleet.link.latency": "0.5 s"})
    answer = im.compare(im.run(im.load(file)), im.run(slower))
    table = answer.table("compare")
    assert len(table[table["metric"] == "ttft_mean_s"]) > 0
    assert answer.reports[0].devices == {"apart": "h100-sxm"}


def test_the_library_has_them_as_frames(file: Path) -> None:
    answer = im.run(im.load(file))
    assert answer.table("pools")["role"].tolist() == ["prefill", "decode"]


def test_draws_move_the_constants_of_both_pools(file: Path) -> None:
    answer = im.run(im.load(file), draws=3)
    assert {band.draws for band in answer.bands} == {3}


def test_a_stand_in_server_of_two_pools_is_refused(file: Path) -> None:
    done = CliRunner().invoke(infermodel, ["serve", str(file)])
    assert done.exit_code == 2
    assert "has 2 pools: serve plays services of one" in done.output
    instead = " ".join(done.output.split()).split("--set '")[1].split("'")[0]
    (service,) = im.load(file, set=[instead]).resolved.services
    assert service.pool.system.name in instead
