"""What a fleet draws, against the figures of its own catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infermodel import catalog
from infermodel.cost.deployment import Deployment
from infermodel.cost.gpu import GpuStepModel
from infermodel.experiment.pricing import pool_power_w
from infermodel.hardware import GpuDevice
from infermodel.scenario import load
from infermodel.scenario.resolve import resolve
from infermodel.scenario.resolved import ResolvedService

SCENARIO = """
title: a small model on one system
requests: 5
traffic:
  arrivals: {{kind: constant, rate: 1 /min}}
  prompt_tokens: {{kind: fixed, tokens: 100}}
  output_tokens: {{kind: fixed, tokens: 10}}
services:
  - name: one
    model: llama-3.2-1b
    fleet: {{system: {system}, systems: {systems}}}
    limits: {{max_context: 8192}}
"""


def service_on(system: str, systems: int, folder: Path) -> ResolvedService:
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO.format(system=system, systems=systems))
    return resolve(load(path)).services[0]


@pytest.mark.parametrize("system", catalog.names("systems"))
@pytest.mark.parametrize("systems", [1, 3])
def test_an_idle_fleet_draws_what_its_systems_draw_idle(system: str, systems: int, tmp_path: Path) -> None:
    service = service_on(system, systems, tmp_path)
    idle_w = pool_power_w(service.pool, service.pool.replicas * service.pool.step_model.idle_w)
    assert idle_w == pytest.approx(systems * service.pool.system.power_idle_w, rel=1e-9)


GPUS = [name for name in catalog.names("systems") if isinstance(catalog.load_system(name).device, GpuDevice)]
"""Systems whose rated power holds that of their devices."""


@pytest.mark.parametrize("system", GPUS)
def test_a_fleet_whose_devices_draw_all_they_may_draws_its_rated_power(system: str, tmp_path: Path) -> None:
    service = service_on(system, 2, tmp_path)
    device = service.pool.system.device
    assert isinstance(device, GpuDevice)
    most_w = pool_power_w(service.pool, 2 * service.pool.system.devices * device.power_max_w)
    assert most_w == pytest.approx(2 * service.pool.system.power_max_w, rel=1e-9)


def test_the_rest_of_a_machine_rises_with_its_devices(tmp_path: Path) -> None:
    # A DGX H100: 2.5 kW idle, of which 8 x 110 W are GPUs and 1.62 kW are not; 10.2 kW rated, 5.6 kW and 4.6 kW. Its
    # GPUs at 405 W, half way from 110 to 700: 3.24 kW, and the rest half way from 1.62 to 4.6: 3.11 kW.
    service = service_on("dgx-h100", 1, tmp_path)
    assert pool_power_w(service.pool, 8 * 405.0) == pytest.approx(3240.0 + 3110.0)


def test_gpus_that_no_replica_uses_idle(tmp_path: Path) -> None:
    # Five GPUs of eight in use, at 700 W; three at 110 W: 3.83 kW, 2.95 of 4.72 kW above idle, so the rest draws
    # 1.62 + 2.95 / 4.72 x 2.98 = 3.4825 kW.
    service = service_on("dgx-h100", 1, tmp_path)
    model = GpuStepModel(service.architecture, service.pool.system, Deployment(), service.pool.engine)
    part = replace(service.pool, replicas=5, devices_per_replica=1, step_model=model)
    assert pool_power_w(part, 5 * 700.0) == pytest.approx(3830.0 + 3482.5)
