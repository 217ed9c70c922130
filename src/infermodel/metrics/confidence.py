"""Confidence intervals of means: Student's t over replications, over paired differences, over batches of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, ceil, cos, isfinite, log, nan, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Share of intervals that hold the true mean, where no other is asked for."""

BATCHES = 20
"""Of one run, whose means are taken as independent."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the half width of its confidence interval.

    Attributes:
        mean: the estimate.
        half_width: NaN where there is no ground for an interval.
        samples: independent values behind it.
    """

    mean: float
    half_width: float
    samples: int

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half_width


def student_t_cdf(t: float, degrees: int) -> float:
    """P(T <= t) of Student's distribution with a whole number of degrees of freedom, in closed form.

    Source: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.

    >>> round(student_t_cdf(1.0, 1), 6)  # Cauchy: 1/2 + atan(1)/pi
    0.75
    """
    if degrees < 1:
        raise ValueError(f"Student's t needs at least one degree of freedom, got {degrees}")
    theta = atan(t / sqrt(degrees))
    sine, cosine_squared = sin(theta), cos(theta) ** 2
    term, series = 1.0, 0.0
    first = 1 if degrees % 2 == 0 else 2
    for k in range(first, degrees - 1, 2):
        series += term
        term *= cosine_squared * k / (k + 1)
    if degrees % 2 == 0:
        return 0.5 + 0.5 * sine * (series + term)
    odd = 0.0 if degrees == 1 else sine * cos(theta) * (series + term)
    return 0.5 + (theta + odd) / pi


def student_t_quantile(probability: float, degrees: int) -> float:
    """The t that a share `probability` of Student's distribution stays below; bisection of the closed form.

    >>> round(student_t_quantile(0.975, 4), 3)  # any printed t table
    2.776
    """
    if not 0 < probability < 1:
        raise ValueError(f"a probability lies strictly between 0 and 1, got {probability}")
    if probability == 0.5:
        return 0.0
    if probability < 0.5:
        return -student_t_quantile(1 - probability, degrees)
    low, high = 0.0, 1.0
    while student_t_cdf(high, degrees) < probability:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if student_t_cdf(middle, degrees) < probability else (low, middle)


def fewest_to_bound(percent: float) -> int:
    """Values that a sample needs before its largest one lies beyond the true percentile with this confidence: with
    fewer no upper limit of the percentile can be told from them, so what is printed as one may be far too low.

    All of n independent values lie below percentile p with probability p^n, so n = log(1 - level) / log(p).

    Source: Wilks (1941), "Determination of sample sizes for setting tolerance limits".

    >>> [fewest_to_bound(percent) for percent in (50, 90, 95, 99)]
    [5, 29, 59, 299]
    """
    if not 0 < percent < 100:
        raise ValueError(f"a percentile lies strictly between 0 and 100, got {percent}")
    return ceil(log(1 - LEVEL) / log(percent / 100))


def of_independent(values: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Mean of independent values (one per replication) with its t interval; no interval for fewer than two.

    >>> round(of_independent([9.0, 10.0, 11.0]).half_width, 3)  # t = 4.3027, times 1 / sqrt(3)
    2.484
    """
    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    if n == 0:
        return Interval(nan, nan, 0)
    mean = float(np.sum(sample)) / n
    if n == 1 or not isfinite(mean):
        return Interval(mean, nan, n)
    error = float(np.std(sample, ddof=1)) / sqrt(n)
    return Interval(mean, student_t_quantile((1 + level) / 2, n - 1) * error, n)


def of_intercept(values: NDArray[np.float64], variates: Sequence[NDArray[np.float64]]) -> Interval:
    """What independent values are on average where variates are zero, by least squares, with its t interval; their
    plain mean where there are too few for a line.

    >>> round(of_intercept(np.array([1.0, 3.0, 5.0, 7.0]), [np.array([0.0, 1.0, 2.0, 3.0])]).mean, 9)  # 2 x + 1
    1.0
    """
    n, columns = len(values), 1 + len(variates)
    if n < columns + 2:
        return of_independent(values)
    table = np.column_stack([np.ones(n), *variates])
    inverse = np.linalg.pinv(table)
    coefficients = inverse @ values
    off = values - table @ coefficients
    error = sqrt(float(off @ off) / (n - columns) * float(inverse[0] @ inverse[0]))
    return Interval(float(coefficients[0]), student_t_quantile((1 + LEVEL) / 2, n - columns) * error, n)


def of_pairs(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Mean of the differences ours - theirs of runs with the same seeds; the pairing takes the common noise out.

    Raises:
        ValueError: different numbers of values.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"pairs need as many values on both sides, got {len(ours)} and {len(theirs)}")
    return of_independent([a - b for a, b in zip(ours, theirs, strict=True)])


def in_batches(series: NDArray[np.float64], batches: int) -> NDArray[np.float64]:
    """Means of so many consecutive batches of equal size; a tail shorter than a batch is left out.

    >>> in_batches(np.array([1.0, 3.0, 5.0, 7.0, 9.0]), 2)
    array([2., 6.])
    """
    size = len(series) // batches
    means: NDArray[np.float64] = series[: size * batches].reshape(batches, size).mean(axis=1)
    return means


def batch_means(series: NDArray[np.float64]) -> Interval:
    """Mean of one run's series with the t interval over the means of consecutive batches.

    Neighbouring requests wait in the same queue, so they are no independent sample; long batches nearly are. Where the
    batch means still depend on each other (von Neumann's ratio of successive to total differences, 1 % one-sided), the
    run is too short for an interval and the half width is NaN. A tail shorter than a batch is left out of the
    interval, not of the mean.

    Source: Law, Simulation Modeling and Analysis (2015), 9.5.3.
    """
    n = len(series)
    mean = float(np.mean(series)) if n else nan
    size = n // BATCHES
    if size < 2 or not isfinite(mean):
        return Interval(mean, nan, 0)
    means = in_batches(series, BATCHES)
    if _depend(means):
        return Interval(mean, nan, BATCHES)
    return Interval(mean, of_independent(means).half_width, BATCHES)


def _depend(means: NDArray[np.float64]) -> bool:
    """Whether successive values are positively correlated: von Neumann's ratio far below 2, normal approximation."""
    n = len(means)
    spread = float(np.sum((means - means.mean()) ** 2))
    if spread <= 1e-24 * float(np.sum(means**2)):
        return False
    ratio = float(np.sum(np.diff(means) ** 2)) / spread
    return (2 - ratio) / 2 > 2.326 * sqrt((n - 2) / (n * n - 1))
