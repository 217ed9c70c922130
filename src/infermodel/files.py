"""Files that are never seen half written; names that are safe as parts of paths and as cells of tables."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

FORMULA_STARTS = ("=", "+", "-", "@", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection)."""

LONGEST_TEXT = 50_000_000
"""Bytes of a file that is read whole."""

_SEALED, _CONTENT = '{"sha256": "', '", "content": '


def open_plain(path: Path) -> BinaryIO:
    """A file to read. What is no file is refused at once: a pipe would be waited for, and a device has no end.

    Raises:
        OSError: no such file, no right to read it, or a pipe, device, socket or folder.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "is a pipe or a device, not a file", str(path))


def read_plain(path: Path, longest: int = LONGEST_TEXT) -> str:
    """The text of a file.

    Raises:
        OSError: as `open_plain`, or it has more than `longest` bytes.
        UnicodeDecodeError: it is no UTF-8.
    """
    with open_plain(path) as file:
        content = file.read(longest + 1)
    if len(content) > longest:
        raise OSError(errno.EFBIG, f"is larger than {longest // 1_000_000} MB", str(path))
    return content.decode("utf-8")


def keep(path: Path, content: Any) -> None:
    """Write plain values as JSON, whole, with a digest over them and the file's name.

    Raises:
        OSError: no room, no right to write.
    """
    body = json.dumps(content)
    write_whole(path, f"{_SEALED}{_seal(path, body)}{_CONTENT}{body}}}\n")


def kept(path: Path) -> Any | None:
    """What `keep` wrote; None where there is nothing, or anything that it did not write so: what is damaged, changed by
    hand or of another name is to be found anew, never trusted.
    """
    try:
        text = read_plain(path)
    except (OSError, ValueError):
        return None
    begin = len(_SEALED) + 64 + len(_CONTENT)
    body = text[begin:-2]
    whole = f"{_SEALED}{_seal(path, body)}{_CONTENT}{body}}}\n"
    return json.loads(body) if text == whole else None


def _seal(path: Path, body: str) -> str:
    return hashlib.sha256(f"{path.name}\n{body}".encode()).hexdigest()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file beside its place, on disk, and then move it there; folders are made.

    Raises:
        OSError: no room, no right to write.
    """
    write_all_whole(path.parent, {path.name: content})


def write_all_whole(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Write several files; none takes its place before all are on disk.

    Args:
        folder: made where it is not there.
        contents: of each file by name. Text is UTF-8; what cannot be encoded (lone surrogates) is replaced.

    Raises:
        OSError: no room, no right to write; then nothing has changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in contents:
        if (folder / name).is_dir():
            raise IsADirectoryError(21, "is a folder", str(folder / name))
    with ExitStack() as stack:
        drafts = {name: stack.enter_context(_draft(folder, name, content)) for name, content in contents.items()}
        for name, draft in drafts.items():
            os.replace(draft, folder / name)


def write_new(path: Path, content: str) -> None:
    """Write a file where there is none.

    Raises:
        FileExistsError: something is there; it is left alone.
        OSError: no room, no right to write.
    """
    with _draft(path.parent, path.name, content) as draft:
        os.link(draft, path)


@contextmanager
def _draft(folder: Path, name: str, content: str | bytes) -> Iterator[Path]:
    """A file beside its place, on disk, gone at the end of the block unless it was moved.

    Its lock tells others that its writer lives; the drafts that killed writers left are removed.
    """
    begins = f".{safe_name(name, 60)}.draft-"
    for leftover in folder.glob(begins.replace("[", "[[]") + "*"):
        with suppress(OSError), open_plain(leftover) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()
    draft = folder / f"{begins}{os.getpid()}-{token_hex(4)}"
    with draft.open("xb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(content.encode("utf-8", errors="replace") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
            yield draft
        finally:
            draft.unlink(missing_ok=True)


def safe_name(name: str, longest: int = 80) -> str:
    """A name as part of a path: letters and digits of any script, dots, dashes, underscores; never empty or hidden.

    >>> safe_name("../a b/c"), safe_name("CS-3 8B"), safe_name("...")
    ('a_b_c', 'CS-3_8B', 'unnamed')
    """
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    while len(kept.encode()) > longest:
        kept = kept[:-1]
    return kept.strip("._") or "unnamed"


def harmless(text: str) -> str:
    """Text on one line that starts no formula: an apostrophe goes before one that would, control characters go.

    >>> harmless("CS-3 8B"), harmless("@SUM(A1)"), harmless("\\n=1")
    ('CS-3 8B', "'@SUM(A1)", "' =1")
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    return "'" + line if line.lstrip().startswith(FORMULA_STARTS) else line
