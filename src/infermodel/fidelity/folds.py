"""Rows predicted by constants that they had no part in: each family of models, and each GPU, left out in turn.

The rows left out are played through the simulator with what the others tell (`untold`); a GPU's own kernel tables go
with its rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from infermodel.experiment.processes import processes
from infermodel.fidelity.accuracy import Prediction, knees_ms
from infermodel.fidelity.calibrate import Calibration, device_values
from infermodel.fidelity.coverage import FOLDS, coverage
from infermodel.fidelity.engines import DEVICE_CONSTANTS, DeviceConstants, lineage, server_with
from infermodel.fidelity.page import coverage_rows, percent
from infermodel.fidelity.replay import replay
from infermodel.fidelity.rows import Row, RowError
from infermodel.fidelity.server import Skipped, engine_entry
from infermodel.fidelity.untold import without

FEWEST = 10
"""Rows of a GPU that is left out by itself; those with fewer are left out together."""

OTHERS = "those of few rows"

FIGURES: Mapping[str, tuple[str, ...]] = {
    "TPOT": ("tpot_mean_ms",),
    "E2E": ("e2e_mean_ms",),
    "TTFT below the knee": ("ttft_p50_ms", "ttft_mean_ms"),
    "offline throughput": ("output_tok_s",),
}
"""What is scored by its name in a table; medians of TTFT where a row has them."""


@dataclass(frozen=True)
class FoldScore:
    """Errors on rows that were left out in turn: medians over rows, and over groups of groups' medians.

    Attributes:
        left_out: what was left out together: a kind of fold, or one of them.
        metric: of `FIGURES`.
    """

    left_out: str
    metric: str
    rows: int
    groups: int
    median_over_rows: float
    median_over_groups: float


def folds(rows: Sequence[Row], of: Callable[[Row], str]) -> Mapping[str, tuple[Row, ...]]:
    """Rows that are left out together, by name; those of names with fewer than `FEWEST` rows under one name."""
    sizes = Counter(map(of, rows))
    found: dict[str, list[Row]] = {}
    for row in rows:
        name = of(row)
        found.setdefault(name if sizes[name] >= FEWEST else OTHERS, []).append(row)
    return {name: tuple(own) for name, own in sorted(found.items())}


def constants_on(row: Row, left: Calibration) -> dict[str, float]:
    """Constants of its engine that a calibration found, as they hold on its GPU."""
    entries = tuple(lineage(engine_entry(row.engine, row.engine_version)))
    values: dict[str, float] = {}
    for entry in entries:
        if entry in left.engines:
            values |= left.engines[entry].fit.constants
    for some, fit in left.on_some.items():
        if some.entry in entries and row.gpu.startswith(some.named):
            values |= fit.fit.constants
    return {name: value for name, value in values.items() if name not in DEVICE_CONSTANTS}


class Asked(NamedTuple):
    """A row and what to play it with: constants of its engine, and of its device in place of the catalog's."""

    row: Row
    engine: Mapping[str, float]
    device: DeviceConstants


def asked(row: Row, left: Calibration, devices: DeviceConstants) -> Asked:
    """What a calibration found for a row.

    Args:
        devices: `device_values` of the calibration.
    """
    return Asked(row, constants_on(row, left), {name: devices[name] for name in (row.gpu,) if name in devices})


def _played(task: Asked, folder: Path) -> Prediction:
    try:
        return Prediction(task.row, replay(task.row, folder, server_with(*task)))
    except (Skipped, RowError) as reason:
        return Prediction(task.row, None, str(reason))


def predicted(tasks: Sequence[Asked], folder: Path, *, jobs: int = 1) -> tuple[Prediction, ...]:
    """Rows played with constants.

    Args:
        folder: of the measurement file.
    """
    with processes(min(jobs, len(tasks))) as mapped:
        return tuple(mapped(partial(_played, folder=folder), tasks))


def left_out_in_turn(found: Calibration, rows: Sequence[Row], of: Callable[[Row], str]) -> dict[str, list[Asked]]:
    """Each fold's rows, with the constants that the others tell.

    Args:
        of: what is left out together, of a row; where it is a device's name, its kernel tables are, too.
    """
    tables = {fit.device for fit in found.devices}
    turns = {}
    for name, own in folds(rows, of).items():
        left = without(found, own, tables & {name})
        devices = device_values(left)
        turns[name] = [asked(row, left, devices) for row in own]
    return turns


