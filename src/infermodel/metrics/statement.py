"""What a law says of a record: numbers that are equal, or lie between others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, isfinite

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


Law = Callable[[ServiceRecord], Iterator[Statement]]
