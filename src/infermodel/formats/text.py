"""Lines of a text file, plain or gzip, and the error that points at a place in one."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from infermodel.errors import InputError
from infermodel.files import open_plain

SHOWN = 100  # characters of a broken line that a message quotes
LONGEST_LINE = 1_000_000  # bytes; a longer one is no line of a log, and its cells would fill the memory
MOST_BLANK = 10_000  # blank lines in a row; nobody leaves more, and a bomb is made of them
UNPACKED_FREELY, MOST_UNPACKED = 16_000_000, 200
"""Gzip data of more bytes than the first may not be larger than the second times what they were unpacked from: logs are
five to thirty times larger, a thousand times is a bomb."""


class FormatError(InputError, ValueError):
    """A file is not what its format says.

    Attributes:
        path: the file.
        line: number of the line from 1; 0 where the file as a whole is wrong.
        column: first character of the broken part from 1; 0 where the whole line is meant.
        problem: what is wrong and what was expected.
    """

    def __init__(
        self, path: Path, problem: str, *, line: int = 0, column: int = 0, text: str = "", width: int = 1
    ) -> None:
        place = ":".join(str(part) for part in (path, line, column) if part)
        super().__init__(f"{place}: {problem}{_quoted(line, column, text, width)}")
        self.path, self.line, self.column, self.problem = path, line, column, problem


def _quoted(line: int, column: int, text: str, width: int) -> str:
    """The broken line with carets under the broken part, cut to what fits a terminal."""
    if not text or not line:
        return ""
    begin = max(0, column - SHOWN // 2) if len(text) > SHOWN else 0
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[begin : begin + SHOWN])
    quoted = f"\n{line:8} | {shown}"
    if column:
        carets = "^" * max(1, min(width, begin + SHOWN - column + 1))
        quoted += f"\n{'':8} | {' ' * (column - 1 - begin)}{carets}"
    return quoted


def shortened(value: str) -> str:
    """A value as a message quotes it.

    >>> shortened("12x"), shortened(""), len(shortened("9" * 5000))
    ("'12x'", 'nothing', 42)
    """
    return repr(value if len(value) <= 40 else value[:36] + " ...") if value else "nothing"


def read_lines(path: Path, longest: int = LONGEST_LINE) -> Iterator[str]:
    """The lines of a UTF-8 file without their ends; gzip is recognised by its content, a byte order mark is skipped.

    Raises:
        FormatError: the file cannot be read, is not UTF-8, its gzip data is damaged or a bomb, a line has more than
            `longest` bytes, or thousands of lines in a row are blank.
    """
    number = unpacked = blank = 0
    try:
        with open_plain(path) as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            lines: IO[bytes] = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
            for number, line in enumerate(iter(lambda: lines.readline(longest + 1), b""), start=1):
                if len(line) > longest:
                    raise FormatError(path, f"expected lines of at most {longest:,} bytes", line=number, column=1)
                unpacked += len(line)
                if packed and unpacked > UNPACKED_FREELY and unpacked > MOST_UNPACKED * raw.tell():
                    raise FormatError(path, f"unpacks to more than {MOST_UNPACKED} times its size", line=number)
                blank = 0 if line.strip() else blank + 1
                if blank > MOST_BLANK:
                    raise FormatError(path, f"more than {MOST_BLANK:,} blank lines in a row", line=number, column=1)
                body = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                yield body.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"expected UTF-8 text, found byte 0x{error.object[error.start]:02x}"
        raise FormatError(path, problem, line=number, column=error.start + 1) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(path, f"damaged gzip data after line {number}: {error}") from None
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror or error}") from error
