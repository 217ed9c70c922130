"""`infermodel import`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from infermodel.answers.aligned import aligned
from infermodel.catalog import repository_ids
from infermodel.cli.place import refusal
from infermodel.cli.told import Told, json_option, quiet_option
from infermodel.formats import results
from infermodel.formats.own_log import UNITS
from infermodel.formats.requests_csv import text_of
from infermodel.formats.results.measured import DEFINITIONS, PERCENTS, Measured, Tokens
from infermodel.formats.text import FormatError

STATISTICS = ("mean", *(f"p{percent}" for percent in PERCENTS), "max")


@click.command("import")
@click.argument("result", type=click.Path(exists=True, path_type=Path))
@click.option("--run", "chosen", default="", help="Of several runs in the file, the one of this number or name.")
@click.option(
    "--requests",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file to write: when each request was sent, its tokens and its latencies. A scenario plays it as a trace.",
)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Scenario to write that plays a log or trace."
)
@click.option("--laws", is_flag=True, help="With -o: arrivals and lengths from laws fitted to the log.")
@click.option("--unit", type=click.Choice(tuple(UNITS)), help="Of a log's times that are numbers, where it says none.")
@json_option
@quiet_option
def import_(
    result: Path,
    chosen: str,
    requests: Path | None,
    out: Path | None,
    laws: bool,
    unit: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say what RESULT is: results of a load generator (a file, or a folder of any mix), each latency under one
    definition or refused with the reason; or a log or trace of requests, which `-o` makes a scenario of.
    """
    from infermodel.files import write_whole

    if result.is_file() and not _is_result(result):
        if requests is not None or chosen:
            raise click.UsageError(f"{result}: --run and --requests are for results of load generators")
        _log(result, out, unit or "", laws=laws, as_json=as_json, quiet=quiet)
        return
    if out is not None or unit is not None:
        raise click.UsageError(f"{result}: -o and --unit are for logs; --requests writes a result's requests as one")
    runs, passed = _runs(result)
    if chosen:
        runs = tuple(run for run in runs if run.name == chosen)
        if not runs:
            raise click.UsageError(f"{result} has no run {chosen!r}")
    if requests is not None:
        text = _requests(runs)
        with refusal(requests):
            write_whole(requests, text)
    told = Told("import", as_json=as_json, quiet=quiet)
    told.text("\n\n".join([*map(page, runs), *(f"passed over: {each}" for each in passed)]))
    told.table("runs", map(as_dictionary, runs))
    told.note(*(f"passed over: {each}" for each in passed))
    if requests is not None:
        told.text(f"\n{requests} written: {text.count(chr(10)) - 1} requests")
        told.file(requests)
    told.end()


def _is_result(path: Path) -> bool:
    """Whether a file is a result of a tool that is known."""
    if path.name.removesuffix(".gz").endswith(results.PYTORCH):
        return True
    try:
        return bool(results.tool_of(path))
    except FormatError as error:
        if isinstance(error.__cause__, OSError):  # nobody can tell: the disk failed, not the format
            raise error.__cause__ from None
        return False


def _log(path: Path, out: Path | None, unit: str, *, laws: bool, as_json: bool, quiet: bool) -> None:
    """Say what a log is, and write a scenario that plays it."""
    from infermodel.cli.import_log import log_as_dictionary, page_of_log, read_log, scenario_of_log
    from infermodel.files import write_new

    try:
        known, log = read_log(path, unit)
    except FormatError as error:
        raise click.UsageError(f"{error}\n{path.name} {results.NO_RESULT}") from error
    if out is not None:
        if out.exists():
            raise click.UsageError(f"{out} is there already; name another file")
        try:
            text, odd = scenario_of_log(path, known, log, laws=laws)
        except ValueError as error:
            raise click.UsageError(f"{path}: {error}") from error
        with refusal(out):
            write_new(out, text)
    told = Told("import", as_json=as_json, quiet=quiet)
    told.text(page_of_log(path, known, log))
    told.table("logs", [log_as_dictionary(path, known, log)])
    if out is not None:
        told.text("".join(f"\nwarning: {each}" for each in odd))
        told.text(f"{out} written; try: infermodel run {out} --dry-run")
        told.note(*(f"warning: {each}" for each in odd))
        told.file(out)
    told.end()


