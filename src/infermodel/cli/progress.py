"""What is being done, said on stderr while it is: a spinner or a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

from infermodel.answers.answer import OnProgress, Progress, silent
from infermodel.cli import say

FIRST_LINE_S, LINES_S = 15.0, 240.0
"""Where stderr is no terminal: when something is said first (what takes no longer says nothing), and how seldom in the
end, each line after twice as long as the one before it."""


@contextmanager
def progress(doing: str = "", *, quiet: bool) -> Iterator[OnProgress]:
    """A spinner with the words of the latest `Progress`, how far it is where that is counted, and the time left.

    Args:
        doing: words to start with.
        quiet: whether to say nothing.
    """
    if quiet or not sys.stderr.isatty():
        with lines(doing, quiet=quiet) as tell:
            yield tell
        return
    from rich.console import Console
    from rich.markup import escape

    pace = Pace(doing)
    with Console(stderr=True).status(escape(doing)) as status:

        def tell(told: Progress) -> None:
            pace.tell(told)
            status.update(escape(pace.words()))

        yield tell


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[OnProgress]:
    """A bar with the time left, for what is counted from its start."""
    if quiet or not sys.stderr.isatty():
        with lines(quiet=quiet) as tell:
            yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counted = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
    with Progress(TextColumn("{task.description}"), *counted, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda told: bar.update(task, description=told.doing, completed=told.done, total=told.total)


@contextmanager
def lines(doing: str = "", *, quiet: bool) -> Iterator[OnProgress]:
    """Lines on stderr, whether there is news or not: logs of batch jobs show what goes on."""
    if quiet:
        yield silent
        return
    pace, ended = Pace(doing), Event()

    def beat() -> None:
        wait_s = FIRST_LINE_S
        while not ended.wait(wait_s):
            wait_s = min(2 * wait_s, LINES_S)
            if said := pace.words():
                say(said)

    beating = Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield pace.tell
    finally:
        ended.set()
        beating.join()


class Pace:
    """The latest `Progress`, and since when its pieces are counted."""

    def __init__(self, doing: str) -> None:
        self._latest, self._began_s = Progress(doing), monotonic()

    def tell(self, told: Progress) -> None:
        """Take the latest."""
        if told.done < self._latest.done or told.total != self._latest.total:
            self._began_s = monotonic()
        self._latest = told

    def words(self) -> str:
        """It in words, with the time left at the pace so far."""
        return words(self._latest, monotonic() - self._began_s)


def words(told: Progress, took_s: float) -> str:
    """A progress in a line: how far it is where that is counted, else for how long it goes on.

    Args:
        told: what is being done.
        took_s: what was done of it took so long, seconds.

    >>> words(Progress("writing report.html"), 3.0), words(Progress("simulating a.yaml", 1, 4), 40.0)
    ('writing report.html', 'simulating a.yaml (1 of 4, about 2 min left)')
    >>> words(Progress("looking for the capacity of A", 0, 1), 125.0)
    'looking for the capacity of A (2 min so far)'
    """
    left_s = took_s / told.done * (told.total - told.done) if told.done else 0.0
    counted = [f"{told.done} of {told.total}"] if told.total > 1 else []
    if left_s >= 1:
        counted.append(f"about {_time(left_s)} left")
    elif took_s >= FIRST_LINE_S:
        counted.append(f"{_time(took_s)} so far")
    return f"{told.doing} ({', '.join(counted)})" if counted and told.doing else told.doing


def _time(took_s: float) -> str:
    """Seconds as people say them.

    >>> _time(89), _time(600)
    ('89 s', '10 min')
    """
    return f"{took_s:.0f} s" if took_s < 90 else f"{took_s / 60:.0f} min"
