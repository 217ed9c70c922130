"""The command line: a group whose commands are imported when they are called, so that `--help` is quick."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from infermodel import __version__
from infermodel.cli.output import outputs
from infermodel.compiled import form

COMMANDS: Mapping[str, str] = {
    "run": "Simulate a scenario.",
    "capacity": "The largest load that each service sustains at its objectives.",
    "availability": "What a fleet whose systems fail delivers over months.",
    "claims": "Hold published claims against the model.",
    "sweep": "Answer many what-ifs around a scenario.",
    "plan": "Find the cheapest fleet that meets the objectives.",
    "fit": "The smallest fleet that holds a model, its KV room, and users at contexts.",
    "validate": "Hold the model against measurements of real servers.",
    "calibrate": "Fit the constants of devices and engines to measurements.",
    "import": "Say what a log, a trace or a result of a load generator is.",
    "explore": "Turn a scenario's numbers in a browser, and see what follows.",
    "serve": "Answer HTTP requests as a service of a scenario would, in real time.",
    "compare": "Put reports side by side, with differences and intervals.",
    "new": "Write a commented scenario to start from.",
    "schema": "Every key that a scenario may hold.",
    "catalog": "What is known of systems, devices, models, engines and prices, with sources.",
}
"""Name of a command, which is that of its module here and of the function in it (with an underscore after a word of
Python's own), and its line in `--help`."""

DONE, MISSED, BAD_INPUT, BROKEN, UNWRITABLE, INTERRUPTED = 0, 1, 2, 70, 74, 130
"""Exit status: done; an objective missed with --check; bad input; a fault of this program (EX_SOFTWARE); a file or an
output that fails while it is used (EX_IOERR); Ctrl-C."""

TRACEBACK_VARIABLE = "INFERMODEL_TRACEBACK"

MOST_RUNS = 10_000
JOBS, REPLICATIONS, DRAWS = click.IntRange(1, 1024), click.IntRange(1, MOST_RUNS), click.IntRange(0, MOST_RUNS)
"""Processes that a machine can start, and runs whose results a person would wait for."""


class LazyGroup(click.Group):
    """Imports a command's module when it is called; turns every error into a message and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command = getattr(import_module(f"{__name__}.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, none of them imported, and options."""
        found = [CompletionItem(name, help=about) for name, about in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; a misspelt one gets a suggestion."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from infermodel.scenario.errors import did_you_mean

            ctx.fail(f"no command named '{args[0]}'; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, none of them imported."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> NoReturn:
        """Run and exit; no traceback reaches the user."""
        options["standalone_mode"] = False
        with Interrupts() as interrupts, outputs() as output:
            try:
                status = super().main(args, *rest, **options)
                sys.stdout.flush()
            except BaseException as error:
                interrupts.ending = True
                status = _status_of(KeyboardInterrupt() if interrupts.came else error)
            if output is not None and output.lost and not status:
                say(f"infermodel failed: {output.lost}")
                status = UNWRITABLE
        sys.exit(status if isinstance(status, int) else DONE)


class Interrupts:
    """Ctrl-C while a command runs: noted, since a library may turn it into an error of its own, and of no effect while
    the command ends. Where somebody else has a say in it (`nohup`), nothing is changed.

    Attributes:
        came: whether there was one.
        ending: set once the exit status is being told.
    """

    def __init__(self) -> None:
        self.came = self.ending = self._mine = False

    def __enter__(self) -> Interrupts:
        self._mine = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._mine:
            signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self.ending:
            self.came = True
            signal.default_int_handler(number, frame)


def _status_of(error: BaseException) -> int:
    """Say what is wrong and return the exit status that it means."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else BROKEN
    if isinstance(error, KeyboardInterrupt | click.Abort):
        say("interrupted")
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        with suppress(OSError):
            error.show()
        return error.exit_code
    from infermodel.errors import InputError
    from infermodel.scenario.errors import printable

    if isinstance(error, InputError):
        say(str(error))
        return BAD_INPUT
    if isinstance(error, OSError) and error.strerror:
        about = f": {error.filename}" if error.filename else ""
        say(f"infermodel failed: {error.strerror}{printable(str(about))}")
        return UNWRITABLE
    if os.environ.get(TRACEBACK_VARIABLE):
        import traceback

        traceback.print_exception(error)
    said = printable(f"{type(error).__name__}: {error}")[:500]
    say(f"infermodel failed: {said} (set {TRACEBACK_VARIABLE}=1 to see where)")
    return BROKEN


def say(message: str) -> None:
    """A line on stderr, where that can be written."""
    with suppress(OSError):
        click.echo(message, err=True)


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Say the version, and in which form the inner loops run."""
    if wanted and not context.resilient_parsing:
        click.echo(f"infermodel, version {__version__}, {form()}")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
def infermodel() -> None:
    """Performance, capacity and price of LLM inference datacenters, by discrete-event simulation."""


def main() -> NoReturn:
    """Entry point of the console script."""
    infermodel.main(prog_name="infermodel")
