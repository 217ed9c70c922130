"""Which points a sweep visits: all combinations of its axes, or samples that fill their space evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.search.override_text import override_text
from infermodel.search.sweep_schema import Axis, Sweep

Shares = NDArray[np.float64]

SOBOL = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
)
"""Degree, coefficients and first direction numbers of dimensions 2 to 10; the first dimension is van der Corput's.

Source: Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections" (2008), new-joe-kuo-6.
"""

BITS = 30


@dataclass(frozen=True)
class Point:
    """One place of a sweep.

    Attributes:
        number: 0 is the base scenario, without any change.
        values: of the axes, in their order; empty at the base.
        changes: to the base, as for `--set`.
        slices: alike fleets of which the base is one.
    """

    number: int
    values: tuple[Any, ...]
    changes: tuple[str, ...]
    slices: int = 1


def points(sweep: Sweep) -> tuple[Point, ...]:
    """The base and every point of the design, in an order that depends on the file alone."""
    if sweep.design == "crossed":
        chosen = crossed(sweep.axes)
    else:
        sampler = latin_hypercube if sweep.design == "latin_hypercube" else shifted_sobol
        shares = sampler(sweep.samples, len(sweep.axes), np.random.default_rng(sweep.seed))
        chosen = [tuple(axis.at(u) for axis, u in zip(sweep.axes, row, strict=True)) for row in shares.tolist()]
    found = [Point(0, (), (), sweep.slices)]
    for number, values in enumerate(chosen, start=1):
        pairs = [(path, value) for axis, value in zip(sweep.axes, values, strict=True) for path in axis.path]
        changes = tuple(override_text(path, value) for path, value in pairs if path != "slices")
        slices = next((int(value) for path, value in pairs if path == "slices"), sweep.slices)
        found.append(Point(number, values, changes, slices))
    return tuple(found)


def crossed(axes: Sequence[Axis]) -> list[tuple[Any, ...]]:
    """All combinations, the last axis fastest; axes that go together count as one."""
    groups: dict[str, list[int]] = {}
    for i, axis in enumerate(axes):
        groups.setdefault(axis.together or f"\0{i}", []).append(i)
    steps = [[dict(zip(members, row, strict=True)) for row in zip(*(axes[i].listed for i in members), strict=True)]
             for members in groups.values()]  # fmt: skip
    combined = ({i: value for part in parts for i, value in part.items()} for parts in product(*steps))
    return [tuple(each[i] for i in range(len(axes))) for each in combined]


def latin_hypercube(samples: int, dimensions: int, generator: np.random.Generator) -> Shares:
    """Random shares of which each dimension has exactly one in every n-th part, shape (samples, dimensions).

    Source: McKay, Beckman and Conover (1979).
    """
    order = np.stack([generator.permutation(samples) for _ in range(dimensions)], axis=1)
    return (order + generator.random((samples, dimensions))) / samples


def shifted_sobol(samples: int, dimensions: int, generator: np.random.Generator) -> Shares:
    """Sobol's sequence, all of it shifted by one random vector (Cranley and Patterson, 1976), shape as above."""
    return (sobol(samples, dimensions) + generator.random(dimensions)) % 1.0


def sobol(samples: int, dimensions: int) -> Shares:
    """The first points of Sobol's sequence in Gray-code order, from the origin on.

    Raises:
        ValueError: more dimensions than there are direction numbers for.
    """
    if dimensions > len(SOBOL) + 1:
        raise ValueError(
            f"Sobol's sequence is tabulated for {len(SOBOL) + 1} axes, not {dimensions}; take Latin hypercube"
        )
    directions = np.array([direction_numbers(d) for d in range(dimensions)], dtype=np.int64)
    found = np.zeros((samples, dimensions), dtype=np.int64)
    for i in range(1, samples):
        lowest_zero = (~(i - 1) & i).bit_length() - 1
        found[i] = found[i - 1] ^ directions[:, lowest_zero]
    return found / float(1 << BITS)


def direction_numbers(dimension: int) -> list[int]:
    """The `BITS` direction numbers of a dimension (from 0), scaled to integers."""
    if dimension == 0:
        return [1 << (BITS - 1 - i) for i in range(BITS)]
    degree, coefficients, first = SOBOL[dimension - 1]
    numbers = [m << (BITS - 1 - i) for i, m in enumerate(first)]
    for i in range(degree, BITS):
        number = numbers[i - degree] ^ (numbers[i - degree] >> degree)
        for k in range(1, degree):
            if coefficients >> (degree - 1 - k) & 1:
                number ^= numbers[i - k]
        numbers.append(number)
    return numbers
