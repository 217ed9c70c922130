import math
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infermodel.workload.arrivals import Arrivals, Constant, Gamma, Offline, Poisson, Profile

LAWS: dict[str, Arrivals] = {
    "constant": Constant(3.0),
    "poisson": Poisson(7.0),
    "bursty": Gamma(5.0, cv=4.0),
    "regular": Gamma(5.0, cv=0.3),
    "day": Profile((0.0, 10.0, 20.0), (2.0, 0.0, 30.0), repeat_s=25.0),
    "bursty day": Profile((0.0, 10.0), (2.0, 8.0), repeat_s=40.0, cv=2.0),
    "profile that ends": Profile((0.0, 10.0, 20.0), (2.0, 30.0, 0.0)),
    "offline": Offline(777),
}


def times(law: Arrivals, count: int, size: int = 1000, seed: int = 1) -> np.ndarray:
    blocks = law.blocks(np.random.default_rng(seed), size)
    return np.concatenate(list(islice(blocks, -(-count // size))))[:count]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_the_block_size_changes_no_bit(law: Arrivals, size: int) -> None:
    assert times(law, 500, size).tobytes() == times(law, 500, 64).tobytes()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_times_do_not_decrease_and_are_finite(law: Arrivals) -> None:
    drawn = times(law, 5000)
    assert drawn[0] >= 0
    assert np.isfinite(drawn).all()
    assert (np.diff(drawn) >= 0).all()


def test_constant_arrivals_fill_a_duration_exactly() -> None:
    drawn = times(Constant(0.5), 1000)
    assert drawn[:3].tolist() == [0, 2, 4]
    assert (drawn < 600).sum() == 300  # 30 a minute for 10 minutes


@pytest.mark.parametrize("cv", [0.25, 1.0, 3.0])
def test_gaps_have_the_mean_and_the_cv_asked_for(cv: float) -> None:
    count = 200_000
    gaps = np.diff(times(Gamma(4.0, cv), count, size=count), prepend=0.0)
    # The mean of n gaps has standard deviation cv/4/sqrt(n); the sample variance of a gamma law with shape k = 1/cv^2
    # has variance var^2 (2 + 6/k)/n (excess kurtosis 6/k).
    assert gaps.mean() == pytest.approx(0.25, abs=5 * cv * 0.25 / math.sqrt(count))
    variance = (cv * 0.25) ** 2
    assert gaps.var() == pytest.approx(variance, abs=5 * variance * math.sqrt((2 + 6 * cv**2) / count))


def test_poisson_is_gamma_of_cv_one() -> None:
    assert times(Poisson(4.0), 100).tolist() == times(Gamma(4.0, 1.0), 100).tolist()


def test_poisson_counts_in_seconds_vary_as_much_as_their_mean() -> None:
    counts = np.bincount(times(Poisson(3.0), 300_000, size=300_000).astype(int))[:90_000]
    # Index of dispersion of n Poisson counts: 1 with standard deviation sqrt(2/n).
    assert counts.var() / counts.mean() == pytest.approx(1, abs=5 * math.sqrt(2 / len(counts)))


@pytest.mark.parametrize("law", [Constant(2.0), Poisson(2.0), Gamma(2.0, 3.0)])
def test_another_rate_stretches_the_same_pattern(law: Arrivals) -> None:
    assert times(law.at_rate(8.0), 300) == pytest.approx(times(law, 300) / 4, rel=1e-15)
    assert law.at_rate(8.0).mean_rate_per_s == 8.0


def test_a_profile_of_one_rate_is_poisson() -> None:
    assert times(Profile((0.0,), (5.0,)), 200) == pytest.approx(times(Poisson(5.0), 200), rel=1e-14)
    assert times(Profile((0.0, 2.0), (5.0, 5.0), repeat_s=3.0), 200) == pytest.approx(
        times(Poisson(5.0), 200), rel=1e-12
    )


def test_a_profile_maps_the_unit_process_through_its_integral() -> None:
    """Rates 2/s for 10 s, none for 10 s, 4/s for 5 s, again and again: 40 a day of 25 s. Worked by hand:

    unit time 10 falls at 5 s, 20.8 at 20 + 0.8/4 s, 47 = 40 + 7 at 25 + 3.5 s, 93 = 80 + 13 at 50 + 6.5 s.
    """
    profile = Profile((0.0, 10.0, 20.0), (2.0, 0.0, 4.0), repeat_s=25.0)

    class Given:
        def standard_exponential(self, size: int) -> np.ndarray:
            return np.diff([0, 10, 20.8, 47, 93.0])

    block = next(profile.blocks(Given(), 4))
    assert block == pytest.approx([5, 20.2, 28.5, 56.5], rel=1e-12)


def test_a_profile_has_its_share_of_arrivals_in_each_part() -> None:
    profile = Profile((0.0, 10.0, 20.0), (20.0, 0.0, 60.0), repeat_s=25.0)
    drawn = times(profile, 250_000, size=50_000)
    days = int(drawn[-1] // 25)
    of_day = drawn[drawn < days * 25] % 25
    first, idle = (of_day < 10).sum(), ((of_day >= 10) & (of_day < 20)).sum()
    assert idle == 0
    assert first == pytest.approx(200 * days, abs=5 * math.sqrt(200 * days))
    assert len(of_day) - first == pytest.approx(300 * days, abs=5 * math.sqrt(300 * days))
    assert profile.mean_rate_per_s == 20.0  # 500 in 25 s


@given(
    rates=st.lists(st.floats(0, 50), min_size=1, max_size=5).filter(lambda rates: sum(rates) > 1),
    share=st.floats(0, 3),
)
def test_the_integral_of_a_profile_is_the_sum_of_its_rectangles(rates: list[float], share: float) -> None:
    day = 2.0 * len(rates)
    profile = Profile(tuple(2.0 * i for i in range(len(rates))), tuple(rates), repeat_s=day)
    until = share * day
    rectangles = sum(rates[k % len(rates)] * min(max(until - 2 * k, 0), 2) for k in range(3 * len(rates) + 1))
    assert profile.expected_arrivals(until) == pytest.approx(rectangles, rel=1e-9, abs=1e-9)


def test_a_profile_that_ends_at_rate_zero_ends() -> None:
    law = Profile((0.0, 10.0, 20.0), (2.0, 30.0, 0.0))
    drawn = np.concatenate(list(law.blocks(np.random.default_rng(3), 50)))
    assert drawn[-1] <= 20
    assert len(drawn) == pytest.approx(320, abs=5 * math.sqrt(320))


def test_a_profile_at_another_rate_keeps_its_day() -> None:
    busier = Profile((0.0, 10.0), (1.0, 3.0), repeat_s=20.0).at_rate(8.0)
    assert busier.rates_per_s == (4.0, 12.0)
    assert busier.starts_s == (0.0, 10.0)


def test_an_offline_batch_is_there_at_once() -> None:
    blocks = list(Offline(10).blocks(np.random.default_rng(1), 4))
    assert [len(block) for block in blocks] == [4, 4, 2]
    assert not np.concatenate(blocks).any()
    with pytest.raises(ValueError, match="no rate"):
        Offline(10).at_rate(1.0)


@pytest.mark.parametrize(
    ("law", "says"),
    [
        (lambda: Constant(0.0), "rate must be above zero"),
        (lambda: Poisson(math.nan), "rate must be above zero"),
        (lambda: Gamma(1.0, -1.0), "cv must be above zero"),
        (lambda: Offline(0), "requests must be above zero"),
        (lambda: Profile((), ()), "at least one"),
        (lambda: Profile((1.0,), (1.0,)), "begin at 0"),
        (lambda: Profile((0.0, 0.0), (1.0, 1.0)), "increase"),
        (lambda: Profile((0.0,), (0.0,)), "not all zero"),
        (lambda: Profile((0.0, 5.0), (1.0, 2.0), repeat_s=5.0), "repeats after its last start"),
        (lambda: Profile((0.0, 5.0), (1.0, 0.0)).at_rate(2.0), "last rate of the profile"),
    ],
)
def test_a_law_that_makes_no_sense_says_why(law: type, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        law()
