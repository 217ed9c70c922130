"""Long runs and large fleets: memory a block of requests and speed stay what they were at the start; all laws hold.

`python -m pytest -m slow -s tests/simulation/test_scale_slow.py` prints the figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.kit.toy_models import AffineModel

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment
from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Lognormal, Uniform
from infermodel.workload.traffic import OpenTraffic

pytestmark = pytest.mark.slow

MILLION = 1_000_000
PAGE_BYTES = 4096


@dataclass(frozen=True)
class Watched(Poisson):
    """Poisson arrivals; a note of memory and processor time whenever another million has been drawn."""

    notes: list[tuple[int, float]] = field(default_factory=list)

    def blocks(self, generator: np.random.Generator, size: int) -> Iterator[NDArray[np.float64]]:
        """As Poisson's."""
        for number, block in enumerate(super().blocks(generator, size)):
            if number * size // MILLION == len(self.notes):
                resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
                self.notes.append((resident, time.process_time()))
                print(f"{number * size:,} requests: {resident / 1e6:.0f} MB, {self.notes[-1][1]:.0f} s", flush=True)
            yield block


def test_ten_million_requests() -> None:
    """What a request leaves behind are its columns: the same bytes for each million, at the same speed."""
    arrivals = Watched(100.0)
    law = AffineModel(0.01, 1e-4, 1e-7, 1e-6, 1e-9, kv_tokens=16 * 20_000)
    traffic = OpenTraffic(arrivals, Uniform(1, 200), Uniform(1, 10))
    (record,) = simulate([one_pool("s", law, traffic, Limits(256, 8192, 1024))], 1, Horizon(requests=10 * MILLION))
    held, seconds = np.diff(np.array(arrivals.notes[:11]), axis=0).T
    print(f"\nbytes a request, by million: {(held / MILLION).round().tolist()}")
    print(f"requests/s, by million: {(MILLION / seconds).round().tolist()}; {len(record.requests):,} requests")
    assert len(record.requests) >= 10 * MILLION
    assert np.isfinite(record.requests.finished_at[: 10 * MILLION]).all()
    assert held[5:].sum() < 1.1 * held[:5].sum()
    assert seconds[5:].sum() < 1.25 * seconds[:5].sum()
    assert held.max() < 200 * MILLION
    assert max(each.deviation for each in check_laws(record)) < 1e-7


def llama_on_h100(replicas: int, rate_per_s: float, hours: float) -> ServiceRecord:
    deployment = Deployment(devices=1, max_context=8192, max_sequences=256)
    model = step_model(load_model("llama-3.1-8b"), load_system("dgx-h100"), deployment, load_engine("vllm"))
    traffic = OpenTraffic(Poisson(rate_per_s), Lognormal(1000, 0.8, 16, 6000), Lognormal(500, 0.8, 1, 2000))
    spec = one_pool("fleet", model, traffic, Limits(256, 8192, 8192), replicas=replicas)
    started = time.process_time()
    (record,) = simulate([spec], 1, Horizon(duration_s=3600 * hours))
    spent = time.process_time() - started
    print(f"\n{replicas} replicas, {hours:g} h: {len(record.requests):,} requests in {spent:.0f} s")
    return record


@pytest.mark.parametrize(("replicas", "rate_per_s", "hours"), [(1000, 300.0, 1.0), (1, 0.75, 168.0)])
def test_a_thousand_replicas_for_an_hour_and_one_for_a_week(replicas: int, rate_per_s: float, hours: float) -> None:
    record = llama_on_h100(replicas, rate_per_s, hours)
    measured = record.requests.arrived_at < 3600 * hours
    assert measured.sum() == pytest.approx(rate_per_s * 3600 * hours, rel=0.01)
    assert np.isfinite(record.requests.finished_at[measured]).all()
    assert len(np.unique(record.requests.replica[measured])) == replicas
    assert max(each.deviation for each in check_laws(record)) < 1e-7
