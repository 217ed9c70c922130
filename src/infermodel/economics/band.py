"""Figures known only within a range, carried through as low, mid and high."""

from __future__ import annotations

from dataclasses import dataclass

from infermodel.hardware import Quantity


@dataclass(frozen=True, slots=True)
class Band:
    """Three cases of one figure, low <= mid <= high.

    Arithmetic goes case by case: low with low, high with high. All uncertain costs move together, so the range of a
    sum is the widest that its parts allow. Only what grows with each part may be computed so; where a figure falls
    as a cost rises (a margin), its function turns the order.

    Raises:
        ValueError: the three are not in order.

    >>> Band(1, 2, 4) + Band.exactly(1)
    Band(low=2, mid=3, high=5)
    """

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.mid <= self.high:
            raise ValueError(f"a band is low <= mid <= high, got {self.low:g}, {self.mid:g}, {self.high:g}")

    @classmethod
    def exactly(cls, value: float) -> Band:
        """A figure without a range."""
        return cls(value, value, value)

    @classmethod
    def of(cls, quantity: Quantity) -> Band:
        """A catalog figure with its range, SI units; a side without a bound is the figure itself."""
        low = quantity.value if quantity.low is None else quantity.low
        high = quantity.value if quantity.high is None else quantity.high
        return cls(low, quantity.value, high)

    @property
    def is_exact(self) -> bool:
        """Whether there is no range."""
        return self.low == self.high

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __mul__(self, factor: float | Band) -> Band:
        """Case by case; the factor is not negative."""
        by = factor if isinstance(factor, Band) else Band.exactly(factor)
        return Band(self.low * by.low, self.mid * by.mid, self.high * by.high)

    def __truediv__(self, divisor: float) -> Band:
        return Band(self.low / divisor, self.mid / divisor, self.high / divisor)


NOTHING = Band(0.0, 0.0, 0.0)
"""No dollars."""
