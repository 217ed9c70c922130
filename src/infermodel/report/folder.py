"""A folder that appears whole or not at all: written beside its place, synced, exchanged for the old one at once."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EEXIST, ENOENT, ENOTEMPTY
from pathlib import Path
from secrets import token_hex

from infermodel import __version__
from infermodel.errors import InputError
from infermodel.files import safe_name

MARK = "manifest.json"
"""File by which a folder is known to be a report, and so may be replaced."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class NotAReport(InputError, ValueError):
    """There is something else in the place of the report; it is left alone."""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder to write to; when the block ends well it takes the place of `target`, otherwise it goes.

    Whoever looks at `target` sees the old report or the new one, whole, at any moment; of two that write at once the
    later wins whole. What killed runs left behind beside `target` is removed.

    Args:
        target: does not exist, is empty, or is a report.

    Raises:
        NotAReport: `target` is something else.
        OSError: no room, no right to write.
    """
    place = check_place(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    _clean(place)
    draft, lock = _draft(place)
    try:
        yield draft
        _sync(draft)
        _take_place(draft, place)
        _sync_folder(place.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def write_folder(target: Path, contents: Mapping[str, str | bytes], command: Sequence[str]) -> None:
    """A folder of these files and a manifest with their checksums, whole or not at all.

    Args:
        target: does not exist, is empty, or is a report, which it replaces.
        contents: of each file by name. Text is UTF-8; what cannot be encoded (lone surrogates) is replaced.
        command: that was typed, for the manifest.

    Raises:
        NotAReport: `target` is something else.
        OSError: no room, no right to write.
    """
    encoded = {
        name: content.encode("utf-8", errors="replace") if isinstance(content, str) else content
        for name, content in contents.items()
    }
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(encoded.items())}
    stated = {"infermodel": __version__, "command": list(command), "sha256": checksums}
    manifest = json.dumps(stated, indent=2, ensure_ascii=False) + "\n"
    with replacing(target) as draft:
        for name, content in encoded.items():
            (draft / name).write_bytes(content)
        (draft / MARK).write_bytes(manifest.encode("utf-8", errors="replace"))


def check_place(target: Path) -> Path:
    """Where a report at `target` would go, links followed.

    Raises:
        NotAReport: something else is there.
    """
    place = Path(os.path.realpath(os.path.expanduser(target)))  # Path.resolve raises RuntimeError for a loop of links
    if place.exists() and not place.is_dir():
        raise NotAReport(f"{target} is a file: give the name of a folder")
    if place.is_dir() and not (place / MARK).is_file() and any(place.iterdir()):
        raise NotAReport(f"{target} holds files that are no report (it has no {MARK}): give another folder")
    return place


def _drafts_of(place: Path) -> str:
    """How the names of all drafts of a place begin."""
    return f".{safe_name(place.name, 60)}.draft-"


def _draft(place: Path) -> tuple[Path, int]:
    """A new folder beside `place`, and a lock on it that tells others that its writer lives."""
    while True:
        draft = place.parent / f"{_drafts_of(place)}{os.getpid()}-{token_hex(4)}"
        draft.mkdir()
        try:
            lock = os.open(draft, os.O_RDONLY)
        except FileNotFoundError:
            continue  # taken for a leftover, before it could be opened
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if draft.is_dir() and os.fstat(lock).st_ino == draft.stat().st_ino:
                return draft, lock
        os.close(lock)  # someone took it for a leftover between mkdir and the lock


def _clean(place: Path) -> None:
    """Remove the drafts whose writers are dead."""
    for leftover in place.parent.glob(_drafts_of(place).replace("[", "[[]") + "*"):
        with suppress(OSError):
            lock = os.open(leftover, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(lock)


def _sync(folder: Path) -> None:
    """Everything of a folder on disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_place(draft: Path, place: Path) -> None:
    """Put the draft in its place; what was there before ends up under the draft's name."""
    while True:
        try:
            os.rename(draft, place)  # nothing there, or an empty folder
            return
        except OSError as error:
            if error.errno not in (EEXIST, ENOTEMPTY):
                raise
        check_place(place)
        try:
            _exchange(draft, place)
            return
        except FileNotFoundError:
            continue  # somebody moved it meanwhile


def _exchange(one: Path, other: Path) -> None:
    """Swap two folders: in one step where the system can, else in two renames.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    if sys.platform == "linux":
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if rename is not None:
            if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
                return
            error = ctypes.get_errno()
            if error == ENOENT:
                raise FileNotFoundError(error, os.strerror(error), str(other))
    aside = one.with_name(one.name + "-old")
    os.rename(other, aside)
    try:
        os.rename(one, other)
    except OSError:
        os.rename(aside, other)
        raise
    os.rename(aside, one)
