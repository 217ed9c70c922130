"""The scores on real measurements, where they are at hand, and predictions of experiments of our own everywhere."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from infermodel import catalog
from infermodel.fidelity import calibrate, figures, kernels
from infermodel.fidelity.accuracy import accuracy, scores
from infermodel.fidelity.devices import DeviceFit, fit_all_reduce
from infermodel.fidelity.replay import replay
from infermodel.fidelity.rows import METRICS, read_rows
from infermodel.fidelity.validate import validate

HERE = Path(__file__).parent
MEASUREMENTS = Path(os.environ.get("INFERMODEL_MEASUREMENTS", "nowhere")) / "measurements.csv"

TARGETS = {"tpot_mean_ms": 0.06, "e2e_mean_ms": 0.07, "ttft_mean_ms": 0.15, "output_tok_s": 0.10}


@pytest.mark.skipif(not MEASUREMENTS.exists(), reason="INFERMODEL_MEASUREMENTS points to no measurements.csv")
def test_the_scores_on_real_servers() -> None:
    predictions = validate(read_rows(MEASUREMENTS), MEASUREMENTS.parent, jobs=2)
    assert not [prediction.skipped for prediction in predictions if prediction.skipped]
    for score in scores(accuracy(predictions, METRICS)):
        assert score.median_over_rows <= TARGETS[score.metric], score
        assert score.mean_over_groups <= TARGETS[score.metric], score


@pytest.mark.skipif(not MEASUREMENTS.exists(), reason="INFERMODEL_MEASUREMENTS points to no measurements.csv")
def test_the_catalog_is_what_the_fit_says() -> None:
    # The cheapest part of `infermodel calibrate`: collectives of all devices, by the text that it writes into files.
    table = kernels.read_table(MEASUREMENTS.parent / "kernels", "all_reduce")
    fits = []
    for gpu, system in calibrate.MEASURED.items():
        fit = fit_all_reduce(kernels.all_reduce_table(table, gpu), catalog.load_system(system))
        fits.append(DeviceFit(gpu, fit.values, fit.errors, fit.dropped, {}))
    lines_of = figures.device_figures(calibrate.Calibration(tuple(fits), {}))
    assert set(lines_of) == {*calibrate.MEASURED, *calibrate.RELATED}
    for gpu, lines in lines_of.items():
        file = (files(catalog) / "devices" / f"{gpu}.yaml").read_text(encoding="utf-8")
        assert set(lines) == {*calibrate.LINK} - calibrate.told_by_rows(gpu)
        for constant, figure in lines.items():
            assert f"  {constant}: {figure}\n" in file, gpu


RECORDED = read_rows(HERE / "recorded.csv")


@pytest.mark.parametrize("row", RECORDED, ids=[row.id for row in RECORDED])
def test_what_moves_must_be_meant_to(row) -> None:
    # Not theory: a change of these by more than 0.5 % is a change of the model, to be made on purpose
    # (`python tests/fidelity/test_fidelity_measurements.py` records anew).
    predicted = replay(row, HERE).predicted
    assert {metric: predicted[metric] for metric in row.measured} == pytest.approx(dict(row.measured), rel=5e-3)


def record() -> None:
    """Write the present predictions into `recorded.csv`."""
    path = HERE / "recorded.csv"
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    for line, row in zip(lines, RECORDED, strict=True):
        predicted = replay(replace(row, measured={}), HERE).predicted
        for metric in METRICS:
            if f"measured_{metric}" in line:
                line[f"measured_{metric}"] = f"{predicted[metric]:.5g}" if metric in predicted else ""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    record()
