"""`infermodel validate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from infermodel.cli.run import progress
from infermodel.cli.table import aligned


@click.command()
@click.argument("measurements", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the tables and the page.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes (default: one a core).")
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), help="Renew the tables of a Markdown page.")
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def validate(measurements: Path, out: Path | None, jobs: int, docs: Path | None, quiet: bool) -> None:
    """Play every experiment of MEASUREMENTS.csv on the model of its server, and say how far off the model is."""
    from infermodel.fidelity import accuracy, page
    from infermodel.fidelity.rows import METRICS, RowError, read_rows
    from infermodel.fidelity.validate import validate as play
    from infermodel.fidelity.validate import write_accuracy, write_predictions

    try:
        rows = read_rows(measurements)
    except RowError as error:
        raise click.UsageError(str(error)) from error
    with progress(f"playing {len(rows)} experiments", quiet=quiet):
        predictions = play(rows, measurements.parent, jobs=jobs)
    metrics = [metric for metric in METRICS if any(metric in row.measured for row in rows)]
    lines = accuracy.accuracy(predictions, metrics)
    if not quiet:
        click.echo(aligned(page.score_rows(accuracy.scores(lines))))
        skipped = sum(bool(prediction.skipped) for prediction in predictions)
        click.echo(f"\n{len(rows)} rows, {skipped} skipped")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_predictions(out / "predictions.csv", predictions)
        write_accuracy(out / "accuracy.csv", lines)
        title = f"Predicted against measured: {measurements.name}"
        (out / "accuracy.html").write_text(page.html(predictions, lines, title), encoding="utf-8")
        if not quiet:
            click.echo(f"predictions.csv, accuracy.csv and accuracy.html written to {out}")
    if docs is not None:
        page.renew(docs, predictions, lines)
        if not quiet:
            click.echo(f"{docs} renewed")
