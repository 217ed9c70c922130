"""Columns of a log as tables have them."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray


def times(column: array[float], count: int) -> NDArray[np.float64]:
    """The first `count` of a column of times, without a copy: it cannot grow as long as they live."""
    return np.asarray(memoryview(column)[:count])


def integers(column: array[int], count: int) -> NDArray[np.int64]:
    """The first `count` of a column of whole numbers; a copy where those are narrower ones.

    >>> integers(array("q", [3, 4, 5]), 2).tolist()
    [3, 4]
    """
    return np.asarray(memoryview(column)[:count]).astype(np.int64, copy=False)
