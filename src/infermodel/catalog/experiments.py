"""How many experiments of others each device and engine was held against, and how far off the model was.

`python -m infermodel.pages.experiments` makes the record of `docs/accuracy.md`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple


class Experiments(NamedTuple):
    """Experiments on one device with one engine.

    Attributes:
        metric: that is scored: the first that was measured of the time per output token, end to end, offline throughput
            and time to first token.
        groups: of them, by who measured and model.
        median_error: share; the median over groups of the groups' medians.
    """

    metric: str
    experiments: int
    groups: int
    median_error: float


@cache
def experiments() -> Mapping[tuple[str, str], Experiments]:
    """By device and engine, without its version."""
    text = resources.files("infermodel.catalog").joinpath("experiments.csv").read_text(encoding="utf-8")
    return {
        (line["device"], line["engine"]): Experiments(
            line["metric"], int(line["experiments"]), int(line["groups"]), float(line["median_error"])
        )
        for line in csv.DictReader(text.splitlines())
    }
