"""`infermodel calibrate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from infermodel.cli import JOBS
from infermodel.cli.run import progress
from infermodel.cli.table import aligned


@click.command()
@click.argument("measurements", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--bench",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of JSON files of `vllm bench serve --save-result`: fit one engine to these instead.",
)
@click.option("--served", nargs=3, metavar="MODEL GPU ENGINE", help="With --bench: what served them (catalog names).")
@click.option("--engine-version", default="", help="With --bench: of the engine, such as 0.18.0.")
@click.option("--tensor-parallel", type=click.IntRange(1), default=1, help="With --bench: GPUs that share each layer.")
@click.option("--precision", default="bf16", help="With --bench: of the weights.")
@click.option("--kv-precision", default="bf16", help="With --bench: of keys and values.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="With --bench: engine file to write.")
@click.option("--engine", "engines", multiple=True, help="Catalog entries to fit (default: all that have rows).")
@click.option("--kernels/--no-kernels", default=True, help="Fit devices to the folder `kernels` beside the rows.")
@click.option("--write", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Catalog folder to renew.")
@click.option("--leave-out", is_flag=True, help="Also predict each group of rows with constants fitted to the others.")
@click.option("--ablate", is_flag=True, help="Also show the errors with each constant put to nothing.")
@click.option("--jobs", type=JOBS, default=os.cpu_count() or 1, help="Processes (default: one a core).")
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def calibrate(
    measurements: Path | None,
    bench: Path | None,
    served: tuple[str, str, str] | None,
    engine_version: str,
    tensor_parallel: int,
    precision: str,
    kv_precision: str,
    out: Path | None,
    engines: tuple[str, ...],
    kernels: bool,
    write: Path | None,
    leave_out: bool,
    ablate: bool,
    jobs: int,
    quiet: bool,
) -> None:
    """Fit devices to kernel tables and engines to the rows of MEASUREMENTS.csv, with standard errors; or one engine to
    benchmarks of your own.
    """
    if bench is not None:
        if not served:
            raise click.UsageError("--bench needs --served MODEL GPU ENGINE")
        fit_own(bench, served, engine_version, tensor_parallel, (precision, kv_precision), out, jobs, quiet)
        return
    if measurements is None:
        raise click.UsageError("name a file of measurements, or a folder of benchmarks with --bench")
    from infermodel.fidelity import calibrate as calibration
    from infermodel.fidelity.crossing import ablation, leave_one_group_out
    from infermodel.fidelity.engines import FITTED, rows_of
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

    fits = calibration.calibration(rows, folder, entries, kernels=kernels and (folder / "kernels").is_dir(), jobs=jobs)
    with progress("fitting devices to kernel tables", quiet=quiet):
        found = next(fits)
    if found.devices:
        show(calibration.device_rows(found.devices))
    for entry in (name for name in FITTED if name in entries):
        with progress(f"fitting {entry} to its rows", quiet=quiet):
            found = next(fits)
        show(calibration.engine_rows({entry: found.engines[entry].fit}))
        if leave_out:
            show(leave_one_group_out(found.engines[entry], entry))
        if ablate:
            with progress(f"leaving out each constant of {entry}", quiet=quiet):
                show(ablation(found.engines[entry], entry, folder, jobs=jobs))
    if write is not None:
        paths = calibration.write_catalog(
            write,
            calibration.device_figures(found),
            calibration.engine_figures({entry: fitted.fit for entry, fitted in found.engines.items()}),
        )
        if not quiet:
            click.echo(f"{len(paths)} files of {write} renewed")


def fit_own(
    folder: Path,
    served: tuple[str, str, str],
    engine_version: str,
    tensor_parallel: int,
    precisions: tuple[str, str],
    out: Path | None,
    jobs: int,
    quiet: bool,
) -> None:
    """Fit an engine to a folder of a user's own benchmarks; print the constants, write the engine's file."""
    from infermodel.fidelity import bench
    from infermodel.fidelity.calibrate import engine_rows
    from infermodel.fidelity.engines import fit_engine
    from infermodel.fidelity.server import Skipped, engine_entry, server_of
    from infermodel.files import write_whole
    from infermodel.formats.text import FormatError

    model, gpu, engine = served
    try:
        server = bench.served_by(model, gpu, engine, engine_version, tensor_parallel, *precisions)
        server_of(server)
        rows = bench.bench_rows(folder, server)
    except (Skipped, FormatError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    entry = engine_entry(engine, engine_version)
    with progress(f"fitting {entry} to {len(rows)} runs", quiet=quiet):
        fitted = fit_engine(entry, rows, folder, parameters=bench.BENCH_PARAMETERS, jobs=jobs)
    if not quiet:
        click.echo(aligned(engine_rows({entry: fitted.fit})))
        click.echo(f"\nmedian error {100 * fitted.fit.median_error:.1f} %")
    if out is not None:
        write_whole(out, bench.engine_file(fitted, entry, out.stem))
        if not quiet:
            click.echo(f"{out} written: put it into the catalog's folder of engines, and name it in a scenario")
