"""How often bands hold what was measured on GPUs, and with models, that had no part in them.

A band is made of errors, not of constants: rows of all other GPUs (or families of models) say between which shares of
the prediction nine in ten measurements lie, and the rows left out say how many of theirs lie there. So it holds what
the laws miss, of which the standard errors of constants know nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from infermodel.fidelity.accuracy import Prediction
from infermodel.fidelity.rows import Row

INSIDE = 0.9
"""Of the measurements that a band is made of."""

FEWEST = 20
"""Rows that a band is made of, at least."""

FIGURES: Mapping[str, tuple[str, ...]] = {
    "TPOT": ("tpot_mean_ms", "tpot_p50_ms"),
    "TTFT": ("ttft_mean_ms", "ttft_p50_ms"),
}
"""Metrics by name, medians where a row has no mean."""

KIN = {"codellama": "llama", "mixtral": "mistral"}
"""Families whose models go by another name."""


def family_of(model: str) -> str:
    """Family of a model, by the letters that its name begins with.

    >>> [family_of(model) for model in ("llama-3.1-8b", "codellama-34b", "qwen3.5-9b", "gpt-oss-20b")]
    ['llama', 'llama', 'qwen', 'gpt']
    """
    letters = re.match(r"[a-z]*", model)
    assert letters is not None
    return KIN.get(letters[0], letters[0])


FOLDS: Mapping[str, Callable[[Row], str]] = {
    "GPU": lambda row: row.gpu,
    "family of models": lambda row: family_of(row.model),
}
"""What is left out together."""


@dataclass(frozen=True)
class Coverage:
    """How a metric's bands do on what was left out of them.

    Attributes:
        left_out: at a time.
        folds: that were left out in turn.
        rows: of all folds.
        inside: share of rows whose measurement lies in its band.
        half_width: of a band, as a share of the prediction; the median over rows.
    """

    metric: str
    left_out: str
    folds: int
    rows: int
    inside: float
    half_width: float


def coverage(predictions: Sequence[Prediction]) -> tuple[Coverage, ...]:
    """Of each metric and way to leave rows out; rows that all come at once have no part in it, nor have folds beside
    which fewer than `FEWEST` rows are left.
    """
    found = []
    for metric, names in FIGURES.items():
        known = [(each, ratio) for each in predictions if (ratio := measured_share(each, names)) is not None]
        for left_out, of in FOLDS.items():
            folds = 0
            inside: list[bool] = []
            widths: list[float] = []
            for fold in sorted({of(each.row) for each, _ in known}):
                others = [ratio for each, ratio in known if of(each.row) != fold]
                if len(others) < FEWEST:
                    continue
                low, high = np.quantile(others, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
                own = [low <= ratio <= high for each, ratio in known if of(each.row) == fold]
                folds += 1
                inside += own
                widths += [(high - low) / 2] * len(own)
            if inside:
                share, width = sum(inside) / len(inside), float(np.median(widths))
                found.append(Coverage(metric, left_out, folds, len(inside), share, width))
    return tuple(found)


def measured_share(prediction: Prediction, metrics: Sequence[str]) -> float | None:
    """Measured / predicted of the first metric that a row has; None without one."""
    if prediction.row.load == "offline":
        return None
    errors = [error for metric in metrics if not math.isnan(error := prediction.error(metric))]
    return 1 / (1 + errors[0]) if errors else None
