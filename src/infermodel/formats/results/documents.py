"""JSON files of any shape: one value, several after each other or one a line, each knowing its place for messages."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.text import FormatError, read_lines, shortened

LONGEST_RESULT = 1_000_000_000  # bytes; all gaps of a run stand on one line
MOST = 1e19
"""Beyond any time of a benchmark, nanoseconds since 1970 included."""

_NO_SPACE = re.compile(r"\S")


@dataclass(frozen=True)
class Entry:
    """A JSON object, or one within it, and where it stands.

    Attributes:
        path: the file.
        text: of the whole file.
        begin: where the outermost value starts in it.
        values: the object's.
        inside: the keys that lead here, each with a dot after it.
    """

    path: Path
    text: str
    begin: int
    values: dict[str, Any]
    inside: str = ""

    def wrong(self, key: str, expected: str) -> FormatError:
        """The error for a key whose value is not what was expected."""
        name = f"{self.inside}{key}"
        if key not in self.values:
            return at(self.path, self.text, self.begin, f"{name}: expected {expected}; the key is missing")
        try:
            got = shortened(json.dumps(self.values[key]))
        except RecursionError:
            got = "something deeply nested"
        place = self.text.find(f'"{key}"', self.begin)
        return at(self.path, self.text, max(place, 0), f"{name}: expected {expected}, got {got}", len(key) + 2)

    def has(self, key: str) -> bool:
        """Whether there is something under a key."""
        return self.values.get(key) is not None

    def within(self, *keys: str) -> Entry:
        """The object under these keys, one within the other; an empty one where there is none."""
        found = self
        for key in keys:
            value = found.values.get(key)
            inner = value if isinstance(value, dict) else {}
            found = Entry(self.path, self.text, self.begin, inner, f"{found.inside}{key}.")
        return found

    def entries(self, key: str) -> tuple[Entry, ...]:
        """The objects of a list; none where there is no list."""
        value = self.values.get(key)
        inner = value if isinstance(value, list) else []
        if not all(isinstance(each, dict) for each in inner):
            raise self.wrong(key, "a list of JSON objects")
        return tuple(Entry(self.path, self.text, self.begin, each, f"{self.inside}{key}.") for each in inner)

    def word(self, key: str) -> str:
        """A text; empty where there is none."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str, otherwise: float | None = None) -> float:
        """A number, 0 or more; `otherwise` where the key is absent or null."""
        value = self.values.get(key)
        if value is None and otherwise is not None:
            return otherwise
        if not is_number(value):
            raise self.wrong(key, "a number, 0 or more")
        return float(value)

    def rate(self, key: str) -> float:
        """A rate of sending, infinite where there is none or the file says so."""
        value = self.values.get(key)
        return math.inf if value is None or value in ("inf", math.inf) else self.number(key)

    def count(self, key: str, otherwise: int | None = None) -> int:
        """A whole number, 0 or more."""
        value = self.number(key, otherwise)
        if value > 2**53 or value != int(value):
            raise self.wrong(key, "a whole number, 0 or more")
        return int(value)

    def numbers(self, key: str, length: int) -> NDArray[np.float64]:
        """As many numbers, 0 or more, as there are requests."""
        value = self.values.get(key)
        if not isinstance(value, list) or len(value) != length or not all(map(is_number, value)):
            raise self.wrong(key, f"a list of {length} numbers, 0 or more")
        return np.array(value, dtype=np.float64)

    def lists_of_numbers(self, key: str, length: int) -> tuple[NDArray[np.float64], ...]:
        """A list of numbers, 0 or more, for each request."""
        value = self.values.get(key)
        if not isinstance(value, list) or len(value) != length:
            raise self.wrong(key, f"a list of {length} lists of seconds")
        if not all(isinstance(one, list) and all(map(is_number, one)) for one in value):
            raise self.wrong(key, f"a list of {length} lists of seconds, 0 or more")
        return tuple(np.array(one, dtype=np.float64) for one in value)

    def figures(self, names: dict[str, str], seconds: float) -> dict[str, float]:
        """Those figures of this object that are there, under our names, in seconds.

        Args:
            names: the tool's to ours.
            seconds: that one unit of the file has.
        """
        there = {ours: self.values.get(theirs) for theirs, ours in names.items()}
        return {ours: float(value) * seconds for ours, value in there.items() if is_number(value)}


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a time or a count: a number from 0 on, no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST


def whole_text(path: Path) -> str:
    """All of a text file, packed or not.

    Raises:
        FormatError: it cannot be read.
    """
    return "\n".join(read_lines(path, LONGEST_RESULT))


def values(path: Path, text: str, expected: str) -> Iterator[tuple[int, Any]]:
    """The JSON values that stand after each other, each with its place.

    Args:
        expected: what the file should hold, for the message.

    Raises:
        FormatError: with line and column of what is broken.
    """
    decoder, end = json.JSONDecoder(), 0
    while found := _NO_SPACE.search(text, end):
        begin = found.start()
        try:
            value, end = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            raise at(path, text, error.pos, f"expected {expected}: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise at(path, text, begin, f"expected {expected}: {error}") from None
        yield begin, value


def objects(path: Path, expected: str) -> tuple[Entry, ...]:
    """The JSON objects of a file: one or several after each other, or those of one list.

    Raises:
        FormatError: it holds anything else, or nothing.
    """
    text = whole_text(path)
    found = list(values(path, text, expected))
    if len(found) == 1 and isinstance(found[0][1], list) and found[0][1]:
        found = [(found[0][0], each) for each in found[0][1]]
    for begin, value in found:
        if not isinstance(value, dict):
            raise at(path, text, begin, f"expected {expected}")
    if not found:
        raise FormatError(path, f"expected {expected}; the file is empty")
    return tuple(Entry(path, text, begin, value) for begin, value in found)


def numbered(path: Path, expected: str) -> list[tuple[Entry, str]]:
    """Objects of a file as `objects` has them, each with its number where there are several.

    Raises:
        FormatError: as of `objects`.
    """
    found = objects(path, expected)
    return [(entry, str(number) if len(found) > 1 else "") for number, entry in enumerate(found)]


def at(path: Path, text: str, place: int, problem: str, width: int = 1) -> FormatError:
    """The error for a place in a text of several lines."""
    line = text.count("\n", 0, place) + 1
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    whole = text[start : end if end >= 0 else len(text)]
    return FormatError(path, problem, line=line, column=place - start + 1, text=whole, width=width)


def beside(path: Path, name: str) -> Path | None:
    """A file of this name in the same folder, packed or not; None where there is none."""
    for place in (path.with_name(name), path.with_name(f"{name}.gz")):
        if place.is_file():
            return place
    return None


def bare_name(path: Path) -> str:
    """A file's name without `.gz`.

    >>> bare_name(Path("a/run.json.gz"))
    'run.json'
    """
    return path.name.removesuffix(".gz")
