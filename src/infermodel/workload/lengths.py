"""How long prompts and outputs are: laws of whole numbers of tokens, drawn one value a request.

Each law takes its draws in order from the generator, so results do not depend on how many are drawn at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from infermodel.workload.arrivals import require_positive

Tokens = NDArray[np.int64]


class Lengths(Protocol):
    """A law of token counts."""

    def mean(self) -> float:
        """Expected tokens."""

    def draw(self, generator: np.random.Generator, count: int) -> Tokens:
        """The next `count` lengths, each at least 1."""


@dataclass(frozen=True)
class Fixed:
    """Always the same number of tokens."""

    tokens: int

    def __post_init__(self) -> None:
        require_positive("tokens", self.tokens)

    def mean(self) -> float:
        """Expected tokens."""
        return float(self.tokens)

    def draw(self, generator: np.random.Generator, count: int) -> Tokens:
        """The next `count` lengths; the generator is not used."""
        return np.full(count, self.tokens, dtype=np.int64)


@dataclass(frozen=True)
class Geometric:
    """One, and another after each of them with the same probability: what ends at random."""

    mean_tokens: float

    def __post_init__(self) -> None:
        if not 1 <= self.mean_tokens < math.inf:
            raise ValueError(f"the mean must be 1 or more, not {self.mean_tokens}")

    def mean(self) -> float:
        """Expected tokens."""
        return float(self.mean_tokens)

    def draw(self, generator: np.random.Generator, count: int) -> Tokens:
        """The next `count` lengths."""
        return generator.geometric(1 / self.mean_tokens, size=count).astype(np.int64)


@dataclass(frozen=True)
class Uniform:
    """Whole numbers from `low` to `high`, both included, equally likely."""

    low: int
    high: int

    def __post_init__(self) -> None:
        require_positive("low", self.low)
        if self.high < self.low:
            raise ValueError(f"high ({self.high}) must not be below low ({self.low})")

    def mean(self) -> float:
        """Expected tokens."""
        return (self.low + self.high) / 2

    def draw(self, generator: np.random.Generator, count: int) -> Tokens:
        """The next `count` lengths."""
        return generator.integers(self.low, self.high, size=count, endpoint=True, dtype=np.int64)


@dataclass(frozen=True)
class Lognormal:
    """Lognormal lengths, rounded to whole tokens and cut to [min, max].

    Cutting moves what lies outside onto the bounds (a prompt too long for the context is cut, not sent again), so the
    lengths drawn have a smaller mean than `mean_tokens` where `max_tokens` bites; `mean()` says which. One normal
    variate a request, whatever the bounds: a scenario with another maximum sees the same requests up to it.

    Attributes:
        mean_tokens: mean before rounding and cutting.
        cv: standard deviation over mean, likewise.
        min_tokens: least length, at least 1.
        max_tokens: greatest length; None for no bound.
    """

    mean_tokens: float
    cv: float
    min_tokens: int = 1
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        require_positive("mean", self.mean_tokens)
        require_positive("cv", self.cv)
        require_positive("min", self.min_tokens)
        if self.max_tokens is not None and self.max_tokens < self.min_tokens:
            raise ValueError(f"max ({self.max_tokens}) must not be below min ({self.min_tokens})")

    def log_mean_and_deviation(self) -> tuple[float, float]:
        """Mean and standard deviation of the logarithm: s^2 = ln(1 + cv^2), m = ln(mean) - s^2/2."""
        variance = math.log1p(self.cv**2)
        return math.log(self.mean_tokens) - variance / 2, math.sqrt(variance)

    def mean(self) -> float:
        """Expected tokens after cutting; rounding to whole tokens moves it by less than half a token and is left out.

        E[min(X, b)] = M N(z_b - s) + b (1 - N(z_b)) with z_b = (ln b - m)/s and N the normal distribution function;
        E[max(min(X, b), a)] adds a N(z_a) - M N(z_a - s).

        >>> round(Lognormal(1000, 0.8, max_tokens=1000).mean(), 1)  # 2 x 1000 N(-s/2), s = 0.703
        725.1
        """
        centre, spread = self.log_mean_and_deviation()
        z_low = (math.log(self.min_tokens) - centre) / spread
        below = self.min_tokens * _normal_cdf(z_low) - self.mean_tokens * _normal_cdf(z_low - spread)
        if self.max_tokens is None:
            return self.mean_tokens + below
        z_high = (math.log(self.max_tokens) - centre) / spread
        return self.mean_tokens * _normal_cdf(z_high - spread) + self.max_tokens * _normal_cdf(-z_high) + below

    def draw(self, generator: np.random.Generator, count: int) -> Tokens:
        """The next `count` lengths."""
        centre, spread = self.log_mean_and_deviation()
        # Above the bound the logarithm is cut first: exp of a far outlier must not overflow the 64-bit integer.
        bound = float(self.max_tokens) if self.max_tokens is not None else LONGEST_TOKENS
        drawn = np.exp(np.minimum(centre + spread * generator.standard_normal(count), math.log(bound) + 1))
        return np.clip(np.rint(drawn), self.min_tokens, bound).astype(np.int64)


LONGEST_TOKENS = 1e9  # no text is longer; what an unbounded law draws is cut here


@dataclass(frozen=True)
class Table:
    """An empirical law: these lengths with these weights.

    Attributes:
        tokens: the lengths.
        weights: how often each comes, in any unit; None for equally often.
    """

    tokens: tuple[int, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.tokens or min(self.tokens) < 1:
            raise ValueError("a table of lengths needs at least one, and each at least 1")
        require_weights(len(self.tokens), self.weights)

    def mean(self) -> float:
        """Expected tokens.

        >>> Table((100, 400), (3, 1)).mean()
        175.0
        """
        return float(np.average(self.tokens, weights=self.weights))

    def draw(self, generator: np.random.Generator, count: int) -> Tokens:
        """The next `count` lengths."""
        return draw_weighted(np.array(self.tokens, dtype=np.int64), self.weights, generator, count)


def table_of(sample: Tokens) -> Table:
    """The empirical law of a sample, such as the prompt column of a trace.

    >>> table_of(np.array([7, 3, 7, 7]))
    Table(tokens=(3, 7), weights=(1.0, 3.0))
    """
    tokens, counts = np.unique(sample, return_counts=True)
    return Table(tuple(tokens.tolist()), tuple(counts.astype(float).tolist()))


def draw_weighted(
    values: NDArray[np.int64], weights: tuple[float, ...] | None, generator: np.random.Generator, count: int
) -> NDArray[np.int64]:
    """`count` of the values, by inverting their cumulated weights: one uniform variate a draw."""
    cumulated = np.cumsum(np.ones(len(values)) if weights is None else np.array(weights, dtype=float))
    # The last value has no upper edge, so that rounding in the sum cannot point past the end.
    drawn: NDArray[np.int64] = values[
        np.searchsorted(cumulated[:-1], generator.random(count) * cumulated[-1], side="right")
    ]
    return drawn


def require_weights(count: int, weights: tuple[float, ...] | None) -> None:
    """Complain of weights that are too few or many, negative, not finite or all zero.

    Raises:
        ValueError: saying which.
    """
    if weights is None:
        return
    if len(weights) != count:
        raise ValueError(f"{count} values need {count} weights, not {len(weights)}")
    if not all(0 <= weight < math.inf for weight in weights) or not 0 < sum(weights) < math.inf:
        raise ValueError("weights are finite, not negative, and not all zero")


def _normal_cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2
