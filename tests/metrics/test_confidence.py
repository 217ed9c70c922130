from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from infermodel.metrics.confidence import (
    batch_means,
    of_independent,
    of_pairs,
    student_t_cdf,
    student_t_quantile,
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 9, 10, 19, 30, 99, 500])
def test_students_t_is_scipys(degrees: int) -> None:
    for probability in (0.6, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999):
        ours = student_t_quantile(probability, degrees)
        assert ours == pytest.approx(stats.t.ppf(probability, degrees), rel=1e-9)
        assert student_t_quantile(1 - probability, degrees) == pytest.approx(-ours, rel=1e-9)
    for t in (-3.0, -0.2, 0.0, 1.3, 40.0):
        assert student_t_cdf(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), rel=1e-9, abs=1e-13)
    assert student_t_quantile(0.5, degrees) == 0.0


def test_students_t_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="degree of freedom"):
        student_t_cdf(1.0, 0)
    with pytest.raises(ValueError, match="strictly between"):
        student_t_quantile(1.0, 5)


def test_interval_by_hand() -> None:
    # 8, 10, 12, 14: mean 11, variance (9 + 1 + 1 + 9) / 3 = 20/3, standard error sqrt(20/3/4), t(0.975, 3) = 3.18245
    interval = of_independent([8.0, 10.0, 12.0, 14.0])
    assert interval.mean == 11.0
    assert interval.half_width == pytest.approx(3.18245 * sqrt(20 / 3 / 4), rel=1e-5)
    assert interval.low == pytest.approx(11 - 4.10852, rel=1e-4)
    assert interval.high == pytest.approx(11 + 4.10852, rel=1e-4)


def test_one_value_has_no_interval() -> None:
    assert np.isnan(of_independent([3.0]).half_width)
    assert np.isnan(of_independent([]).mean)


def test_an_infinite_value_has_no_interval() -> None:
    assert of_independent([3.0, np.inf]).mean == np.inf
    assert np.isnan(of_independent([3.0, np.inf]).half_width)


def test_pairs_take_common_noise_out() -> None:
    noise = np.random.default_rng(3).normal(0, 10, 8)
    steps = np.array([0.9, 1.1, 1.0, 1.0, 0.8, 1.2, 1.0, 1.0])  # mean 1, the sum of squares around it is 0.1
    paired = of_pairs((noise + steps).tolist(), noise.tolist())
    assert paired.mean == pytest.approx(1.0)
    assert paired.half_width == pytest.approx(2.36462 * sqrt(0.1 / 7 / 8), rel=1e-5)  # t(0.975, 7)
    with pytest.raises(ValueError, match="pairs"):
        of_pairs([1.0], [1.0, 2.0])


def test_batches_of_independent_values() -> None:
    # 20 batches of 5; batch b holds b % 2 everywhere: means 0, 1, 0, 1...; t(0.975, 19) = 2.09302
    series = np.repeat(np.tile([0.0, 1.0], 10), 5)
    interval = batch_means(series)
    assert interval.mean == 0.5
    assert interval.half_width == pytest.approx(2.09302 * sqrt(20 * 0.25 / 19 / 20), rel=1e-5)
    assert interval.samples == 20


def test_a_drifting_series_gets_no_interval() -> None:
    drift = batch_means(np.arange(400.0))
    assert drift.mean == 199.5
    assert np.isnan(drift.half_width)


def test_a_short_series_gets_no_interval() -> None:
    assert np.isnan(batch_means(np.arange(39.0)).half_width)
    assert np.isnan(batch_means(np.array([])).mean)


def test_a_constant_series_is_certain() -> None:
    assert batch_means(np.full(100, 0.1)).half_width == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
def test_batch_means_cover_the_mean_of_a_correlated_series() -> None:
    """95 % intervals on an autoregressive series of known mean 0: at least 92 % of those given hold it."""
    rng = np.random.default_rng(11)
    given = held = 0
    for _ in range(1000):
        series = np.empty(4000)
        series[0] = rng.normal(0, 1 / sqrt(1 - 0.8**2))
        for i, noise in enumerate(rng.normal(size=3999)):
            series[i + 1] = 0.8 * series[i] + noise
        interval = batch_means(series)
        if not np.isnan(interval.half_width):
            given += 1
            held += interval.low <= 0 <= interval.high
    assert given > 950
    assert held / given > 0.92
