"""Whether constants generalise: groups predicted by constants that never saw them, and errors without each constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from infermodel.experiment.processes import processes
from infermodel.fidelity.accuracy import knees_ms
from infermodel.fidelity.engines import EngineFit, play_with
from infermodel.fidelity.rows import Row

METRICS = ("tpot_mean_ms", "ttft_mean_ms", "output_tok_s")


def play_all(fitted: EngineFit, folder: Path, values: Mapping[str, float], *, jobs: int) -> list[dict[str, float]]:
    """What the model says of each row of a fit with these constants."""
    with processes(jobs) as mapped:
        return list(mapped(partial(play_with, folder=folder, values=values, devices=fitted.devices), fitted.rows))


def errors_of(
    rows: Sequence[Row], played: Sequence[Mapping[str, float]], alone: Sequence[Mapping[str, float]]
) -> dict[str, tuple[int, float]]:
    """Rows and median |error| of each metric; throughput of offline rows, TTFT below the knee as `alone` places it."""
    found: dict[str, list[float]] = {metric: [] for metric in METRICS}
    knees = knees_ms(rows, [empty["zero_load_ttft_ms"] for empty in alone])
    for row, figures, knee_ms in zip(rows, played, knees, strict=True):
        for metric in METRICS:
            measured = row.measured.get(metric)
            if not measured or metric not in figures:
                continue
            if metric == "ttft_mean_ms" and measured > knee_ms:
                continue
            if metric == "output_tok_s" and row.load != "offline":
                continue
            found[metric].append(abs(figures[metric] / measured - 1))
    return {metric: (len(errors), median(errors)) for metric, errors in found.items() if errors}


def leave_one_group_out(fitted: EngineFit, entry: str) -> list[tuple[str, ...]]:
    """A table: each group of an engine's rows, predicted with constants that its other groups give.

    The constants without a group are one Gauss-Newton step away from those with all, and the predictions are linear in
    them: no row is played again.
    """
    groups = list(dict.fromkeys(row.group for row in fitted.rows))
    table: list[tuple[str, ...]] = [(f"left out of {entry}", *METRICS)]
    if len(groups) < 2:
        return [*table, ("one group only: nothing to leave out", *("" for _ in METRICS))]
    of_group = [fitted.rows[each.row].group for each in fitted.observations]
    for group in groups:
        mask = np.array([each == group for each in of_group])
        if not mask.any():
            continue
        _, residuals = fitted.fit.without(mask)
        left = [each for each, own in zip(fitted.observations, mask, strict=True) if own]
        found: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for each, residual in zip(left, residuals, strict=True):
            found[each.metric].append(abs(float(np.expm1(residual / each.weight))))
        cells = {metric: (len(errors), median(errors)) for metric, errors in found.items() if errors}
        table.append((" ".join(group), *(_cell(cells.get(metric)) for metric in METRICS)))
    return table


def ablation(fitted: EngineFit, entry: str, folder: Path, *, jobs: int) -> list[tuple[str, ...]]:
    """A table: the errors on an engine's rows with all its constants, and with each put to nothing (a share to 1)."""
    own, fit = fitted.rows, fitted.fit
    played = play_all(fitted, folder, fit.constants, jobs=jobs)
    whole = errors_of(own, played, played)
    table: list[tuple[str, ...]] = [
        (f"{entry} without", *METRICS),
        ("nothing: all constants", *(_cell(whole.get(metric)) for metric in METRICS)),
    ]
    for name in fit.values:
        without = {**fit.constants, name: 1.0 if name.endswith("efficiency") else 0.0}
        left = errors_of(own, play_all(fitted, folder, without, jobs=jobs), played)
        table.append((name, *(_cell(left.get(metric)) for metric in METRICS)))
    return table


def _cell(found: tuple[int, float] | None) -> str:
    return f"{100 * found[1]:.1f} % ({found[0]})" if found else ""
