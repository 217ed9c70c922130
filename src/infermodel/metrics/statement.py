"""What a law says of a record: numbers that are equal, or lie between others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from infermodel.tables import ServiceRecord

TOLERANCE = 1e-7
"""Relative deviation that rounding may reach: sums of up to 10^8 terms, times of up to weeks."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`left` equals `right`, or lies in [`right`, `most`], up to `TOLERANCE` of the largest of them (or of `scale`)."""

    what: str
    left: float
    right: float
    most: float | None = None
    scale: float = 0.0

    @property
    def deviation(self) -> float:
        """How far the statement is from true, relative; infinite where a number is missing."""
        upper = self.right if self.most is None else self.most
        size = max((abs(each) for each in (self.left, self.right, upper, self.scale) if isfinite(each)), default=0.0)
        excess = max(self.right - self.left, self.left - upper, 0.0)
        if self.left != self.left or excess != excess:
            return inf
        return excess / size if excess else 0.0

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.what}: {self.left:.12g}, expected {self.right:.12g}"
        return f"{self.what}: {self.left:.12g}, expected {self.right:.12g} to {self.most:.12g}"


def within_each(what: str, seconds: NDArray[np.float64], most_s: NDArray[np.float64], scale: float = 0.0) -> Statement:
    """No replica has more seconds than it may: said of the one that comes nearest, or goes furthest beyond.

    Args:
        what: seconds of what, before `replica N`.
        seconds, most_s: of each replica.
        scale: as of a `Statement`.

    >>> print(within_each("busy seconds of", np.array([3.0, 5.0]), np.array([9.0, 8.0])))
    busy seconds of replica 1: 5, expected 0 to 8
    """
    worst = int(np.argmax(seconds - most_s))
    return Statement(f"{what} replica {worst}", float(seconds[worst]), 0.0, float(most_s[worst]), scale)


Law = Callable[[ServiceRecord], Iterator[Statement]]
