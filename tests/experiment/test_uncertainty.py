from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infermodel.cost.speculative import Speculation
from infermodel.cost.step import Batch
from infermodel.experiment.run import spec_of
from infermodel.experiment.uncertainty import ANSWERS, bands, drawn, with_drawn_constants
from infermodel.fidelity.dataflow import REFITS
from infermodel.hardware import Quantity
from infermodel.scenario import load, resolve

SCENARIO = """
title: One H100
seed: 3
requests: 60
warm_up: 0 s
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: fixed, tokens: 500}
  output_tokens: {kind: fixed, tokens: 50}
objectives: {ttft_p99: 2 s}
capacity: false
services:
  - name: A
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 1, tensor_parallel: 1, replicas: 1}
    price: {rental: h100-sxm-lambda-2024-10}
  - name: B
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 1, tensor_parallel: 2, replicas: 1}
    price: {rental: h100-sxm-lambda-2024-10}
"""


@pytest.fixture
def scenario(tmp_path: Path):
    path = tmp_path / "one.yaml"
    path.write_text(SCENARIO)
    return resolve(load(path, ()))


def test_draws_follow_what_is_known_of_a_figure() -> None:
    random = np.random.default_rng(1)
    fitted = Quantity(5.0, "us", "calibrated", "fit", standard_error=0.5)
    values = [drawn(fitted, random) for _ in range(4000)]
    assert np.mean(values) == pytest.approx(5.0, abs=0.03)
    assert np.std(values) == pytest.approx(0.5, rel=0.05)
    ranged = Quantity(2.0, "W", "assumed", "guess", low=1.0, high=6.0)
    values = [drawn(ranged, random) for _ in range(4000)]
    assert np.mean(values) == pytest.approx(3.0, abs=0.05)  # triangular: (1 + 2 + 6) / 3
    assert min(values) >= 1.0
    share = Quantity(0.99, "", "calibrated", "fit", standard_error=0.2)
    assert max(drawn(share, random) for _ in range(200)) == 1.0
    sure = Quantity(3.0, "TB/s", "datasheet", "sheet")
    assert drawn(sure, random) == 3.0


def test_services_on_one_device_share_its_draw(scenario) -> None:
    first, second = with_drawn_constants(scenario, 4).services
    assert first.pool.system.device == second.pool.system.device
    assert first.pool.engine == second.pool.engine
    assert first.pool.system.device.constants != scenario.services[0].pool.system.device.constants
    assert first.pool.system.device.memory_bandwidth == scenario.services[0].pool.system.device.memory_bandwidth
    assert with_drawn_constants(scenario, 4).services[0].pool.engine == first.pool.engine
    assert with_drawn_constants(scenario, 5).services[0].pool.engine != first.pool.engine


def test_draws_reach_the_front_end(scenario) -> None:
    drawn_specs = [spec_of(with_drawn_constants(scenario, n, REFITS).services[0]) for n in range(5)]
    seconds = {spec.pools[0].front_end.request_s for spec in drawn_specs}
    assert len(seconds) == 5
    assert all(1.8e-3 <= each <= 9e-3 for each in seconds)  # the catalog's range


def test_bands_hold_the_answer_and_narrow_to_it_without_uncertainty(scenario) -> None:
    found = {(band.service, band.answer): band for band in bands(scenario, draws=12)}
    assert len(found) == 2 * len(ANSWERS)
    tpot = found["A", "tpot_mean_s"]
    assert tpot.low < tpot.high
    assert 0.8 * tpot.value < tpot.low <= 1.02 * tpot.value
    assert tpot.high < 1.3 * tpot.value
    sure = []
    for service in scenario.services:
        device = replace(service.pool.system.device, provenance={})
        system = replace(service.pool.system, device=device, provenance={})
        sure.append(service.with_pool(system=system, engine=replace(service.pool.engine, provenance={})))
    for band in bands(replace(scenario, services=tuple(sure)), draws=3):
        assert band.low == pytest.approx(band.value, nan_ok=True)
        assert band.high == pytest.approx(band.value, nan_ok=True)


