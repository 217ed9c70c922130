"""A whole run against figures worked by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from math import nan
from pathlib import Path

import numpy as np
import pytest

from infermodel.cost.step import Batch, Chunk
from infermodel.experiment import Result, run
from infermodel.experiment.pricing import economics
from infermodel.report.findings import Findings
from infermodel.report.words import warnings
from infermodel.scenario import load
from infermodel.scenario.resolve import resolve
from infermodel.search.capacity import find_capacity

LONELY = """
title: requests that never meet
requests: 5
warm_up: 0 s
traffic:
  arrivals: {kind: constant, rate: 1 /min}
  prompt_tokens: {kind: fixed, tokens: 1000}
  output_tokens: {kind: fixed, tokens: 101}
objectives: {ttft_p99: 1 s}
prices: {electricity: 0.10 USD/kWh, pue: 1.2, life: 4 year, interest: 0, operations: 0}
services:
  - name: GPU
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 1, replicas: 8}
    price: {purchase: 350400 USD, list: {input: 1 USD/Mtok, output: 3 USD/Mtok, cached: 0.2 USD/Mtok}}
  - name: wafer
    model: llama-3.1-8b
    fleet: {system: cs-3}
    limits: {max_context: 8192}
    price: {purchase: 700800 USD}
"""


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Result:
    path = Path(tmp_path_factory.mktemp("scenario")) / "lonely.yaml"
    path.write_text(LONELY)
    return run(resolve(load(path)))


def test_zero_load_latency_is_the_sum_of_its_steps(lonely: Result) -> None:
    result = lonely.services[0]
    model, engine = result.service.pool.step_model, result.service.pool.engine
    prefill = model.step(Batch(0, 0, 0, (), 1, (Chunk(1000, 0),), 1)).latency_s
    steps = [model.step(Batch(1, 1001 + i, 1001 + i)).latency_s for i in range(100)]
    table = result.record.requests
    ttft = (table.first_token_at - table.arrived_at)[:5]
    way = engine.ingress_s + 1000 * engine.tokenise_s
    assert ttft == pytest.approx(np.full(5, way + prefill + engine.egress_s), rel=1e-9)
    assert (table.last_token_at - table.first_token_at)[:5] == pytest.approx(np.full(5, sum(steps)), rel=1e-9)


def test_owning_costs_what_a_pocket_calculator_says(lonely: Result) -> None:
    gpu, wafer = lonely.services
    # 350,400 USD over 4 years of 8,760 h without interest: 10 USD/h; twice that: 20 USD/h.
    assert gpu.economics.hourly.capital.mid == pytest.approx(10.0)
    assert wafer.economics.hourly.capital.mid == pytest.approx(20.0)
    # A CS-3 draws 20.7 kW whenever it is on (0.9 of 23 kW): 20.7 x 1.2 x 0.10 USD.
    assert wafer.economics.hourly.power.mid == pytest.approx(20.7 * 1.2 * 0.10, rel=1e-3)
    assert wafer.economics.hourly.total.mid == pytest.approx(20 + 20.7 * 1.2 * 0.10, rel=1e-3)


def test_the_bill_is_dollars_over_tokens(lonely: Result) -> None:
    for result in lonely.services:
        summary, answer = result.summary, result.economics
        tokens_per_h = 60 * (summary.itpm + summary.otpm)
        expected = answer.hourly.total.mid / tokens_per_h * 1e6
        assert answer.blended_usd_per_mtok.mid == pytest.approx(expected)
        assert answer.split is not None
        parts = answer.split.input_usd.mid + answer.split.output_usd.mid + answer.split.cached_usd.mid
        assert parts == pytest.approx(answer.hourly.total.mid)
    # List price at 1,000 in and 101 out: (1,000 x 1 + 101 x 3) / 1,101.
    sold = lonely.services[0]
    assert sold.economics.list_usd_per_mtok == pytest.approx(1303 / 1101)
    # And with half of the prompt found in the cache: (500 x 1 + 500 x 0.2 + 101 x 3) / 1,101.
    half = economics(sold.service, replace(sold.summary, cached_share=0.5))
    assert half.list_usd_per_mtok == pytest.approx(903 / 1101)
    assert sold.service.prices.sold is not None
    one_price = replace(sold.service.prices, sold=replace(sold.service.prices.sold, cached_usd=None))
    as_others = economics(sold.service.with_pool(prices=one_price), replace(sold.summary, cached_share=0.5))
    assert as_others.list_usd_per_mtok == sold.economics.list_usd_per_mtok


def test_on_a_ring_a_prompt_token_costs_a_slot_like_an_output_token(lonely: Result) -> None:
    split = lonely.services[1].economics.split
    assert split is not None
    assert split.input_usd_per_mtok
    assert split.output_usd_per_mtok
    # Slots grow with context: the answer's tokens look back on 1,000 and more, the prompt's on 500 on average.
    assert 1 < split.output_usd_per_mtok.mid / split.input_usd_per_mtok.mid < 1.2


def test_replications_do_not_depend_on_the_number_of_processes(lonely: Result) -> None:
    alone = run(lonely.scenario, replications=2, jobs=1)
    together = run(lonely.scenario, replications=2, jobs=2)
    assert [each.summary for each in alone.services] == [each.summary for each in together.services]


def test_an_offline_batch_is_measured_over_its_own_makespan(tmp_path: Path) -> None:
    path = tmp_path / "offline.yaml"
    path.write_text(
        LONELY.replace("{kind: constant, rate: 1 /min}", "{kind: offline, requests: 20}").replace(
            "requests: 5\nwarm_up: 0 s\n", ""
        )
    )
    result = run(resolve(load(path)))
    for each in result.services:
        makespan_s = float(np.max(each.record.requests.last_token_at))
        assert each.summary.rpm == pytest.approx(20 * 60 / makespan_s, rel=1e-3)


def test_capacity_of_one_server_is_where_its_work_fills_the_time(lonely: Result) -> None:
    wafer = lonely.services[1].service
    found = find_capacity(lonely.scenario, wafer, width=0.1)
    assert found.low < found.high <= found.low * 1.1
    # 1,000 prompt tokens and 101 answers through slots of about 17 us: 1 / (1,101 x 17 us) requests a second.
    slot_s = wafer.pool.step_model.step(Batch(4096, 4096 * 1050, 1050)).latency_s / 4096
    assert found.low == pytest.approx(1 / (1101 * slot_s), rel=0.25)


@pytest.mark.parametrize("end", ["requests=50", "duration=50 s"])
def test_a_trace_cut_short_measures_what_arrived_before_the_cut(tmp_path: Path, end: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(LONELY)
    log = "".join(f"{second},1000,2000\n" for second in range(200))  # answers of 2,000 tokens take many seconds
    (tmp_path / "log.csv").write_text("arrived_at_s,prompt_tokens,output_tokens\n" + log)
    replay = "traffic={arrivals: {kind: trace, file: log.csv, format: requests}}"
    for service in run(resolve(load(path, [replay, "requests=null", "warm_up=auto", end]))).services:
        summary = service.summary
        assert 40 <= summary.arrived <= 50  # whole bins of the timeline before the cut
        assert (summary.unfinished, summary.overloaded) == (0, False)


TRACE = "traffic={arrivals: {kind: trace, file: log.csv, format: requests}}"
LENGTHS = "prompt_tokens: {kind: fixed, tokens: 1000}, output_tokens: {kind: fixed, tokens: 100}"


@pytest.mark.parametrize(
    ("times", "traffic", "measured"),
    [
        ([0.0] * 4 + [30.0, 60.0], TRACE, 4),
        ([0.0] * 4, TRACE, 4),
        ([0.0] * 6 + [0.25, 60.0], TRACE, 6),  # nothing tells the fourth from the sixth
        ([5.0] * 4 + [5.5, 60.0], TRACE, 4),
        ([], f"traffic={{arrivals: {{kind: offline, requests: 4}}, {LENGTHS}}}", 4),
        ([], f"traffic={{arrivals: {{kind: closed, users: 10, start: together}}, {LENGTHS}}}", 10),
    ],
)
def test_requests_that_come_at_once_are_waited_for_and_measured(
    tmp_path: Path, times: list[float], traffic: str, measured: int
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(LONELY)
    (tmp_path / "log.csv").write_text(
        "arrived_at_s,prompt_tokens,output_tokens\n" + "".join(f"{time},1000,100\n" for time in times)
    )
    scenario = resolve(load(path, [traffic, "requests=4", "warm_up=auto"]))
    for service in scenario.services:
        (alone,) = run(replace(scenario, services=(service,))).services
        summary, requests = alone.summary, alone.record.requests
        assert (summary.arrived, summary.finished, summary.overloaded) == (measured, measured, False)
        last_s = float(requests.finished_at[:measured].max())
        later = requests.arrived_at[measured:]
        if len(later) == 0 or later[0] > last_s:  # as an offline batch: to the last answer
            assert summary.window_end_s == np.nextafter(last_s, np.inf)
        else:  # until the next one comes
            assert summary.window_end_s == later[0]


def test_long_answers_in_a_short_window_are_no_overload(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(LONELY)
    (tmp_path / "log.csv").write_text(
        "arrived_at_s,prompt_tokens,output_tokens\n" + "".join(f"{5 * number},1000,30000\n" for number in range(200))
    )
    result = run(resolve(load(path, [TRACE, "warm_up=auto", "requests=5"])))  # 30,000 tokens take a GPU some 200 s
    summary = result.services[0].summary
    assert summary.unfinished == summary.arrived > 0
    assert not summary.overloaded
    assert (summary.rate_way, summary.rpm) == (
        "own rate",
        pytest.approx(12.0),
    )  # one in 5 s, which a longer run keeps up
    assert np.isnan(summary.queue_time_mean_s)
    told = " ".join(warnings(Findings.of(result, [], [])))
    assert f"{summary.unfinished} of {summary.arrived} requests have not finished when the run ends" in told
    assert re.search(r"an answer takes some [12]\d\d s and the window has 20 s: make the run longer", told)
    assert "queue" not in told
    assert "  " not in told


def test_tokens_of_requests_that_came_before_the_window_have_a_price_but_no_split(lonely: Result) -> None:
    gpu = lonely.services[0]
    summary = replace(gpu.summary, finished=0, prompt_tokens_mean=nan, output_tokens_mean=nan)
    answer = economics(gpu.service, summary)
    assert answer.blended_usd_per_mtok == gpu.economics.blended_usd_per_mtok
    assert answer.split is None
