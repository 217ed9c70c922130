"""`infermodel validate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from infermodel import api
from infermodel.answers.own_runs import Served
from infermodel.cli import JOBS
from infermodel.cli.own_runs import served_options
from infermodel.cli.place import checked, command_line, refusal
from infermodel.cli.progress import progress
from infermodel.cli.told import Told, json_option, quiet_option


@click.command()
@click.argument("measurements", type=click.Path(exists=True, path_type=Path))
@served_options("With a folder")
@click.option("--draft", default="", help="Who drafts in rows that do not say: mtp, eagle3, ngram or a model.")
@click.option("--drafted", type=click.IntRange(0, 64), default=0, help="In rows that do not say: tokens of a round.")
@click.option("--acceptance", default="", help="In rows that do not say: a share for all, or several by semicolons.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the tables and the page.")
@click.option("--jobs", type=JOBS, default=os.cpu_count() or 1, help="Processes (default: one a core).")
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), help="Renew the tables of a Markdown page.")
@json_option
@quiet_option
def validate(
    measurements: Path,
    served: Served | None,
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
    from infermodel.answers.accuracy import AccuracyAnswer
    from infermodel.answers.apart import ApartAnswer
    from infermodel.fidelity.disaggregated import is_apart
    from infermodel.fidelity.rows import drafted as speculated

    told = Told("validate", as_json=as_json, quiet=quiet)
    if docs is not None and not docs.is_file():
        raise click.UsageError(f"no page {docs} whose tables could be renewed")
    if docs is not None and is_apart(measurements):
        raise click.UsageError("--docs renews the tables of experiments in one pool")
    if out is not None:
        checked(out)
    try:
        shares = speculated(drafted, acceptance) if draft or drafted or acceptance else ()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with progress(quiet=told.quiet) as say:
        answer = api.validate(measurements, served=served, draft=draft, acceptance=shares, jobs=jobs, on_progress=say)
    apart = isinstance(answer, ApartAnswer)
    told.answer(answer)
    if out is not None:
        with refusal(out):
            answer.write(out, command=command_line())
        told.text(
            f"{'predictions.csv' if apart else 'predictions.csv, accuracy.csv and accuracy.html'} written to {out}"
        )
        told.file(out)
    if docs is not None and isinstance(answer, AccuracyAnswer):
        with refusal(docs):
            answer.renew(docs)
        told.text(f"{docs} renewed")
        told.file(docs)
    told.end()
