"""What is being done, said on stderr while it is; silent where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infermodel.answers.answer import OnProgress, Progress, silent


@contextmanager
def progress(doing: str = "", *, quiet: bool) -> Iterator[OnProgress]:
    """A spinner with the words of the latest `Progress`, and how far it is where that is counted.

    Args:
        doing: words to start with.
        quiet: whether to say nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(doing)) as status:
        yield lambda told: status.update(escape(words(told)))


def words(told: Progress) -> str:
    """A line for a spinner.

    >>> words(Progress("writing report.html")), words(Progress("simulating a.yaml", 1, 4))
    ('writing report.html', 'simulating a.yaml (1 of 4)')
    """
    return f"{told.doing} ({told.done} of {told.total})" if told.total > 1 else told.doing


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[OnProgress]:
    """A bar with the time left, for what is counted from its start."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("points"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("points", total=None)
        yield lambda told: bar.update(task, completed=told.done, total=told.total)
