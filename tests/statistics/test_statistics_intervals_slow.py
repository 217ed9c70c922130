"""Of many runs whose true mean is known, the reported 95 % intervals hold it as often as they say: in 93 to 97 %.

M/D/1 with service of 1 s, whose mean wait is load / (2 (1 - load)). Runs are summarised as any run is, with a stated
warm-up; what the program withholds counts as no interval, of which there may be few.
"""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from queueing_theory import pollaczek_khinchine_s
from toy_models import AffineModel

from infermodel.metrics.confidence import Interval, batch_means
from infermodel.metrics.replications import combine, difference
from infermodel.metrics.steady import common_window, mser5
from infermodel.metrics.summary import Summary, summarise
from infermodel.simulation import Horizon, Limits, ServiceSpec, simulate
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import OpenTraffic

pytestmark = pytest.mark.slow

LOAD = 0.3
WARM_UP_S = 100.0
RUNS = 520
ONE_AT_A_TIME = Limits(max_sequences=1, max_batched_tokens=1 << 20, max_context=1 << 20)
WAIT = "queue_time_mean_s"


def summaries(requests: int, seed: int, *services_s: float, replication: int = 0) -> list[Summary]:
    """Of services that take so long for a request, all with the same arrivals."""
    traffic = OpenTraffic(Poisson(LOAD), Fixed(1), Fixed(1))
    specs = [ServiceSpec(f"{seconds} s", AffineModel(seconds), traffic, ONE_AT_A_TIME) for seconds in services_s]
    end_s = WARM_UP_S + requests / LOAD
    records = simulate(specs, seed, Horizon(duration_s=end_s), replication=replication)
    window = common_window(records, end_s, start_s=WARM_UP_S)
    return [summarise(record, window) for record in records]


def check(name: str, intervals: list[Interval | None], truth: float) -> None:
    given = [each for each in intervals if each is not None and not isnan(each.half_width)]
    held = sum(each.low <= truth <= each.high for each in given) / len(given)
    print(f"{name}: {len(given)} intervals of {len(intervals)} runs, {held:.1%} hold {truth:.4g}")
    assert len(given) >= 500
    assert len(given) > 0.95 * len(intervals)
    assert 0.93 <= held <= 0.97


def test_intervals_of_one_run() -> None:
    """By batch means, of 4,000 requests."""
    runs = [summaries(4_000, seed, 1.0)[0].intervals.get(WAIT) for seed in range(RUNS)]
    check("one run", runs, pollaczek_khinchine_s(LOAD, 1.0, 1.0))


def test_intervals_over_replications() -> None:
    """Of four replications of 500 requests."""
    runs = [combine([summaries(500, seed, 1.0, replication=each)[0] for each in range(4)]) for seed in range(RUNS)]
    check("four replications", [each.intervals.get(WAIT) for each in runs], pollaczek_khinchine_s(LOAD, 1.0, 1.0))


def test_intervals_of_differences() -> None:
    """Of two services, one 20 % faster, that receive the same requests: four pairs of 500 requests."""
    found = []
    for seed in range(RUNS):
        pairs = [summaries(500, seed, 1.0, 0.8, replication=each) for each in range(4)]
        found.append(difference([slow for slow, _ in pairs], [fast for _, fast in pairs], WAIT))
    truth = pollaczek_khinchine_s(LOAD, 1.0, 1.0) - pollaczek_khinchine_s(LOAD, 0.8, 0.8**2)
    check("differences", list(found), truth)


def waits(rng: np.random.Generator, load: float, requests: int) -> np.ndarray:
    """Of M/D/1 from empty, as a walk that is kept from going below zero."""
    walk = np.concatenate([[0.0], np.cumsum(1.0 - rng.exponential(1 / load, requests - 1))])
    return walk - np.minimum.accumulate(walk)


def test_intervals_of_long_runs_whose_warm_up_is_found() -> None:
    """MSER-5 cuts early bursts rather than early calm, which pulls short runs down; 20,000 requests forgive it."""
    rng = np.random.default_rng(7)
    for load in (0.3, 0.5):
        runs = [waits(rng, load, 20_000) for _ in range(2_000)]
        cut = [mser5(run + 1.0).index for run in runs]  # of end-to-end times
        kept = [run[begin:] for run, begin in zip(runs, cut, strict=True)]
        check(f"found warm-up, load {load}", [batch_means(run) for run in kept], pollaczek_khinchine_s(load, 1.0, 1.0))
