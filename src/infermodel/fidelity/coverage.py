"""How often bands hold what was measured on GPUs, and with models, that had no part in them.

A band is made of errors, not of constants: rows of all other GPUs (or families of models) say between which shares of
the prediction nine in ten measurements of the same kind lie, and the rows left out say how many of theirs lie there. So
it holds what the laws miss, of which the standard errors of constants know nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from infermodel.fidelity.accuracy import Prediction
from infermodel.fidelity.rows import Row

INSIDE = 0.9
"""Of the measurements that a band is made of."""

FEWEST = 20
"""Rows that a band is made of, at least."""

QUEUED = 3.0
"""Predicted time to first token over that of an empty server, from which a queue makes most of it."""


def engine_of(prediction: Prediction) -> object:
    """Engine of a row: what a token takes is off by what its scheduler and its kernels do."""
    return prediction.row.engine


def queued(prediction: Prediction) -> object:
    """Whether the model says that requests wait: a queue multiplies every error of a step."""
    replayed = prediction.replayed
    first_token = replayed.predicted.get("ttft_mean_ms", 0.0) if replayed else 0.0
    return bool(replayed and first_token > QUEUED * replayed.zero_load_ttft_ms)


LIKE: Mapping[str, Callable[[Prediction], object]] = {"TPOT": engine_of, "TTFT": queued}
"""By metric, which rows are alike in how far off they are. Both are known to whoever asks for a band."""

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


def coverage(
    predictions: Sequence[Prediction], left_out: Mapping[str, Sequence[Prediction]] = MappingProxyType({})
) -> tuple[Coverage, ...]:
    """Of each metric and way to leave rows out; rows that all come at once have no part in it, nor have folds beside
    which fewer than `FEWEST` rows are left.

    Args:
        left_out: by way, the same rows, each as predicted without its own fold: a band that is made of these holds what
            constants that are told elsewhere add to the misfit.
    """
    found = []
    for metric, names in FIGURES.items():
        like = LIKE[metric]
        for way, of in FOLDS.items():
            known = _shares(left_out.get(way, predictions), names)
            folds = 0
            inside: list[bool] = []
            widths: list[float] = []
            for fold in sorted({of(each.row) for each, _ in known}):
                others = [(like(each), ratio) for each, ratio in known if of(each.row) != fold]
                if len(others) < FEWEST:
                    continue
                held = [(like(each), ratio) for each, ratio in known if of(each.row) == fold]
                bands = {kind: band(others, kind) for kind, _ in held}
                folds += 1
                inside += [bands[kind][0] <= ratio <= bands[kind][1] for kind, ratio in held]
                widths += [(bands[kind][1] - bands[kind][0]) / 2 for kind, _ in held]
            if inside:
                share, width = sum(inside) / len(inside), float(np.median(widths))
                found.append(Coverage(metric, way, folds, len(inside), share, width))
    return tuple(found)


def _shares(predictions: Sequence[Prediction], names: Sequence[str]) -> list[tuple[Prediction, float]]:
    return [(each, share) for each in predictions if (share := measured_share(each, names)) is not None]


def band(others: Sequence[tuple[object, float]], kind: object) -> tuple[float, float]:
    """Between which shares of a prediction nine in ten of other measurements lie: of its kind, where there are `FEWEST`
    of these, else of all.

    >>> band([("a", 1 + share / 100) for share in range(21)] + [("b", 2.0)], "a")
    (1.01, 1.19)
    """
    alike = [ratio for each, ratio in others if each == kind]
    if len(alike) < FEWEST:
        alike = [ratio for _, ratio in others]
    low, high = np.quantile(alike, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    return float(low), float(high)


def measured_share(prediction: Prediction, metrics: Sequence[str]) -> float | None:
    """Measured / predicted of the first metric that a row has; None without one."""
    if prediction.row.load == "offline":
        return None
    errors = [error for metric in metrics if not math.isnan(error := prediction.error(metric))]
    return 1 / (1 + errors[0]) if errors else None
