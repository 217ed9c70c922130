"""The one kind of error that is a user's to mend: something that was given cannot be used."""

from __future__ import annotations


class InputError(Exception):
    """What was given cannot be used: a scenario, a file, a place for a report. The message says where and why.

    Attributes:
        line, column: of the first thing that is wrong, from 1; 0 where it stands on no line.
    """

    line: int = 0
    column: int = 0
