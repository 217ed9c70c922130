"""Whole distributions against their laws, by the tests of Kolmogorov and Smirnov and of Pearson (fixed seeds).

Each passes where its p-value is above 1e-4: with some twenty tests a right sampler fails once in five hundred seeds.
"""

import math
import zlib
from itertools import islice

import numpy as np
import pytest
from scipy import stats

from infermodel.workload.arrivals import Arrivals, Gamma, Poisson, Profile
from infermodel.workload.bodies import Prefix
from infermodel.workload.lengths import Fixed, Lengths, Lognormal, Table, Uniform
from infermodel.workload.traffic import OpenTraffic, ThinkTime

pytestmark = pytest.mark.slow
COUNT = 1_000_000
LEAST_P = 1e-4


def gaps(law: Arrivals, seed: int = 11) -> np.ndarray:
    return np.diff(next(law.blocks(np.random.default_rng(seed), COUNT)), prepend=0.0)


@pytest.mark.parametrize("cv", [0.2, 0.5, 1.0, 2.0, 5.0])
def test_gaps_are_gamma(cv: float) -> None:
    """Below a microsecond only their share is tested: differences of absolute times do not resolve such gaps."""
    shape, least = 1 / cv**2, 1e-6
    law = stats.gamma(shape, scale=1 / (3 * shape))
    drawn, below = gaps(Gamma(3.0, cv)), float(law.cdf(least))
    assert (drawn < least).mean() == pytest.approx(below, abs=4 * math.sqrt(below * (1 - below) / COUNT))
    resolved = drawn[drawn >= least]
    assert stats.kstest(resolved, lambda gap: (law.cdf(gap) - below) / (1 - below)).pvalue > LEAST_P


def test_gaps_of_poisson_arrivals_are_exponential_and_do_not_follow_each_other() -> None:
    drawn = gaps(Poisson(3.0))
    assert stats.kstest(drawn, stats.expon(scale=1 / 3).cdf).pvalue > LEAST_P
    # Lag-1 autocorrelation of n independent values: 0 with standard deviation 1/sqrt(n).
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / math.sqrt(COUNT)


def test_arrivals_of_a_profile_are_uniform_within_each_part() -> None:
    profile = Profile((0.0, 10.0, 20.0), (20.0, 0.0, 60.0), repeat_s=25.0)
    of_day = next(profile.blocks(np.random.default_rng(12), COUNT)) % 25
    assert stats.kstest(of_day[of_day < 10], stats.uniform(0, 10).cdf).pvalue > LEAST_P
    assert stats.kstest(of_day[of_day >= 20], stats.uniform(20, 5).cdf).pvalue > LEAST_P


def test_counts_of_a_profile_are_poisson_in_each_day() -> None:
    profile = Profile((0.0, 10.0), (0.3, 0.1), repeat_s=20.0)  # four a day
    times = next(profile.blocks(np.random.default_rng(13), COUNT))
    days = int(times[-1] // 20)
    counts = np.bincount((times // 20).astype(int))[:days]
    observed = np.bincount(np.minimum(counts, 12), minlength=13)
    law = stats.poisson(4)
    expected = days * np.append(law.pmf(np.arange(12)), law.sf(11))
    assert stats.chisquare(observed, expected).pvalue > LEAST_P


@pytest.mark.parametrize(
    ("law", "probabilities"),
    [
        (Uniform(3, 9), dict.fromkeys(range(3, 10), 1 / 7)),
        (Table((5, 10, 400), (1, 2, 5)), {5: 1 / 8, 10: 2 / 8, 400: 5 / 8}),
        (Table((5, 10)), {5: 0.5, 10: 0.5}),
    ],
)
def test_lengths_come_with_their_probabilities(law: Lengths, probabilities: dict[int, float]) -> None:
    values, counts = np.unique(law.draw(np.random.default_rng(14), COUNT), return_counts=True)
    assert values.tolist() == list(probabilities)
    assert stats.chisquare(counts, COUNT * np.array(list(probabilities.values()))).pvalue > LEAST_P


@pytest.mark.parametrize(("low", "high"), [(1, 40), (5, 30)])
def test_every_length_of_a_cut_and_rounded_lognormal_has_its_probability(low: int, high: int) -> None:
    spread = math.sqrt(math.log1p(0.7**2))
    law = stats.lognorm(spread, scale=15 * math.exp(-(spread**2) / 2))
    edges = law.cdf(np.arange(low, high) + 0.5)  # rounding to k takes what lies between k - 1/2 and k + 1/2
    probabilities = np.diff(np.concatenate([[0.0], edges, [1.0]]))
    drawn = Lognormal(15, 0.7, low, high).draw(np.random.default_rng(15), COUNT)
    observed = np.bincount(drawn, minlength=high + 1)[low:]
    assert stats.chisquare(observed, COUNT * probabilities).pvalue > LEAST_P


def test_pauses_are_exponential() -> None:
    drawn = ThinkTime(2.0, "exponential").draw(np.random.default_rng(16), COUNT)
    assert stats.kstest(drawn, stats.expon(scale=2).cdf).pvalue > LEAST_P


def test_prompts_that_come_again_come_evenly() -> None:
    traffic = OpenTraffic(Poisson(1.0), Fixed(5), Fixed(5), Prefix(20, "uniform"))

    def streams(name: str) -> np.random.Generator:
        return np.random.default_rng([17, zlib.crc32(name.encode())])

    blocks = islice(traffic.blocks(streams), 50)
    counts = np.bincount(np.concatenate([block.prompt_id for block in blocks]))
    assert len(counts) == 20
    assert stats.chisquare(counts).pvalue > LEAST_P


def test_streams_of_arrivals_and_lengths_do_not_follow_each_other() -> None:
    generator = np.random.default_rng(18)
    arrived = next(Poisson(1.0).blocks(generator, COUNT))
    lengths = Lognormal(1000, 0.8).draw(np.random.default_rng(19), COUNT)
    assert abs(np.corrcoef(np.diff(arrived), np.log(lengths[1:]))[0, 1]) < 4 / math.sqrt(COUNT)
