"""Which of two layouts serves more at one speed of a user, and whether the model says so too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import exp, log

from infermodel.fidelity.disaggregated import ApartPrediction, ApartRow

LAYOUTS = 3
"""That servers of one GPU, precision and lengths must have for their order to be worth asking for."""

REACH = 1.1
"""Speeds that differ by less count as one: most layouts were measured with one number of users."""

CLEAR = 1.15
"""Measured tokens of two layouts that differ by less are no order."""

Curve = tuple[tuple[float, float], ...]
"""Tokens/s of a user and tokens/s of a GPU, by ascending speed, each speed once."""


@dataclass(frozen=True)
class Comparison:
    """Two layouts at a speed that both were measured at.

    Attributes:
        first, second: rows of either, as named in the file.
        speed_tok_s: of a user.
        measured, predicted: tokens/s of a GPU of the first over those of the second.
    """

    first: str
    second: str
    speed_tok_s: float
    measured: float
    predicted: float

    @property
    def is_clear(self) -> bool:
        """Whether measurement itself tells them apart."""
        return max(self.measured, 1 / self.measured) > CLEAR

    @property
    def is_right(self) -> bool:
        """Whether the model names the better one."""
        return (self.measured > 1) == (self.predicted > 1)


def comparisons(predictions: Sequence[ApartPrediction]) -> list[Comparison]:
    """All pairs of layouts of one GPU, precision, lengths and drafts that were measured at a common speed, at the
    middle (of logarithms) of the speeds that they have in common.
    """
    groups: dict[object, dict[object, list[ApartPrediction]]] = defaultdict(lambda: defaultdict(list))
    for each in predictions:
        if speed_and_tokens(each, measured=True) and speed_and_tokens(each, measured=False):
            groups[_asked(each.row)][_layout(each.row)].append(each)
    found = []
    for layouts in groups.values():
        if len(layouts) >= LAYOUTS:
            found += [each for pair in combinations(layouts.values(), 2) for each in _compared(*pair)]
    return found


def _asked(row: ApartRow) -> object:
    return row.gpu, row.weights_precision, row.prompt_tokens, row.output_tokens, row.drafts


def _layout(row: ApartRow) -> object:
    return row.framework, row.prefill, row.decode


def speed_and_tokens(each: ApartPrediction, *, measured: bool) -> tuple[float, float] | None:
    """Tokens/s of a user and of a GPU; None where either is not known."""
    figures = each.row.measured if measured else each.predicted
    tpot_ms, tokens = figures.get("tpot_p50_ms", 0.0), figures.get("total_tok_s_per_gpu", 0.0)
    return (1e3 / tpot_ms, tokens) if tpot_ms > 0 and tokens > 0 else None


def _compared(one: Sequence[ApartPrediction], other: Sequence[ApartPrediction]) -> Iterator[Comparison]:
    measured, predicted = ([curve(side, measured=which) for side in (one, other)] for which in (True, False))
    low, high = max(each[0][0] for each in measured), min(each[-1][0] for each in measured)
    if low > REACH * high:
        return
    speed = (low * high) ** 0.5
    ratios = [at(first, speed) / at(second, speed) for first, second in (measured, predicted)]
    yield Comparison(one[0].row.id, other[0].row.id, speed, *ratios)


def curve(side: Sequence[ApartPrediction], *, measured: bool) -> Curve:
    """Points of a layout; of those that were measured again and again the mean."""
    runs, points = defaultdict(list), defaultdict(list)
    for each in side:
        if (point := speed_and_tokens(each, measured=measured)) is not None:
            runs[each.row.users].append(point)
    for same in runs.values():
        speed, tokens = (sum(column) / len(same) for column in zip(*same, strict=True))
        points[speed].append(tokens)
    return tuple((speed, sum(tokens) / len(tokens)) for speed, tokens in sorted(points.items()))


def at(points: Curve, speed: float) -> float:
    """Tokens at a speed, by straight lines between the logarithms; beyond the ends those of the end.

    >>> line = ((10.0, 1000.0), (40.0, 250.0))
    >>> round(at(line, 20.0)), at(line, 5.0), at(line, 50.0)
    (500, 1000.0, 250.0)
    """
    if speed <= points[0][0]:
        return points[0][1]
    for (low, before), (high, after) in pairwise(points):
        if speed <= high:
            part = log(speed / low) / log(high / low)
            return exp((1 - part) * log(before) + part * log(after))
    return points[-1][1]
