import math

import numpy as np
import pytest
from scipy import integrate, stats

from infermodel.workload.lengths import Fixed, Lengths, Lognormal, Table, Uniform, table_of

LAWS: dict[str, Lengths] = {
    "fixed": Fixed(250),
    "uniform": Uniform(80, 100),
    "lognormal": Lognormal(1000, 0.8),
    "cut lognormal": Lognormal(1000, 1.5, min_tokens=20, max_tokens=2000),
    "table": Table((1, 10, 1000), (0.5, 0.3, 0.2)),
}
COUNT = 200_000


def draw(law: Lengths, count: int = COUNT) -> np.ndarray:
    return law.draw(np.random.default_rng(5), count)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_drawing_in_parts_changes_nothing(law: Lengths) -> None:
    generator = np.random.default_rng(5)
    parts = [law.draw(generator, count) for count in (1, 2, 3, 94)]
    assert np.concatenate(parts).tolist() == draw(law, 100).tolist()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_samples_have_the_stated_mean(law: Lengths) -> None:
    drawn = draw(law)
    assert drawn.dtype == np.int64
    assert drawn.min() >= 1
    assert drawn.mean() == pytest.approx(law.mean(), abs=5 * drawn.std() / math.sqrt(COUNT) + 0.01)


def test_uniform_includes_both_ends_equally() -> None:
    values, counts = np.unique(draw(Uniform(80, 100)), return_counts=True)
    assert values.tolist() == list(range(80, 101))
    expected = COUNT / 21
    assert counts == pytest.approx(np.full(21, expected), abs=5 * math.sqrt(expected))


def test_lognormal_has_the_mean_and_cv_asked_for() -> None:
    drawn = draw(Lognormal(1000, 0.8))
    # s^2 = ln(1 + 0.64) and m = ln 1000 - s^2/2: mean and cv of the logarithms have normal-theory errors.
    spread = math.sqrt(math.log(1.64))
    logs = np.log(drawn)
    assert logs.mean() == pytest.approx(math.log(1000) - spread**2 / 2, abs=5 * spread / math.sqrt(COUNT))
    assert logs.std() == pytest.approx(spread, abs=5 * spread / math.sqrt(2 * COUNT))
    assert drawn.mean() == pytest.approx(1000, abs=5 * 800 / math.sqrt(COUNT))


def test_cutting_moves_the_tails_onto_the_bounds() -> None:
    free, cut = draw(Lognormal(1000, 1.5)), draw(Lognormal(1000, 1.5, min_tokens=20, max_tokens=2000))
    assert cut.tolist() == np.clip(free, 20, 2000).tolist()


@pytest.mark.parametrize(("low", "high"), [(1, 700), (300, 5000), (900, 1000)])
def test_the_mean_of_a_cut_lognormal_is_its_integral(low: int, high: int) -> None:
    spread = math.sqrt(math.log(1 + 0.8**2))
    law = stats.lognorm(spread, scale=1000 / math.sqrt(1.64))
    inside, _ = integrate.quad(lambda x: x * law.pdf(x), low, high, epsabs=1e-9)
    expected = low * law.cdf(low) + inside + high * law.sf(high)
    assert Lognormal(1000, 0.8, low, high).mean() == pytest.approx(expected, rel=1e-9)


def test_an_extreme_lognormal_stays_a_whole_number() -> None:
    drawn = draw(Lognormal(1e6, 1e6))
    assert drawn.min() >= 1
    assert drawn.max() <= 10**9


def test_a_table_draws_by_weight_and_never_what_weighs_nothing() -> None:
    drawn = draw(Table((5, 6, 7, 8), (0, 3, 1, 0)))
    assert set(np.unique(drawn)) == {6, 7}
    assert (drawn == 6).sum() == pytest.approx(0.75 * COUNT, abs=5 * math.sqrt(COUNT * 0.75 * 0.25))


def test_a_table_without_weights_draws_evenly() -> None:
    assert (draw(Table((5, 6))) == 5).sum() == pytest.approx(COUNT / 2, abs=5 * math.sqrt(COUNT) / 2)


def test_the_table_of_a_sample_has_its_mean() -> None:
    sample = draw(Lognormal(300, 1.0), 1000)
    assert table_of(sample).mean() == pytest.approx(sample.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("law", "says"),
    [
        (lambda: Fixed(0), "tokens must be above zero"),
        (lambda: Uniform(0, 5), "low must be above zero"),
        (lambda: Uniform(6, 5), "must not be below low"),
        (lambda: Lognormal(math.nan, 1), "mean must be above zero"),
        (lambda: Lognormal(10, 0), "cv must be above zero"),
        (lambda: Lognormal(10, 1, 5, 4), "must not be below min"),
        (lambda: Table(()), "at least one"),
        (lambda: Table((1, 2), (1.0,)), "need 2 weights, not 1"),
        (lambda: Table((1, 2), (0.0, 0.0)), "not all zero"),
        (lambda: Table((1, 2), (-1.0, 2.0)), "not negative"),
    ],
)
def test_a_law_that_makes_no_sense_says_why(law: type, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        law()
