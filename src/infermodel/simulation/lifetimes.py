"""Times that are drawn: how long systems last, how long repairs and start-ups take."""

from __future__ import annotations

from dataclasses import dataclass
from math import gamma
from typing import Literal

import numpy as np

TimeLaw = Literal["exponential", "weibull", "fixed"]


@dataclass(frozen=True, slots=True)
class DrawnTime:
    """A time that differs from case to case.

    Attributes:
        mean_s: seconds, on average.
        law: `exponential`: what happens at any moment as likely as at any other; `weibull`: more likely early (a shape
            below 1) or late (above 1); `fixed`: always the mean.
        shape: of the Weibull law.
    """

    mean_s: float
    law: TimeLaw = "exponential"
    shape: float = 1.0

    def draw(self, random: np.random.Generator) -> float:
        """The next one, seconds; a fixed one draws nothing.

        >>> DrawnTime(60.0, "fixed").draw(np.random.default_rng(1))
        60.0
        """
        if self.law == "fixed":
            return self.mean_s
        if self.law == "weibull":
            return self.mean_s / gamma(1 + 1 / self.shape) * float(random.weibull(self.shape))
        return self.mean_s * float(random.exponential())


AT_ONCE = DrawnTime(0.0, "fixed")


@dataclass(frozen=True, slots=True)
class RackSpec:
    """Failures of what several systems hang on: a rack's power, its switch.

    Attributes:
        groups: of systems that fail together, in a rack; the last rack of a pool may have fewer.
        lasts: from when a rack works until it fails, and all of its systems with it.
        repair: from then until they have power again. Spares do not take their places.
    """

    groups: int
    lasts: DrawnTime
    repair: DrawnTime

    @property
    def up(self) -> float:
        """Share of a long time in which a rack works.

        >>> RackSpec(4, DrawnTime(9.0), DrawnTime(1.0)).up
        0.9
        """
        return self.lasts.mean_s / (self.lasts.mean_s + self.repair.mean_s)

    def sizes(self, groups: int) -> list[int]:
        """Groups in each rack of a pool of so many.

        >>> RackSpec(4, AT_ONCE, AT_ONCE).sizes(10)
        [4, 4, 2]
        """
        return [min(self.groups, groups - first) for first in range(0, groups, self.groups)]


@dataclass(frozen=True, slots=True)
class FailureSpec:
    """Failures of a pool's systems, each by chance and without regard to the others.

    Attributes:
        lasts: from when a system works until it fails, whatever it does.
        repair: from then until it works again.
        systems: that fail together, when the first of them does: those of a replica that spans several.
        spares: groups of systems that stand by and do not fail; a failed one stands by after its repair.
        take_over: from when a spare is free until it serves in the place of a failed one.
        rack: failures of several systems at once, beside their own; None: they share nothing that fails.
    """

    lasts: DrawnTime
    repair: DrawnTime
    systems: int = 1
    spares: int = 0
    take_over: DrawnTime = AT_ONCE
    rack: RackSpec | None = None

    @property
    def mean_lasts_s(self) -> float:
        """Mean seconds until the first of the systems that fail together does. Of k equal Weibull times the least is
        Weibull of the same shape and of k^(-1 / shape) times the mean; exponential is a shape of 1.

        >>> FailureSpec(DrawnTime(100.0, "weibull", 2.0), AT_ONCE, systems=4).mean_lasts_s
        50.0
        """
        if self.lasts.law == "fixed":
            return self.lasts.mean_s
        shape = self.lasts.shape if self.lasts.law == "weibull" else 1.0
        sooner: float = self.systems ** (1 / shape)
        return self.lasts.mean_s / sooner

    def lasts_s(self, random: np.random.Generator) -> float:
        """Seconds until the first of the systems that fail together does."""
        return min([self.lasts.draw(random) for _ in range(self.systems)])
