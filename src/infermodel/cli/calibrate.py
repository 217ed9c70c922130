"""`infermodel calibrate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infermodel.answers.aligned import aligned
from infermodel.answers.answer import text
from infermodel.answers.own_runs import Served, own_runs
from infermodel.cli import JOBS
from infermodel.cli.own_runs import served_options
from infermodel.cli.place import refusal
from infermodel.cli.progress import progress
from infermodel.cli.told import Told, json_option, quiet_option

if TYPE_CHECKING:
    from infermodel.fidelity.calibrate import Calibration
    from infermodel.fidelity.rows import Row


@click.command()
@click.argument("measurements", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--bench",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of results of load generators (docs/results.md): fit one engine to these instead.",
)
@served_options("With --bench")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="With --bench: engine file to write.")
@click.option("--force", is_flag=True, help="With --bench: write the engine however little it was fitted to.")
@click.option("--engine", "engines", multiple=True, help="Catalog entries to fit (default: all that have rows).")
@click.option(
    "--further",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows beside them that tell constants of devices, and of engines on some devices.",
)
@click.option("--kernels/--no-kernels", default=True, help="Fit devices to the folder `kernels` beside the rows.")
@click.option("--write", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Catalog folder to renew.")
@click.option("--leave-out", is_flag=True, help="Also predict each group of rows with constants fitted to the others.")
@click.option("--ablate", is_flag=True, help="Also show the errors with each constant put to nothing.")
@click.option("--folds", is_flag=True, help="Also predict each family of models and each GPU with what others tell.")
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), help="Renew the tables of a Markdown page.")
@click.option("--jobs", type=JOBS, default=os.cpu_count() or 1, help="Processes (default: one a core).")
@json_option
@quiet_option
def calibrate(
    measurements: Path | None,
    bench: Path | None,
    served: Served | None,
    out: Path | None,
    force: bool,
    engines: tuple[str, ...],
    further: Path | None,
    kernels: bool,
    write: Path | None,
    leave_out: bool,
    ablate: bool,
    folds: bool,
    docs: Path | None,
    jobs: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit devices to kernel tables and engines to the rows of MEASUREMENTS.csv, with standard errors; or one engine to
    benchmarks of your own.
    """
    told = Told("calibrate", as_json=as_json, quiet=quiet)
    quiet = told.quiet
    if bench is not None:
        if served is None:
            raise click.UsageError("--bench needs --served MODEL GPU ENGINE")
        fit_own(bench, served, out, told, force=force, jobs=jobs)
        return
    if docs is not None and not docs.is_file():
        raise click.UsageError(f"no page {docs} whose tables could be renewed")
    if measurements is None:
        raise click.UsageError("name a file of measurements, or a folder of benchmarks with --bench")
    from infermodel.fidelity import calibrate as calibration
    from infermodel.fidelity import figures
    from infermodel.fidelity.crossing import ablation, leave_one_group_out
    from infermodel.fidelity.engines import FITTED
    from infermodel.fidelity.folds import fold_tables
    from infermodel.fidelity.page import put

    rows, beside, entries = _asked_for(measurements, further, engines)
    folder = measurements.parent
    shown: dict[str, list[list[tuple[str, ...]]]] = {}

    def show(name: str, table: list[tuple[str, ...]]) -> None:
        told.text(aligned(table) + "\n")
        told.cells(name, table)
        shown.setdefault(name, []).append(table)

    fits = calibration.calibration(
        rows, folder, entries, further=beside, kernels=kernels and (folder / "kernels").is_dir(), jobs=jobs
    )
    with progress("fitting devices to kernel tables", quiet=quiet):
        found = next(fits)
    if found.devices:
        show("devices", figures.device_rows(found.devices))
    for entry in (name for name in FITTED if name in entries):
        with progress(f"fitting {entry} to its rows", quiet=quiet):
            found = next(fits)
        show("engines", figures.engine_rows({entry: found.engines[entry].fit}))
        if leave_out:
            show("left_out", leave_one_group_out(found.engines[entry], entry))
        if ablate:
            with progress(f"leaving out each constant of {entry}", quiet=quiet):
                show("ablated", ablation(found.engines[entry], entry, folder, jobs=jobs))
    with progress("fitting what served rows tell of devices, and of engines on some", quiet=quiet):
        *_, found = (found, *fits)
    if found.served:
        show("served", figures.engine_rows({device: fitted.fit for device, fitted in found.served.items()}))
    if found.on_some:
        show("on_some", figures.engine_rows({some.title: fitted.fit for some, fitted in found.on_some.items()}))
    if folds:
        with progress("leaving out each family of models and each GPU", quiet=quiet):
            tables = fold_tables(found, (*rows, *beside), folder, jobs=jobs)
        for name, table in tables.items():
            show(name, table)
    if docs is not None:
        with refusal(docs):
            put(docs, shown)
        told.text(f"{docs} renewed")
        told.file(docs)
    if write is not None:
        _write(write, found, told)
    told.end()


