from __future__ import annotations

import numpy as np
import pytest

from infermodel.fidelity.fit import Parameter, robust_fit

PARAMETERS = (Parameter("floor", 2.0, 0.0, 100.0), Parameter("slope", 1.0, 0.0, 100.0))


def law(x, work):
    return x[0] + x[1] * work


def test_a_fit_finds_the_constants_that_made_the_data() -> None:
    work = np.geomspace(0.1, 1000, 60)
    seconds = law((5.0, 3.0), work)
    fit = robust_fit(PARAMETERS, lambda x: np.log(law(x, work) / seconds))
    assert fit.values == pytest.approx({"floor": 5.0, "slope": 3.0}, rel=1e-4)
    assert fit.median_error < 1e-4


def test_a_fit_looks_no_further_than_a_step_promises() -> None:
    # Residuals that jump, as simulated times do: below the jumps no step helps, and each look may take minutes.
    work = np.geomspace(0.1, 1000, 60)
    noise = np.random.default_rng(3).normal(0, 0.05, 60)
    looks = []

    def residuals(x):
        looks.append(x)
        return np.round(np.log(law(x, work) / law((5.0, 3.0), work)) - noise, 2)

    fit = robust_fit(PARAMETERS, residuals, step=0.05, tolerance=0.01, worth=0.01)
    assert fit.values["slope"] == pytest.approx(3.0, rel=0.03)
    assert len(looks) <= 20


def test_outliers_pull_little() -> None:
    work = np.geomspace(0.1, 1000, 60)
    seconds = law((5.0, 3.0), work)
    seconds[::10] *= 4
    fit = robust_fit(PARAMETERS, lambda x: np.log(law(x, work) / seconds))
    assert fit.values == pytest.approx({"floor": 5.0, "slope": 3.0}, rel=0.05)


def test_the_standard_error_covers_what_repeated_experiments_show() -> None:
    work = np.geomspace(0.1, 1000, 60)
    random = np.random.default_rng(7)
    slopes, errors = [], []
    for _ in range(100):
        seconds = law((5.0, 3.0), work) * np.exp(random.normal(0, 0.05, len(work)))
        fit = robust_fit(PARAMETERS, lambda x, seconds=seconds: np.log(law(x, work) / seconds))
        slopes.append(fit.values["slope"])
        errors.append(fit.errors["slope"])
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.25)


def test_copies_of_a_row_are_one_witness() -> None:
    work = np.geomspace(0.1, 1000, 60)
    random = np.random.default_rng(7)
    seconds = law((5.0, 3.0), work) * np.exp(random.normal(0, 0.05, len(work)))
    once = robust_fit(PARAMETERS, lambda x: np.log(law(x, work) / seconds), np.arange(60))
    many_work, many_seconds = np.tile(work, 25), np.tile(seconds, 25)
    many = robust_fit(PARAMETERS, lambda x: np.log(law(x, many_work) / many_seconds), np.tile(np.arange(60), 25))
    assert many.values == pytest.approx(once.values, rel=1e-3)
    assert many.errors == pytest.approx(once.errors, rel=1e-2)


def test_leaving_out_an_outlying_group_gives_what_a_fit_without_it_gives() -> None:
    work = np.geomspace(0.1, 1000, 60)
    random = np.random.default_rng(7)
    seconds = law((5.0, 3.0), work) * np.exp(random.normal(0, 0.02, len(work)))
    left = np.zeros(60, bool)
    left[40:] = True
    seconds[left] *= 1.04
    values, residuals = robust_fit(PARAMETERS, lambda x: np.log(law(x, work) / seconds)).without(left)
    refit = robust_fit(PARAMETERS, lambda x: np.log(law(x, work[~left]) / seconds[~left]))
    assert values == pytest.approx(refit.values, rel=5e-3)
    again = np.log(law(tuple(refit.values.values()), work[left]) / seconds[left])
    assert residuals == pytest.approx(again, abs=5e-3)
