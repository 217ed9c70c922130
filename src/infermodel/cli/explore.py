"""`infermodel explore`."""

from __future__ import annotations

import asyncio
import signal
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infermodel import api
from infermodel.cli import JOBS
from infermodel.cli.place import refusal
from infermodel.cli.progress import progress_bar
from infermodel.cli.told import Told, json_option, quiet_option, set_option
from infermodel.files import write_whole
from infermodel.serve.host import LOOPBACK, own_names

if TYPE_CHECKING:
    from infermodel.explore.server import Explorer


@click.command()
@click.argument("scenario", type=click.Path())
@set_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8020, show_default=True, help="0: any that is free.")
@click.option("--no-browser", is_flag=True, help="Say where the page is and open none.")
@click.option(
    "--export",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Answer a sweep's file instead, and write it as one page that needs no network.",
)
@click.option("--jobs", type=JOBS, default=1, show_default=True, help="Processes of --export.")
@json_option
@quiet_option
def explore(
    scenario: str,
    changes: tuple[str, ...],
    host: str,
    port: int,
    no_browser: bool,
    export: Path | None,
    jobs: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Turn the numbers of SCENARIO on a page in the browser; the program answers as they move."""
    told = Told("explore", as_json=as_json, quiet=quiet)
    if export is not None:
        write_sweep(scenario, changes, export, jobs, told)
        return
    asked = api.load(scenario, set=changes)
    try:
        from infermodel.explore import server

        server.page("/plotly.js")
    except ModuleNotFoundError as missing:
        raise click.UsageError(f"needs {missing.name}: install infermodel[explore]") from None
    if host not in LOOPBACK:
        click.echo(f"warning: {host} may be reached from other machines, and nothing is asked of them", err=True)

    def ready(at: int) -> None:
        url = f"http://{f'[{host}]' if ':' in host else host}:{at}/"
        told.text(f"{asked.title}\n{url}\nCtrl-C ends it")
        told.table("server", [{"url": url, "scenario": scenario}])
        told.end()
        if not no_browser:
            webbrowser.open(url)

    explorer = server.Explorer(asked, own_names(host), typed=changes)
    try:
        asyncio.run(until_interrupted(explorer, host, port, ready))
    except OSError as error:
        raise click.UsageError(f"{host}:{port} cannot be listened on: {error.strerror}") from None


def write_sweep(file: str, changes: tuple[str, ...], page: Path, jobs: int, told: Told) -> None:
    """Answer a sweep and write it as one page.

    Raises:
        InputError: the file is not sound.
    """
    try:
        from infermodel.explore.export import sweep_file

        with progress_bar(quiet=told.quiet) as say, refusal(page):
            write_whole(page, sweep_file(api.sweep(file, set=changes, jobs=jobs, on_progress=say)))
    except ModuleNotFoundError as missing:
        raise click.UsageError(f"needs {missing.name}: install infermodel[explore]") from None
    told.text(f"page: {page}")
    told.file(page)
    told.end()


async def until_interrupted(explorer: Explorer, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serve until Ctrl-C or a request to end."""
    from infermodel.explore import server

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await server.serve(explorer, host, port, stop, ready)
