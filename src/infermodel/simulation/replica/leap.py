"""A leap: steps of an unchanged batch, whose ends lie on one curve."""

from __future__ import annotations

from math import sqrt


class Leap:
    """The steps that follow one ramp: step i ends at `anchor_s + i x first_s + slope_s x i (i - 1) / 2`.

    Attributes:
        anchor_s: when the batch changed.
        first_s: of the first step; each further one takes `slope_s` more.
        steps: of the leap.

    >>> leap = Leap()
    >>> leap.anchor_s, leap.first_s, leap.slope_s, leap.steps = 10.0, 1.0, 0.5, 4
    >>> [leap.boundary(steps) for steps in range(5)]  # steps of 1, 1.5, 2 and 2.5 s
    [10.0, 11.0, 12.5, 14.5, 17.0]
    >>> leap.steps_by(12.0), leap.steps_by(12.5), leap.done_by(12.0), leap.done_by(12.5)
    (2, 2, 1, 2)
    """

    __slots__ = ("anchor_s", "first_s", "slope_s", "steps")

    def __init__(self) -> None:
        self.anchor_s = self.first_s = self.slope_s = 0.0
        self.steps = 0

    def boundary(self, steps: int) -> float:
        """When so many steps of the leap are done."""
        return self.anchor_s + (steps * self.first_s + self.slope_s * (steps * (steps - 1) / 2))

    def steps_by(self, time: float) -> int:
        """The number of steps, at least 1, at whose end the time is `time` or later for the first time."""
        first, slope, last = self.first_s, self.slope_s, self.steps
        elapsed, linear = time - self.anchor_s, first - slope / 2
        under = linear * linear + 2 * slope * elapsed
        steps = int(2 * elapsed / (linear + (sqrt(under) if under > 0.0 else 0.0))) + 1
        if steps < 1:
            steps = 1
        elif steps > last:
            steps = last
        while steps > 1 and self.boundary(steps - 1) >= time:
            steps -= 1
        while steps < last and self.boundary(steps) < time:
            steps += 1
        return steps

    def done_by(self, time: float) -> int:
        """Steps that ended by `time`."""
        steps = self.steps_by(time)
        return steps - (self.boundary(steps) > time)
