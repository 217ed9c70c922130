"""Every row of a measurement file played by the simulator, and the files that say how well."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

from infermodel.experiment.processes import processes
from infermodel.fidelity.accuracy import Accuracy, Prediction, knees_ms, suspects
from infermodel.fidelity.replay import replay
from infermodel.fidelity.rows import METRICS, Row, RowError
from infermodel.fidelity.server import Skipped
from infermodel.files import harmless


def predict(row: Row, folder: Path) -> Prediction:
    """Play a row; a row that cannot be played comes back with the reason."""
    try:
        return Prediction(row, replay(row, folder))
    except (Skipped, RowError) as reason:
        return Prediction(row, None, str(reason))


def validate(rows: Sequence[Row], folder: Path, *, jobs: int = 1) -> tuple[Prediction, ...]:
    """Play all rows, in order.

    Args:
        folder: of the measurement file.
        jobs: processes.
    """
    suspect = suspects(rows)
    with processes(min(jobs, len(rows))) as mapped:
        found = list(mapped(partial(predict, folder=folder), rows))
    alone = [each.replayed.zero_load_ttft_ms if each.replayed else 0.0 for each in found]
    return tuple(
        replace(prediction, knee_ms=knee, suspect=prediction.row.id in suspect)
        for prediction, knee in zip(found, knees_ms(rows, alone), strict=True)
    )


def predictions_csv(predictions: Sequence[Prediction]) -> str:
    """`predictions.csv`: a line for each row, measured beside predicted and the relative error of each metric."""
    columns = ["id", "source_set", "gpu", "engine", "engine_version", "model", "load"]
    header = [*columns]
    for metric in METRICS:
        header += [f"measured_{metric}", f"predicted_{metric}", f"error_{metric}"]
    header += ["bound_by", "zero_load_ttft_ms", "below_knee", "suspect", "skipped"]
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(header)
    for prediction in predictions:
        row, replayed = prediction.row, prediction.replayed
        cells: list[object] = [harmless(getattr(row, column)) for column in columns]
        for metric in METRICS:
            predicted = replayed.predicted.get(metric) if replayed else None
            cells += [
                _figure(row.measured.get(metric)),
                _figure(predicted),
                _figure(prediction.error(metric)),
            ]
        cells += [
            replayed.bound_by if replayed else "",
            _figure(replayed.zero_load_ttft_ms if replayed else None),
            "yes" if prediction.below_knee else "no",
            "yes" if prediction.suspect else "no",
            harmless(prediction.skipped),
        ]
        writer.writerow(cells)
    return table.getvalue()


def accuracy_csv(lines: Sequence[Accuracy]) -> str:
    """`accuracy.csv`: a line for each grouping, group and metric."""
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["grouping", "group", "metric", "rows", "median_abs", "mean_abs", "median_signed"])
    for line in lines:
        names = (harmless(each) for each in (line.grouping, line.group, line.metric))
        errors = (line.median_abs, line.mean_abs, line.median_signed)
        writer.writerow([*names, line.rows, *(_figure(error) for error in errors)])
    return table.getvalue()


def _figure(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"
