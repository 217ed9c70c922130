from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.metrics.hand_records import one_at_a_time, request_table

from infermodel.metrics.latency import (
    gap_mean,
    gap_percentile,
    latencies,
    lower_percentile,
    percentile,
    percentiles,
)
from infermodel.tables import REJECTED, UNFINISHED, GapHistogram

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


def test_times_of_one_request() -> None:
    # arrives at 10, starts at 12, first token at 12.5, five tokens, the last at 13.3
    table = request_table(
        arrived_at=[10.0],
        first_scheduled_at=[12.0],
        first_token_at=[12.5],
        last_token_at=[13.3],
        finished_at=[13.3],
        output_tokens=[5],
    )
    columns = {name: values[0] for name, values in latencies(table).items()}
    assert columns == pytest.approx(
        {"queue_time_s": 2.0, "ttft_s": 2.5, "tpot_s": 0.8 / 4, "e2e_s": 3.3, "output_speed_tok_s": 5.0}
    )


def test_one_token_has_no_tpot_and_no_speed() -> None:
    columns = latencies(one_at_a_time([0.0], [1]).requests)
    assert np.isnan(columns["tpot_s"][0])
    assert np.isnan(columns["output_speed_tok_s"][0])
    assert columns["e2e_s"][0] == 1.0


def test_what_never_ended_has_no_end_to_end_time() -> None:
    nan = np.nan
    table = request_table(
        arrived_at=[0.0, 0.0],
        output_tokens=[9, 9],
        first_scheduled_at=[1.0, nan],
        first_token_at=[2.0, nan],
        last_token_at=[5.0, nan],  # five tokens have come, four have not
        finished_at=[nan, nan],
        status=[UNFINISHED, REJECTED],
    )
    columns = latencies(table)
    assert columns["ttft_s"].tolist() == pytest.approx([2.0, nan], nan_ok=True)
    assert np.isnan(columns["e2e_s"]).all()
    assert np.isnan(columns["tpot_s"]).all()


def test_tokens_that_come_at_once_have_infinite_speed() -> None:
    table = request_table(arrived_at=[0.0], output_tokens=[4], first_token_at=[1.0], last_token_at=[1.0])
    assert latencies(table)["output_speed_tok_s"][0] == np.inf


def by_definition(values: Sequence[float], percent: Fraction) -> float:
    """The value whose rank is the smallest whole number not below percent x n / 100, in exact arithmetic."""
    return sorted(values)[max(ceil(percent * len(values) / 100), 1) - 1]


@given(numbers, st.integers(0, 1000))
def test_percentile_is_the_inverse_distribution(values: list[float], permille: int) -> None:
    assert percentile(np.array(values), permille / 10) == by_definition(values, Fraction(permille, 10))


@given(numbers, st.integers(0, 100))
def test_percentile_is_numpys(values: list[float], percent: int) -> None:
    assert percentile(np.array(values), percent) == np.percentile(values, percent, method="inverted_cdf")


@given(numbers, st.integers(1, 99))
def test_percentile_within_the_limit_says_how_many_are(values: list[float], percent: int) -> None:
    sample = np.array(values)
    at = percentile(sample, percent)
    assert 100 * (sample <= at).sum() >= percent * len(sample)
    assert 100 * (sample < at).sum() < percent * len(sample)


@given(numbers, st.integers(1, 99))
def test_lower_percentile_is_reached_by_the_rest(values: list[float], percent: int) -> None:
    sample = np.array(values)
    at = lower_percentile(sample, percent)
    assert 100 * (sample >= at).sum() >= (100 - percent) * len(sample)
    assert 100 * (sample > at).sum() < (100 - percent) * len(sample)


def test_rank_is_not_shifted_by_rounding() -> None:
    # 99.9 % of 5,000 values is the 4,995th, though 5000 * 99.9 / 100 is a little more in floating point
    assert percentile(np.arange(1.0, 5001.0), 99.9) == 4995
    assert percentiles(np.arange(1.0, 101.0), (7, 29, 99, 99.9)) == (7, 29, 99, 100)


def test_infinitely_late_requests_sort_last() -> None:
    late = np.array([1.0] * 98 + [np.inf] * 2)
    assert percentiles(late, (98, 99)) == (1.0, np.inf)


def test_percentiles_refuse_nan_and_nonsense() -> None:
    with pytest.raises(ValueError, match="missing value"):
        percentile(np.array([1.0, np.nan]), 50)
    with pytest.raises(ValueError, match="between 0 and 100"):
        percentile(np.array([1.0]), 101)
    with pytest.raises(ValueError, match="between 0 and 100"):
        gap_percentile(histogram(np.array([1.0])), -1)
    assert np.isnan(percentile(np.array([]), 50))


def histogram(gaps: np.ndarray, ratio: float = 1.02) -> GapHistogram:
    edges = 1e-4 * ratio ** np.arange(700)
    return GapHistogram(edges, np.histogram(gaps, edges)[0], float(gaps.sum()), len(gaps))


@pytest.mark.parametrize("percent", [0, 1, 50, 90, 95, 99, 99.9, 100])
def test_gap_percentiles_keep_their_error_bound(percent: float) -> None:
    gaps = np.random.default_rng(7).lognormal(-4, 0.8, 5000)
    exact = by_definition(gaps, Fraction(str(percent)))
    assert abs(gap_percentile(histogram(gaps), percent) / exact - 1) < 0.02  # bins of 2 %


def test_gap_percentile_by_hand() -> None:
    # 100 gaps in [1, 4), 100 in [4, 16): the median is the end of the first bin, 75 % the middle of the second
    gaps = GapHistogram(np.array([1.0, 4.0, 16.0]), np.array([100, 100]), 1000.0, 200)
    assert gap_percentile(gaps, 50) == 4.0
    assert gap_percentile(gaps, 75) == pytest.approx(8.0)  # sqrt(4 x 16)
    assert gap_mean(gaps) == 5.0


def test_gap_bins_without_ends() -> None:
    gaps = GapHistogram(np.array([0.0, 2.0, np.inf]), np.array([10, 10]), 100.0, 20)
    assert gap_percentile(gaps, 25) == 1.0  # evenly in a bin that starts at zero
    assert gap_percentile(gaps, 99) == 2.0


def test_no_gaps() -> None:
    none = GapHistogram(np.array([0.0, 1.0]), np.array([0]), 0.0, 0)
    assert np.isnan(gap_percentile(none, 50))
    assert np.isnan(gap_mean(none))