def scored_error(prediction: Prediction, metric: str) -> float:
    """|predicted / measured - 1| of a figure of `FIGURES`; NaN where it does not count: TTFT past the knee, TPOT of
    requests that all come at once, throughput of any others."""
    row = prediction.row
    name = next((name for name in FIGURES[metric] if name in row.measured), None)
    at_once = {"TPOT": False, "offline throughput": True}.get(metric, row.load == "offline")
    if name is None or at_once != (row.load == "offline"):
        return math.nan
    if metric == "TTFT below the knee" and row.measured[name] > prediction.knee_ms:
        return math.nan
    return abs(prediction.error(name))


def fold_scores(left_out: str, predictions: Sequence[Prediction]) -> tuple[FoldScore, ...]:
    """Of each figure that some of the rows have."""
    found = []
    for metric in FIGURES:
        by_group: dict[tuple[str, ...], list[float]] = {}
        for each in predictions:
            if not math.isnan(error := scored_error(each, metric)):
                by_group.setdefault(each.row.group, []).append(error)
        errors = [error for own in by_group.values() for error in own]
        if errors:
            groups = median(map(median, by_group.values()))
            found.append(FoldScore(left_out, metric, len(errors), len(by_group), median(errors), groups))
    return tuple(found)


def fold_tables(
    found: Calibration, rows: Sequence[Row], folder: Path, *, jobs: int = 1
) -> dict[str, list[tuple[str, ...]]]:
    """Errors on rows that were left out in turn, beside those of the same rows with nothing left out: tables of each
    kind of fold and each fold, of groups of `FEWEST` rows and more, and of how often bands hold what was left out.

    Args:
        folder: of the measurement file.
    """
    devices = device_values(found)
    whole = [asked(row, found, devices) for row in rows]
    kinds = {kind: left_out_in_turn(found, rows, of) for kind, of in FOLDS.items()}
    told = {task.row.id: task for task in whole}
    # A row that told nothing is played once: no constant of it depends on whether it is left out.
    turned = [task for turns in kinds.values() for own in turns.values() for task in own]
    again = [task for task in turned if task != told[task.row.id]]
    played = iter(predicted([*whole, *again], folder, jobs=jobs))
    first = with_knees([next(played) for _ in whole])
    known = {each.row.id: each for each in first}
    shown = {
        kind: {
            name: with_knees([known[task.row.id] if task == told[task.row.id] else next(played) for task in own])
            for name, own in turns.items()
        }
        for kind, turns in kinds.items()
    }
    return tables_of(first, shown)


def with_knees(predictions: Sequence[Prediction]) -> list[Prediction]:
    """With the first tokens up to which each row is below its knee."""
    alone = [each.replayed.zero_load_ttft_ms if each.replayed else 0.0 for each in predictions]
    knees = knees_ms([each.row for each in predictions], alone)
    return [replace(each, knee_ms=knee) for each, knee in zip(predictions, knees, strict=True)]


def tables_of(
    predictions: Sequence[Prediction], kinds: Mapping[str, Mapping[str, Sequence[Prediction]]]
) -> dict[str, list[tuple[str, ...]]]:
    """The tables of `fold_tables`, of rows as predicted with all constants, and of each kind's folds."""
    whole = {each.row.id: each for each in predictions}
    parts = {kind: [each for own in turns.values() for each in own] for kind, turns in kinds.items()}
    every = {f"each {kind}": own for kind, own in parts.items()}
    every |= {name: list(own) for turns in kinds.values() for name, own in turns.items()}
    table: list[tuple[str, ...]] = [
        ("left out", "figure", "rows", "groups", "over rows", "over groups", "with all: over rows", "over groups")
    ]
    for name, own in every.items():
        beside = fold_scores(name, [whole[each.row.id] for each in own])
        for score, told in zip(fold_scores(name, own), beside, strict=True):
            medians = (score.median_over_rows, score.median_over_groups, told.median_over_rows, told.median_over_groups)
            table.append((name, score.metric, str(score.rows), str(score.groups), *map(percent, medians)))
    columns = {"all constants": predictions, **{f"without its {kind}": own for kind, own in parts.items()}}
    return {
        "folds": table,
        "folds_by_group": _groups(columns),
        "folds_coverage": coverage_rows(coverage(predictions, parts)),
    }


def _groups(parts: Mapping[str, Sequence[Prediction]]) -> list[tuple[str, ...]]:
    """Median errors of groups of rows, a column for each set of predictions."""
    table: list[tuple[str, ...]] = [("group", "figure", "rows", *parts)]
    first, *_ = parts.values()
    for group in sorted({each.row.group for each in first}):
        own = {name: [each for each in played if each.row.group == group] for name, played in parts.items()}
        for metric in FIGURES:
            errors = [
                [e for each in played if not math.isnan(e := scored_error(each, metric))] for played in own.values()
            ]
            if len(errors[0]) >= FEWEST:
                table.append(
                    (" ".join(group), metric, str(len(errors[0])), *(percent(median(each)) for each in errors))
                )
    return table