def _write(folder: Path, found: Calibration, told: Told) -> None:
    """Renew a catalog with what was found."""
    from infermodel.fidelity import figures

    paths = figures.write_catalog(
        folder,
        figures.device_figures(found),
        figures.engine_figures({entry: fitted.fit for entry, fitted in found.engines.items()}),
        figures.on_some_figures(found),
    )
    told.text(f"{len(paths)} files of {folder} renewed")
    for path in paths:
        told.file(path)


def _asked_for(
    measurements: Path, further: Path | None, engines: tuple[str, ...]
) -> tuple[tuple[Row, ...], tuple[Row, ...], list[str]]:
    """Rows to fit to, others beside them, and which engines have any.

    Raises:
        click.UsageError: a file cannot be read, or no constants of an engine are fitted.
    """
    from infermodel.fidelity.engines import FITTED, rows_of
    from infermodel.fidelity.rows import RowError, read_rows

    unknown = [entry for entry in engines if entry not in FITTED]
    if unknown:
        raise click.UsageError(f"no constants to fit for {', '.join(unknown)}; there are {', '.join(FITTED)}")
    try:
        rows = read_rows(measurements)
        beside = read_rows(further) if further else ()
    except RowError as error:
        raise click.UsageError(str(error)) from error
    return rows, beside, [entry for entry in engines or FITTED if rows_of(entry, rows)]


def fit_own(folder: Path, served: Served, out: Path | None, told: Told, *, force: bool, jobs: int) -> None:
    """Fit an engine to a folder of a user's own benchmarks; print the constants, write the engine's file."""
    from infermodel.fidelity import bench
    from infermodel.fidelity.engines import fit_engine
    from infermodel.fidelity.figures import engine_rows
    from infermodel.fidelity.server import engine_entry
    from infermodel.files import write_whole

    rows, said = own_runs(folder, served)
    told.text(text(said) + "\n")
    entry = engine_entry(served.engine, served.engine_version)
    with progress(f"fitting {entry} to {len(rows)} runs", quiet=told.quiet):
        fitted = fit_engine(entry, rows, folder, parameters=bench.BENCH_PARAMETERS, jobs=jobs)
    doubt = bench.doubt(fitted)
    constants, error = engine_rows({entry: fitted.fit}), f"median error {100 * fitted.fit.median_error:.1f} %"
    told.text(f"{aligned(constants)}\n\n{error}" + (f"; {doubt}" if doubt else ""))
    told.cells("engines", constants)
    told.note(error, *([doubt] if doubt else []))
    if out is None:
        told.end()
        return
    if doubt and not force:
        raise click.UsageError(f"{out} not written: {doubt} (--force writes it all the same)")
    write_whole(out, bench.engine_file(fitted, entry, out.stem))
    told.text(f"{out} written: put it into the catalog's folder of engines, and name it in a scenario")
    told.file(out)
    told.end()
