"""`infermodel calibrate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from infermodel.cli.run import progress
from infermodel.cli.table import aligned


@click.command()
@click.argument("measurements", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--engine", "engines", multiple=True, help="Catalog entries to fit (default: all that have rows).")
@click.option("--kernels/--no-kernels", default=True, help="Fit devices to the folder `kernels` beside the rows.")
@click.option("--write", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Catalog folder to renew.")
@click.option("--leave-out", is_flag=True, help="Also predict each group of rows with constants fitted to the others.")
@click.option("--ablate", is_flag=True, help="Also show the errors with each constant put to nothing.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes (default: one a core).")
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def calibrate(
    measurements: Path,
    engines: tuple[str, ...],
    kernels: bool,
    write: Path | None,
    leave_out: bool,
    ablate: bool,
    jobs: int,
    quiet: bool,
) -> None:
    """Fit devices to kernel tables and engines to the rows of MEASUREMENTS.csv, with standard errors."""
    from infermodel.fidelity import calibrate as calibration
    from infermodel.fidelity.crossing import ablation, leave_one_group_out
    from infermodel.fidelity.devices import DeviceFit
    from infermodel.fidelity.engines import FITTED, GROUPED, fit_engine, rows_of
    from infermodel.fidelity.rows import RowError, read_rows

    try:
        rows = read_rows(measurements)
    except RowError as error:
        raise click.UsageError(str(error)) from error
    unknown = [entry for entry in engines if entry not in FITTED]
    if unknown:
        raise click.UsageError(f"no constants to fit for {', '.join(unknown)}; there are {', '.join(FITTED)}")
    entries = [entry for entry in engines or FITTED if rows_of(entry, rows)]
    folder = measurements.parent

    def show(table: list[tuple[str, ...]]) -> None:
        if not quiet:
            click.echo(aligned(table) + "\n")

    devices: tuple[DeviceFit, ...] = ()
    if kernels and (folder / "kernels").is_dir():
        with progress("fitting devices to kernel tables", quiet=quiet):
            devices = calibration.fit_devices(folder / "kernels")
        show(calibration.device_rows(devices))
    fits = {}
    for entry in entries:
        with progress(f"fitting {entry} to its rows", quiet=quiet):
            fits[entry] = fit_engine(entry, rows, folder, jobs=jobs)
    show(calibration.engine_rows({entry: fitted.fit for entry, fitted in fits.items()}))
    for entry, fitted in fits.items():
        if leave_out:
            show(leave_one_group_out(fitted, entry))
        if ablate:
            with progress(f"leaving out each constant of {entry}", quiet=quiet):
                show(ablation(fitted, entry, folder, jobs=jobs))
    if write is not None:
        vllm = fits.get("vllm")
        grouped = (vllm.fit.values[GROUPED.name], vllm.fit.errors[GROUPED.name]) if vllm else None
        paths = calibration.write_catalog(
            write,
            calibration.device_figures(devices, grouped),
            calibration.engine_figures({entry: fitted.fit for entry, fitted in fits.items()}),
        )
        if not quiet:
            click.echo(f"{len(paths)} files of {write} renewed")