WAFERS = """
title: One CS-3 and one rack
seed: 3
requests: 40
traffic:
  arrivals: {kind: poisson, rate: 20 /min}
  prompt_tokens: {kind: fixed, tokens: 950}
  output_tokens: {kind: fixed, tokens: 100}
capacity: false
services:
  - name: wafer
    model: llama-3.1-8b
    fleet: {system: cs-3, systems: 1}
  - name: rack
    model: llama-3.1-8b
    fleet: {system: groq-rack, systems: 1, devices_per_replica: 64}
    precision: {weights: int8, kv_cache: fp16, compute: fp16}
"""


def test_a_speed_that_was_fitted_keeps_no_band_and_others_do(tmp_path: Path) -> None:
    path = tmp_path / "wafers.yaml"
    path.write_text(WAFERS)
    scenario = resolve(load(path, ()))
    found = {(each.service, each.answer): each for each in bands(scenario, draws=12, refits=REFITS)}
    fitted = found["wafer", "output_speed_p50_tok_s"]
    assert fitted.draws == 12
    # The clock is fitted to 1,800 tok/s at 1,000 tokens of context, whatever the other constants: at 950 to 1,050
    # tokens the speed can only move by what attention's share (a few percent of the time) changes over 50 tokens.
    assert fitted.low == pytest.approx(fitted.value, rel=2e-3)
    assert fitted.high == pytest.approx(fitted.value, rel=2e-3)
    rpm = found["wafer", "rpm"]
    assert rpm.low == rpm.high == rpm.value  # below saturation the load sent is served, in the same window in each draw
    assert found["wafer", "joules_per_token"].low < 0.99 * found["wafer", "joules_per_token"].high
    rack = found["rack", "output_speed_p50_tok_s"]
    assert rack.low < 0.97 * rack.value < 1.01 * rack.value < rack.high


def test_a_layer_time_is_drawn_with_its_standard_error_whatever_the_host_adds(tmp_path: Path) -> None:
    path = tmp_path / "wafers.yaml"
    path.write_text(WAFERS)
    scenario = resolve(load(path, ()))
    alone = Batch(1, 1000, 1000)
    drawn_s = []
    for number in range(200):
        rack = with_drawn_constants(scenario, number, REFITS).services[1]
        drawn_s.append(rack.pool.step_model.step(alone).latency_s)
    # 32 layers of 33.3 +- 3.7 us: 118 us. What the host adds, 33 us on average, the fitted layers lose: shared out over
    # 32 layers in one of the two fits and 80 in the other, 0.7 us a layer, so 23 us of the 33 here.
    assert np.std(drawn_s) == pytest.approx(118e-6, rel=0.2)
    assert np.mean(drawn_s) == pytest.approx(scenario.services[1].pool.step_model.step(alone).latency_s, rel=0.02)


def test_acceptances_are_drawn_together_within_their_range(scenario) -> None:
    drafts = Speculation((0.8, 0.6), None, least=(0.6, 0.5), most=(0.9, 0.8))
    drafting = replace(scenario, services=(scenario.services[0].with_pool(speculation=drafts),))
    found = [with_drawn_constants(drafting, number).services[0].pool.speculation.acceptances for number in range(40)]
    assert len(set(found)) == 40
    for first, second in found:
        assert 0.6 <= first <= 0.9
        assert 0.5 <= second <= 0.8
        assert (first > 0.8) == (second > 0.6)  # one place in the range for both


def test_a_clock_that_nobody_fitted_is_drawn_and_not_fitted(tmp_path: Path) -> None:
    # CS-4's clock is twice CS-3's by hearsay: fitted to CS-3's published speed it would be CS-3's.
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO.replace("system: dgx-h100, systems: 1, tensor_parallel: 1, replicas: 1", "system: cs-4"))
    scenario = resolve(load(path, ["services=[{name: A, model: llama-3.1-8b, fleet: {system: cs-4}}]"]))
    clocks = [
        with_drawn_constants(scenario, n, REFITS).services[0].pool.system.device.effective_clock_hz for n in range(5)
    ]
    assert len(set(clocks)) == 5
    assert all(1.0e9 <= clock <= 1.7e9 for clock in clocks)
