from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.hand_records import in_pool, one_at_a_time, request_table

from infermodel.metrics.steady import (
    Cut,
    Window,
    common_window,
    count_at,
    is_overloaded,
    mser5,
    too_short,
    warm_up,
    whole_run,
)
from infermodel.tables import UNFINISHED, Timeline

FLAT = np.tile([1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0, 2.0, 1.0, 2.0], 10)  # batch means 1.8 and 2.0, 20 batches


def test_mser5_cuts_the_transient_by_hand() -> None:
    # means 9, 9, then 1.8, 2.0, ...: every cut before 10 keeps a 9, every later one has fewer values of equal spread
    assert mser5(np.concatenate([np.full(10, 9.0), FLAT])) == Cut(10, settled=True)


def test_mser5_by_its_definition() -> None:
    """The sums written out as White's formula, without cumulative tricks."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        series = rng.exponential(size=200) + 5 * np.exp(-np.arange(200) / rng.uniform(1, 40))
        y = series.reshape(40, 5).mean(axis=1)
        error = [np.sum((y[d:] - y[d:].mean()) ** 2) / (40 - d) ** 2 for d in range(21)]
        assert mser5(series) == Cut(5 * int(np.argmin(error)), settled=int(np.argmin(error)) < 20)


def test_mser5_keeps_all_of_a_steady_series() -> None:
    assert mser5(FLAT) == Cut(0, settled=True)


def test_mser5_does_not_cut_on_rounding() -> None:
    assert mser5(0.1 + 1e-16 * np.arange(500.0)) == Cut(0, settled=True)
    assert mser5(np.zeros(500)) == Cut(0, settled=True)


def test_mser5_says_when_the_warm_up_does_not_end() -> None:
    assert mser5(np.arange(200.0)) == Cut(100, settled=False)
    assert mser5(np.arange(19.0)) == Cut(0, settled=False)


def test_warm_up_is_the_arrival_of_the_first_request_kept() -> None:
    e2e = np.concatenate([np.full(10, 9.0), FLAT])
    arrived = np.arange(110.0) * 3
    table = request_table(arrived_at=arrived, finished_at=arrived + e2e, last_token_at=arrived + e2e)
    assert warm_up(table, 1e9) == (30.0, True)


def test_the_short_answers_that_end_while_long_ones_are_waited_for_are_no_steady_state() -> None:
    arrived = np.arange(100.0)
    e2e = np.where(arrived < 50, 7.0 + arrived % 3, 1.0)
    table = request_table(arrived_at=arrived, finished_at=arrived + e2e, last_token_at=arrived + e2e)
    assert warm_up(table, 1e9)[0] == 50.0
    assert warm_up(table, 49.5) == (0.0, True)


def test_window_starts_at_the_latest_cut_on_an_edge() -> None:
    early = one_at_a_time(np.arange(110.0) * 3, [1] * 110)
    e2e = np.concatenate([np.full(11, 90.0), np.full(99, 1.0)])
    late = replace(early, requests=replace(early.requests, finished_at=early.requests.arrived_at + e2e))
    assert warm_up(late.requests, 1e9)[0] == 45.0  # the third batch of five still holds a slow one
    assert common_window([early, late], 300.0) == Window(50.0, 300.0)
    assert common_window([early, late], 299.0) == Window(50.0, 290.0)
    assert common_window([early, late], 300.0, start_s=60.0) == Window(60.0, 300.0)


def test_window_lies_on_the_edges_of_the_coarsest_timeline() -> None:
    fine = one_at_a_time(np.arange(110.0) * 3, [1] * 110, bin_s=5.0)
    coarse = in_pool(fine, timeline=Timeline(np.arange(0.0, 400.0, 40.0), fine.timeline.columns))
    assert common_window([fine, coarse], 300.0, start_s=5.0) == Window(40.0, 280.0)


def test_no_window_is_left() -> None:
    record = one_at_a_time([0.0], [1])
    with pytest.raises(ValueError, match="run for longer"):
        common_window([record], 5.0)


def test_window_is_half_open() -> None:
    window = Window(1.0, 2.0)
    assert window.holds(np.array([0.5, 1.0, 1.9, 2.0, np.nan])).tolist() == [False, True, True, False, False]
    assert window.seconds == 1.0


def test_whole_run_holds_the_last_instant() -> None:
    record = one_at_a_time([0.0, 1.0], [3, 3])
    assert whole_run(record).holds(record.requests.finished_at).all()
    later = replace(record, requests=replace(record.requests, finished_at=record.requests.finished_at + 0.01))
    assert whole_run(later).holds(later.requests.finished_at).all()  # the client has the last token a little later


def test_count_at_steps_up_and_down() -> None:
    counts = count_at(
        np.array([1.0, 1.0, 2.0, np.nan]), np.array([3.0, np.nan, 2.5, 5.0]), np.array([0.0, 1, 2.2, 2.5, 9])
    )
    assert counts.tolist() == [0, 2, 3, 2, 1]


def poisson(rate: float, until_s: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / rate, int(3 * rate * until_s) + 20))
    return arrivals[arrivals < until_s]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("load", "overloaded"), [(0.5, False), (0.8, False), (1.2, True), (2.0, True)])
def test_overload_of_one_server(load: float, overloaded: bool, seed: int) -> None:
    arrivals = poisson(load, 1200.0, seed)  # one token each: one second of service
    record = one_at_a_time(arrivals, [1] * len(arrivals))
    assert is_overloaded(record.requests, Window(200.0, 1200.0)) is overloaded


def test_a_request_that_never_finishes_is_no_overload() -> None:
    table = request_table(arrived_at=np.arange(200.0), status=[0] * 199 + [UNFINISHED])
    assert not is_overloaded(table, Window(0.0, 200.0))
    assert not is_overloaded(table, Window(500.0, 600.0))  # nobody arrives


def test_an_offline_batch_is_not_overload() -> None:
    record = one_at_a_time(np.zeros(200), [1] * 200)
    assert not is_overloaded(record.requests, whole_run(record))


def test_too_short_says_why() -> None:
    arrived = np.arange(150.0)
    slow = request_table(arrived_at=arrived, finished_at=arrived + 20)
    assert too_short(slow, Window(0.0, 99.0)) == "99 requests in the window, fewer than 100"
    assert too_short(slow, Window(0.0, 150.0)) == "the window lasts less than 10 mean end-to-end times"
    growing = request_table(arrived_at=arrived, finished_at=arrived * 1.01)
    assert too_short(growing, Window(0.0, 150.0)) == "the warm-up did not end in the first half of the run"
    assert too_short(request_table(arrived_at=arrived, finished_at=arrived + 1), Window(0.0, 150.0)) == ""


def queue(load: float, arrivals: int, rng: np.random.Generator, variation: float = 1.0) -> np.ndarray:
    """Arrival and start times of one server with exponential services of mean 1 (Lindley's recursion)."""
    arrived = np.cumsum(rng.gamma(variation**-2, variation**2 / load, arrivals))
    served = rng.exponential(1.0, arrivals)
    start, free_at = np.empty(arrivals), 0.0
    for i, at in enumerate(arrived):
        start[i] = max(at, free_at)
        free_at = start[i] + served[i]
    return np.stack([arrived, start])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "variation", "least", "most"),
    [
        (0.8, 1.0, 0.0, 0.01),
        (0.95, 1.0, 0.0, 0.05),
        (0.9, 3.0, 0.0, 0.05),
        (1.2, 1.0, 0.93, 1.0),
        (1.5, 1.0, 0.99, 1.0),
    ],
)
def test_false_and_missed_alarms_of_overload(load: float, variation: float, least: float, most: float) -> None:
    rng = np.random.default_rng(17)
    flagged = 0
    for _ in range(300):
        arrived, start = queue(load, 1000, rng, variation)
        table = request_table(arrived_at=arrived, first_scheduled_at=start, finished_at=start)
        flagged += is_overloaded(table, Window(arrived[100], arrived[-1]))
    assert least <= flagged / 300 <= most


def test_simultaneous_arrivals_have_no_variation() -> None:
    table = request_table(arrived_at=np.zeros(150), first_scheduled_at=np.arange(150.0))
    assert not is_overloaded(table, Window(0.0, 150.0))  # the queue only shrinks