def _runs(result: Path) -> tuple[tuple[Measured, ...], list[str]]:
    try:
        if not result.is_dir():
            return results.read(result), []
        folder = results.read_folder(result)
    except (FormatError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    return folder.runs, [f"{path}: {why}" for path, why in folder.passed_over]


def _requests(runs: tuple[Measured, ...]) -> str:
    """The single requests of the only run, as a file of our own."""
    if len(runs) != 1:
        names = ", ".join(run.name or run.files[0].name for run in runs)
        raise click.UsageError(f"--requests needs one run, and there are {len(runs)}: {names}")
    (run,) = runs
    if run.columns is None:
        raise click.UsageError(f"{run.files[0]}: the result has no single requests")
    try:
        return text_of(run.columns)
    except ValueError as error:
        raise click.UsageError(f"{run.files[0]}: {error}") from error


def page(run: Measured) -> str:
    """What a run is, for a terminal."""
    files = ", ".join(str(path) for path in run.files) + (f", run {run.name}" if run.name else "")
    took = "" if math.isnan(run.duration_s) else f" in {run.duration_s:.4g} s"
    lines = [
        files,
        f"{run.tool} {run.version}",
        f"model     {run.model or 'not told'}{_known(run.model)}",
        f"load      {run.load}",
        f"requests  {run.requests}, {run.failed} failed{took}" if run.requests else "requests  not told",
        f"prompts   {_tokens(run.prompt)}",
        f"answers   {_tokens(run.output)}",
        *([f"drafts    {run.speculation}"] if run.speculation else []),
        "",
        aligned([("ms", *STATISTICS, "from"), *(_row(name, run) for name in DEFINITIONS)]),
        "",
        *(line for name in DEFINITIONS for line in _meanings(name, run)),
        *(f"note: {note}" for note in run.notes),
    ]
    return "\n".join(lines)


def _known(model: str) -> str:
    """The name in the catalog of a model that is called by its repository."""
    known = repository_ids().get(model)
    return f" ({known} in the catalog)" if known else ""


def _meanings(name: str, run: Measured) -> list[str]:
    """What a latency is here, and what the tool's fields of it are."""
    fields = [field for field in results.RESULTS[run.tool].fields if field.of == name]
    why = [f"  refused: {run.latencies[name].refused}"] if run.latencies[name].refused else []
    return [
        f"{name}: {DEFINITIONS[name]}",
        *why,
        *(f"  {field.name}: {field.means}; {field.taken}" for field in fields),
    ]


def _tokens(tokens: Tokens) -> str:
    if math.isnan(tokens.total):
        return f"not told{': ' if tokens.refused else ''}{tokens.refused}"
    return f"{tokens.total:,.0f} tokens" + (f" by {tokens.counted}" if tokens.counted else "")


def _row(name: str, run: Measured) -> tuple[str, ...]:
    latency = run.latencies[name]
    if latency.refused:
        return (name, *("-" for _ in STATISTICS), "refused, see below")
    told = (latency.figures_s.get(statistic) for statistic in STATISTICS)
    return (name, *("" if value is None else f"{1e3 * value:.2f}" for value in told), latency.source)


def as_dictionary(run: Measured) -> dict[str, Any]:
    """What a run is, for another program; what is not known is null."""
    return {
        "files": [str(path) for path in run.files],
        "tool": run.tool,
        "version": run.version,
        "run": run.name,
        "model": run.model or None,
        "load": {
            "said": str(run.load),
            "rate_per_s": _finite(run.load.rate_per_s),
            "concurrency": run.load.concurrency,
            "burstiness": _finite(run.load.burstiness),
            "ramp": run.load.ramp or None,
        },
        "requests": run.requests,
        "failed": run.failed,
        "duration_s": _finite(run.duration_s),
        "prompt_tokens": _finite(run.prompt.total),
        "output_tokens": _finite(run.output.total),
        "speculation": run.speculation or None,
        "latencies": {
            name: {"definition": DEFINITIONS[name], "from": latency.source or None, "refused": latency.refused or None}
            | {"fields": {each.name: each.means for each in results.RESULTS[run.tool].fields if each.of == name}}
            | {f"{statistic}_s": value for statistic, value in latency.figures_s.items()}
            for name, latency in run.latencies.items()
        },
        "notes": list(run.notes),
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
