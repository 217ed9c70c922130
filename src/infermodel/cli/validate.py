"""`infermodel validate`."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import click

from infermodel.cli import JOBS
from infermodel.cli.own_runs import Served, rows_of_folder, served_options
from infermodel.cli.run import command_line, progress, refusal
from infermodel.cli.table import aligned
from infermodel.cli.told import Told, json_option


@click.command()
@click.argument("measurements", type=click.Path(exists=True, path_type=Path))
@served_options("With a folder")
@click.option("--draft", default="", help="Who drafts in rows that do not say: mtp, eagle3, ngram or a model.")
@click.option("--drafted", type=click.IntRange(0, 64), default=0, help="With --draft: tokens of a round.")
@click.option("--acceptance", default="", help="With --draft: a share for all, or one for each, apart by semicolons.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the tables and the page.")
@click.option("--jobs", type=JOBS, default=os.cpu_count() or 1, help="Processes (default: one a core).")
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), help="Renew the tables of a Markdown page.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def validate(
    measurements: Path,
    served: tuple[str, str, str] | None,
    engine_version: str,
    tensor_parallel: int,
    precision: str,
    kv_precision: str,
    asked_as: tuple[str, ...],
    draft: str,
    drafted: int,
    acceptance: str,
    out: Path | None,
    jobs: int,
    docs: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Play every experiment of MEASUREMENTS on the model of its server, and say how far off the model is: a CSV file of
    experiments, or a folder of results of load generators.
    """
    from infermodel.fidelity import accuracy, page
    from infermodel.fidelity.rows import METRICS, UNSAID, RowError, read_rows
    from infermodel.fidelity.rows import drafted as speculated
    from infermodel.fidelity.validate import accuracy_csv, predictions_csv
    from infermodel.fidelity.validate import validate as play
    from infermodel.report.folder import check_place, write_folder

    told = Told("validate", as_json=as_json, quiet=quiet)
    quiet = told.quiet
    if docs is not None and not docs.is_file():
        raise click.UsageError(f"no page {docs} whose tables could be renewed")
    if out is not None:
        with refusal(out):
            check_place(out)
    if measurements.is_dir():
        if not served:
            raise click.UsageError("a folder of benchmarks needs --served MODEL GPU ENGINE")
        what = Served(served, engine_version, tensor_parallel, (precision, kv_precision), asked_as)
        rows, folder = rows_of_folder(measurements, what, quiet=quiet), measurements
    else:
        try:
            rows, folder = read_rows(measurements), measurements.parent
        except RowError as error:
            raise click.UsageError(str(error)) from error
    if draft:
        try:
            shares = speculated(draft, drafted, acceptance)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        rows = tuple(
            row if row.draft not in ("", UNSAID) else replace(row, draft=draft, acceptance=shares) for row in rows
        )
    with progress(f"playing {len(rows)} experiments", quiet=quiet):
        predictions = play(rows, folder, jobs=jobs)
    metrics = [metric for metric in METRICS if any(metric in row.measured for row in rows)]
    lines = accuracy.accuracy(predictions, metrics)
    skipped = sum(bool(prediction.skipped) for prediction in predictions)
    told.text(aligned(page.score_rows(accuracy.scores(lines))))
    told.text(f"\n{len(rows)} rows, {skipped} skipped")
    told.table("scores", accuracy.scores(lines))
    told.table("accuracy", lines)
    told.note(f"{len(rows)} rows, {skipped} skipped")
    if out is not None:
        shown = page.html(predictions, lines, f"Predicted against measured: {measurements.name}", digest(measurements))
        tables = {"predictions.csv": predictions_csv(predictions), "accuracy.csv": accuracy_csv(lines)}
        with refusal(out):
            write_folder(out, {**tables, "accuracy.html": shown}, command_line())
        told.text(f"predictions.csv, accuracy.csv and accuracy.html written to {out}")
        told.file(out)
    if docs is not None:
        with refusal(docs):
            page.renew(docs, predictions, lines)
        told.text(f"{docs} renewed")
        told.file(docs)
    told.end()


def digest(measurements: Path) -> str:
    """SHA-256 of a file, or of all files of a folder in order, by which a page names what it was made from."""
    if measurements.is_dir():
        every = sorted(path for path in measurements.rglob("*") if path.is_file())
        return hashlib.sha256("".join(map(digest, every)).encode()).hexdigest()
    with measurements.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
