"""Standard output and error as a command writes to them: it never fails halfway because of who reads."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, TextIOWrapper, UnsupportedOperation
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Output(FileIO):
    """A descriptor that takes everything: once its reader is gone or its disk full, what is written is dropped, so that
    a report is still written when the answer on the console is not read to its end.

    Attributes:
        failed: the first error; None where all was written.
    """

    failed: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        """Write, or drop after a failure."""
        if self.failed is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failed = error
        return len(memoryview(data))

    @property
    def lost(self) -> str:
        """Why something was not written; empty where all was, or where the reader did not want more."""
        if self.failed is None or self.failed.errno == errno.EPIPE:
            return ""
        return f"standard output cannot be written: {self.failed.strerror}"


@contextmanager
def outputs() -> Iterator[Output | None]:
    """Put both streams behind an `Output` for the block; gives that of standard output, None where a test reads it.

    A descriptor that the caller closed is opened on nothing first: else the next file would get its number, and what
    anybody prints would end in that file.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    before = sys.stdout, sys.stderr
    guarded = [_guarded(stream, descriptor) for stream, descriptor in zip(before, (1, 2), strict=True)]
    sys.stdout, sys.stderr = (old if new is None else new for old, new in zip(before, guarded, strict=True))
    try:
        yield None if guarded[0] is None else _raw(guarded[0])
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


def _guarded(stream: TextIO | None, descriptor: int) -> TextIOWrapper | None:
    """A text stream on the stream's descriptor that cannot fail; None where it has none."""
    try:
        number = descriptor if stream is None else stream.fileno()
    except (UnsupportedOperation, AttributeError, ValueError):
        return None
    raw = Output(number, "w", closefd=False)
    encoding = "utf-8" if stream is None else stream.encoding
    buffered = BufferedWriter(raw)
    # Names in any script, on any terminal.
    return TextIOWrapper(buffered, encoding, "backslashreplace", line_buffering=raw.isatty() or descriptor == 2)


def _raw(stream: TextIOWrapper) -> Output:
    assert isinstance(stream.buffer, BufferedWriter)
    assert isinstance(stream.buffer.raw, Output)
    return stream.buffer.raw
