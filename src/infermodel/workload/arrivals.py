"""When requests arrive: laws of absolute arrival times, drawn in blocks.

Every law draws gaps of mean one and stretches them by its rate, so that the same generator at another rate gives the
same pattern, faster or slower (common random numbers for a search over rates). The times do not depend on how many
are drawn at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


class Arrivals(Protocol):
    """A law of arrival times."""

    @property
    def mean_rate_per_s(self) -> float:
        """Long-run arrivals a second."""

    def at_rate(self, rate_per_s: float) -> Self:
        """The same law at another long-run rate, coupled to this one when drawn from equal generators."""

    def blocks(self, generator: np.random.Generator, size: int) -> Iterator[Times]:
        """Non-decreasing arrival times in seconds, at most `size` a block, until the law has no more."""


@dataclass(frozen=True)
class Constant:
    """Arrivals at 0, 1/rate, 2/rate, ...: exactly rate x duration of them come before a whole duration.

    >>> next(Constant(rate_per_s=4.0).blocks(np.random.default_rng(1), 3)).tolist()
    [0.0, 0.25, 0.5]
    """

    rate_per_s: float

    def __post_init__(self) -> None:
        require_positive("rate", self.rate_per_s)

    @property
    def mean_rate_per_s(self) -> float:
        """Arrivals a second."""
        return self.rate_per_s

    def at_rate(self, rate_per_s: float) -> Constant:
        """The same law at another rate."""
        return Constant(rate_per_s)

    def blocks(self, generator: np.random.Generator, size: int) -> Iterator[Times]:
        """Times without end; the generator is not used."""
        start = 0
        while True:
            yield np.arange(start, start + size) / self.rate_per_s
            start += size


@dataclass(frozen=True)
class Gamma:
    """A renewal process whose gaps are gamma distributed, the field's usual law of burstiness.

    The first gap starts at 0. vLLM's `--burstiness` b is cv = 1/sqrt(b).

    Attributes:
        rate_per_s: arrivals a second.
        cv: standard deviation of a gap over its mean; 1 is Poisson, more is bursty, less is regular.
    """

    rate_per_s: float
    cv: float

    def __post_init__(self) -> None:
        require_positive("rate", self.rate_per_s)
        require_positive("cv", self.cv)

    @property
    def mean_rate_per_s(self) -> float:
        """Arrivals a second."""
        return self.rate_per_s

    def at_rate(self, rate_per_s: float) -> Gamma:
        """The same burstiness at another rate."""
        return Gamma(rate_per_s, self.cv)

    def blocks(self, generator: np.random.Generator, size: int) -> Iterator[Times]:
        """Times without end."""
        for work in unit_rate_renewals(generator, self.cv, size):
            yield work / self.rate_per_s


@dataclass(frozen=True)
class Poisson:
    """Independent arrivals: exponential gaps of mean 1/rate."""

    rate_per_s: float

    def __post_init__(self) -> None:
        require_positive("rate", self.rate_per_s)

    @property
    def mean_rate_per_s(self) -> float:
        """Arrivals a second."""
        return self.rate_per_s

    def at_rate(self, rate_per_s: float) -> Poisson:
        """The same law at another rate."""
        return Poisson(rate_per_s)

    def blocks(self, generator: np.random.Generator, size: int) -> Iterator[Times]:
        """Times without end."""
        for work in unit_rate_renewals(generator, 1.0, size):
            yield work / self.rate_per_s


@dataclass(frozen=True)
class Profile:
    """A rate that varies over the day, piecewise constant; exact by change of time, not by thinning.

    With R(t) the integral of the rate, arrival n is at the t where R(t) = S(n), S a renewal process of rate one with
    gamma gaps (Cinlar, Introduction to Stochastic Processes, 1975, section 4.7); at cv 1 that is the inhomogeneous
    Poisson process.

    Attributes:
        starts_s: where each rate begins; the first is 0.
        rates_per_s: the rate from each start to the next.
        repeat_s: the length of the day after which the profile begins anew; None: the last rate stays for ever, and
            if it is zero the arrivals end.
        cv: of the gaps in changed time.
    """

    starts_s: tuple[float, ...]
    rates_per_s: tuple[float, ...]
    repeat_s: float | None = None
    cv: float = 1.0

    def __post_init__(self) -> None:
        if not self.starts_s or len(self.starts_s) != len(self.rates_per_s):
            raise ValueError("a profile needs one rate for each start, and at least one")
        if self.starts_s[0] != 0 or not all(a < b for a, b in zip(self.starts_s, self.starts_s[1:], strict=False)):
            raise ValueError(f"the starts of a profile begin at 0 and increase, not {list(self.starts_s)} s")
        if not all(math.isfinite(rate) and rate >= 0 for rate in self.rates_per_s) or not any(self.rates_per_s):
            raise ValueError("the rates of a profile are finite, not negative, and not all zero")
        if not math.isfinite(self.starts_s[-1]):
            raise ValueError("the starts of a profile are finite")
        if self.repeat_s is not None and not self.starts_s[-1] < self.repeat_s < math.inf:
            raise ValueError(
                f"a profile repeats after its last start ({self.starts_s[-1]} s), not at {self.repeat_s} s"
            )
        require_positive("cv", self.cv)

    @property
    def mean_rate_per_s(self) -> float:
        """Arrivals a second over one repetition, or the last rate where the profile does not repeat."""
        return self.rates_per_s[-1] if self.repeat_s is None else self.expected_arrivals(self.repeat_s) / self.repeat_s

    def at_rate(self, rate_per_s: float) -> Profile:
        """The same shape of the day at another mean rate; a profile that does not repeat must not end at rate zero."""
        require_positive("rate", rate_per_s)
        require_positive("last rate of the profile", self.mean_rate_per_s)
        factor = rate_per_s / self.mean_rate_per_s
        return replace(self, rates_per_s=tuple(rate * factor for rate in self.rates_per_s))

    def constant(self, rate_per_s: float) -> Poisson | Gamma:
        """Arrivals as bursty at a rate that does not vary."""
        return Poisson(rate_per_s) if self.cv == 1 else Gamma(rate_per_s, self.cv)

    def busiest_step(self, until_s: float) -> tuple[float, float]:
        """Rate and seconds of the busiest of the steps that begin before `until_s`; the first of equals.

        >>> Profile((0.0, 60.0), (1.0, 3.0), repeat_s=100.0).busiest_step(86400.0)
        (3.0, 40.0)
        """
        ends = (*self.starts_s[1:], self.repeat_s or math.inf)
        steps = [
            (rate, min(end, until_s) - start)
            for start, end, rate in zip(self.starts_s, ends, self.rates_per_s, strict=True)
            if start < until_s
        ]
        return max(steps, key=lambda step: step[0])

    def expected_arrivals(self, until_s: float) -> float:
        """The integral of the rate from 0 to `until_s`: the mean number of arrivals before it (exactly so at cv 1).

        >>> Profile((0.0, 60.0), (1.0, 3.0), repeat_s=100.0).expected_arrivals(230.0)  # 60 + 120 twice, then 30
        390.0
        >>> Profile((0.0, 60.0), (1.0, 3.0)).expected_arrivals(100.0)  # 60, then 40 s of 3
        180.0
        """
        days, rest = (0.0, until_s) if self.repeat_s is None else divmod(until_s, self.repeat_s)
        work = self._work_at_starts()
        part = max(i for i, start in enumerate(self.starts_s) if start <= rest)
        before = days * self._work_of_a_day() if days else 0.0  # a profile that never repeats has no end
        return before + work[part] + self.rates_per_s[part] * (rest - self.starts_s[part])

    def blocks(self, generator: np.random.Generator, size: int) -> Iterator[Times]:
        """Times without end, unless the profile ends at rate zero."""
        busy = [i for i, rate in enumerate(self.rates_per_s) if rate > 0]
        work_at_starts = self._work_at_starts()
        starts, rates = np.array(self.starts_s)[busy], np.array(self.rates_per_s)[busy]
        before = np.array(work_at_starts)[busy]
        of_a_day = self._work_of_a_day()
        for work in unit_rate_renewals(generator, self.cv, size):
            ends = self.repeat_s is None and of_a_day < math.inf and work[-1] > of_a_day
            due = work[work <= of_a_day] if ends else work
            days = np.floor_divide(due, of_a_day) if self.repeat_s is not None else np.zeros(len(due))
            rest = due - days * of_a_day if self.repeat_s is not None else due
            part = np.maximum(np.searchsorted(before, rest, side="right") - 1, 0)
            yield days * (self.repeat_s or 0.0) + starts[part] + (rest - before[part]) / rates[part]
            if ends:
                return

    def _work_at_starts(self) -> list[float]:
        """The integral of the rate up to each start."""
        work = [0.0]
        for begin, end, rate in zip(self.starts_s, self.starts_s[1:], self.rates_per_s, strict=False):
            work.append(work[-1] + rate * (end - begin))
        return work

    def _work_of_a_day(self) -> float:
        """The integral of the rate over one repetition, infinite where the last rate stays for ever."""
        last = self.rates_per_s[-1]
        if self.repeat_s is None:
            return self._work_at_starts()[-1] if last == 0 else math.inf
        return self._work_at_starts()[-1] + last * (self.repeat_s - self.starts_s[-1])


@dataclass(frozen=True)
class Offline:
    """A batch job: all requests are there at time 0."""

    requests: int

    def __post_init__(self) -> None:
        require_positive("requests", self.requests)

    @property
    def mean_rate_per_s(self) -> float:
        """Not defined for a batch that comes at once: NaN."""
        return math.nan

    def at_rate(self, rate_per_s: float) -> Offline:
        """A batch has no rate to change.

        Raises:
            ValueError: always.
        """
        raise ValueError("offline traffic comes all at time 0 and has no rate")

    def blocks(self, generator: np.random.Generator, size: int) -> Iterator[Times]:
        """Zeros, `requests` in all."""
        for done in range(0, self.requests, size):
            yield np.zeros(min(size, self.requests - done))


def unit_rate_renewals(generator: np.random.Generator, cv: float, size: int) -> Iterator[Times]:
    """Renewal times of rate one with gamma gaps of the given coefficient of variation, `size` a block, without end.

    The sum is carried from block to block in the same order of additions, so the block size changes no bit.
    """
    shape = 1 / cv**2
    last = 0.0
    while True:
        gaps = generator.standard_exponential(size) if cv == 1 else generator.standard_gamma(shape, size) / shape
        gaps[0] += last
        times = np.cumsum(gaps)
        last = float(times[-1])
        yield times


def require_positive(name: str, value: float) -> None:
    """Complain of a number that is not above zero and finite.

    Raises:
        ValueError: naming the number.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be above zero and finite, not {value}")
