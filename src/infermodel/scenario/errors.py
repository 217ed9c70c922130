"""What is wrong with a scenario, said so that its author can mend it: place, offending line, suggestion."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from infermodel.errors import InputError

LONGEST_EXCERPT = 160
"""Characters of an offending line that are shown; a longer line is cut around the caret."""


class Mark(NamedTuple):
    """A place in a text: line and column from 1, and how many characters of that line are meant."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True)
class ScenarioError:
    """One thing that is wrong.

    Attributes:
        file: where it was read, or the override as typed (`--set seed=x`), which has no line.
        line, column: from 1; 0 where the error belongs to no line.
        path: of the key, dotted, `services.0.fleet.system`; empty for the whole file.
        message: what is wrong.
        suggestion: what to write instead; empty where nobody can guess.
        excerpt: the offending line and its caret, ready to print; empty where there is no line.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        said = f"{self.message}; {self.suggestion}" if self.suggestion else self.message
        head = printable(": ".join(part for part in (place, self.path, said) if part))
        return f"{head}\n{self.excerpt}" if self.excerpt else head


class ScenarioErrors(InputError):
    """All that is wrong with a scenario, in order of line."""

    def __init__(self, errors: Iterable[ScenarioError]) -> None:
        self.errors = tuple(
            sorted(set(errors), key=lambda error: (error.line, error.column, error.path, error.message))
        )
        super().__init__("\n".join(str(error) for error in self.errors))
        if self.errors:
            self.line, self.column = self.errors[0].line, self.errors[0].column


def printable(text: str) -> str:
    """The text with control characters written out, so that a scenario cannot drive the reader's terminal.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def named(value: object) -> str:
    """How a value of the tree is spoken of.

    >>> named([1]), named({}), named("x"), named(1.5), named(True)
    ('a list', 'a mapping', "'x'", '1.5', 'true')
    """
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}...{text[-1]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion for a misspelt word: what it begins, the nearest, else the list where it is short; may be empty.

    >>> did_you_mean("cs3", ["cs-3", "dgx-h100"])
    "did you mean 'cs-3'?"
    >>> did_you_mean("llama", ["vllm", "llama-3.1-8b", "llama-3.1-70b"])
    "did you mean 'llama-3.1-70b' or 'llama-3.1-8b'?"
    >>> did_you_mean("xyz", ["fcfs", "priority"])
    'one of fcfs, priority'
    """
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    begun = [name for key, name in folded.items() if key.startswith(f"{word.casefold()}-")]
    if begun and len(begun) <= 12:
        return f"did you mean {' or '.join(map(repr, begun))}?"
    near = difflib.get_close_matches(word.casefold()[:100], list(folded), n=1, cutoff=0.6)
    if near:
        return f"did you mean '{folded[near[0]]}'?"
    listed = ", ".join(names)
    return f"one of {listed}" if names and len(listed) <= 300 else ""


def typed(change: str) -> str:
    """An override as it was typed, cut where it fills the screen.

    >>> typed("seed=2")
    '--set seed=2'
    """
    return f"--set {change}" if len(change) <= 200 else f"--set {change[:199]}…"


def excerpt(line: str, mark: Mark) -> str:
    """The offending line with its number, and below it a caret for each character meant.

    >>> print(excerpt("  system: cs3", Mark(14, 11, 3)))
          14 |   system: cs3
             |           ^^^
    """
    start = min(mark.column - 1, len(line))
    length = max(1, min(mark.length, len(line) - start))
    first = max(0, start - LONGEST_EXCERPT // 2)
    last = first + LONGEST_EXCERPT
    before, meant = _shown(line[first:start]), _shown(line[start : min(start + length, last)])
    head, tail = "…" if first else "", "…" if last < len(line) else ""
    text = f"{mark.line:>8} | {head}{before}{meant}{_shown(line[start + length : last])}{tail}".rstrip()
    return f"{text}\n{'':>8} | {' ' * (text_width(before) + len(head))}{'^' * max(1, text_width(meant))}"


def _shown(text: str) -> str:
    return printable(text.replace("\t", " "))


def text_width(text: str) -> int:
    """Columns of a terminal: wide characters (Chinese, for one) take two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
