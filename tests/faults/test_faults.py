"""Whatever happens while a command writes, what was there stays or what comes is whole."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.faults.commands import (
    COMMANDS,
    SCENARIO,
    Command,
    call,
    contents,
    drafts,
    ended,
    full_output,
    lay_out,
    start,
)

Files = dict[str, str]


class Desk:
    """A folder in which a command has run before, and what it would leave there when run again.

    Attributes:
        old: files of the output as they are, of a run with another seed.
        new: files of the output after the command.
        takes_s: how long the command takes.
    """

    def __init__(self, folder: Path, command: Command) -> None:
        self.folder, self.command, self.out = folder, command, folder / command.out
        lay_out(folder)
        if "one" in command.arguments:
            for name, seed in (("one", "1"), ("two", "2")):
                assert (
                    call(
                        ("run", "s.yaml", "--out", name, "--no-figures", "--set", "capacity=false", "--seed", seed),
                        folder,
                    )
                    == 0
                )
        self.out.mkdir()
        if "new" not in command.arguments:
            self.reseed(2)
            assert call(command.arguments, folder) == 0, (folder / "said").read_text()
        self.kept = folder.parent / "kept"
        shutil.copytree(self.out, self.kept)
        self.old = contents(self.out)
        self.reseed(1)
        started = time.monotonic()
        assert call(command.arguments, folder) == 0, (folder / "said").read_text()
        self.takes_s = time.monotonic() - started
        self.new = contents(self.out)
        self.reset()

    def reseed(self, seed: int) -> None:
        """Change what the command reads."""
        (self.folder / "s.yaml").write_text(f"seed: {seed}\n{SCENARIO}")
        if "one" in self.command.arguments and seed == 2:
            (self.folder / "two" / "summary.csv").write_text((self.folder / "one" / "summary.csv").read_text())
        rows = self.folder / "rows.csv"
        rows.write_text(rows.read_text().replace("7.5", "7.6") if seed == 2 else rows.read_text().replace("7.6", "7.5"))

    def reset(self) -> None:
        """Put back what was there before the command, without what is kept between runs."""
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.copytree(self.kept, self.out)
        shutil.rmtree(self.folder / "reports", ignore_errors=True)
        shutil.rmtree(self.folder / "o.points", ignore_errors=True)
        assert drafts(self.folder) == []

    def is_sound(self) -> bool:
        """Whether every file is the old one or the new one, and all of them together where the folder is exchanged."""
        found = contents(self.out)
        if self.command.is_whole:
            return found in (self.old, self.new)
        nothing_lost = self.old.keys() <= found.keys()
        return nothing_lost and all(
            digest in (self.old.get(name), self.new.get(name)) for name, digest in found.items()
        )


SLOW = ("capacity", "run with pictures")
DESKS = {name: pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in COMMANDS}


@pytest.fixture(scope="module", params=DESKS.values())
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("faults") / "desk"
    folder.mkdir()
    return Desk(folder, COMMANDS[request.param])


@pytest.fixture(params=["some", pytest.param("many", marks=pytest.mark.slow)])
def steps(request: pytest.FixtureRequest) -> tuple[int, ...]:
    """Of the calls that change the disk or open a file, those before which something happens."""
    return (2, 7, 20) if request.param == "some" else (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 60)


def at_call(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """A tamperer: just before the n-th of all calls that change the disk, do something."""

    def tamper() -> None:
        left = [number]

        def watched(original: Callable[..., Any]) -> Callable[..., Any]:
            def instead(*given: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    act()
                return original(*given, **named)

            return instead

        for name in ("fsync", "replace", "rename", "link", "mkdir"):
            setattr(os, name, watched(getattr(os, name)))
        import io
        import pathlib

        pathlib.Path.write_bytes = watched(pathlib.Path.write_bytes)
        pathlib.Path.open = watched(pathlib.Path.open)
        io.open = watched(io.open)

    return tamper


def fail_with(number: int) -> Callable[[], None]:
    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_disk_that_is_full_or_read_only_at_any_step_loses_nothing(desk: Desk, steps: tuple[int, ...]) -> None:
    survived = 0
    for number in steps:
        why = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT)[number % 4]
        status = call(desk.command.arguments, desk.folder, at_call(number, fail_with(why)))
        said = (desk.folder / "said").read_text()
        assert "Traceback" not in said
        assert status in (0, 2, 74), (number, said)
        assert status == 0 or os.strerror(why) in said, said
        assert desk.is_sound(), (number, said)
        survived += status != 0
        shutil.rmtree(desk.folder / "reports", ignore_errors=True)
        desk.reset()
    assert survived


def test_a_kill_at_any_step_loses_nothing_and_leaves_nothing_for_good(desk: Desk, steps: tuple[int, ...]) -> None:
    killed = 0
    for number in steps:
        status = call(desk.command.arguments, desk.folder, at_call(number, kill))
        killed += status == -signal.SIGKILL
        assert desk.is_sound(), number
        again(desk)
    assert killed


def test_ctrl_c_at_any_step_is_a_clean_stop(desk: Desk, steps: tuple[int, ...]) -> None:
    stopped = 0
    for number in steps:
        status = call(desk.command.arguments, desk.folder, at_call(number, interrupt))
        said = (desk.folder / "said").read_text()
        assert status in (0, 130), said
        assert status == 0 or said.endswith("interrupted\n"), said
        assert "Traceback" not in said
        assert desk.is_sound()
        assert drafts(desk.folder) == []
        stopped += status == 130
        desk.reset()
    assert stopped


def again(desk: Desk) -> None:
    """The next run ends well and clears away what the last one left."""
    if "new" in desk.command.arguments and (desk.out / "new.yaml").exists():
        (desk.out / "new.yaml").unlink()
    assert call(desk.command.arguments, desk.folder) == 0, (desk.folder / "said").read_text()
    assert contents(desk.out) == desk.new
    shutil.rmtree(desk.folder / "reports", ignore_errors=True)
    desk.reset()


def at_random_times(desk: Desk, times: int, number: int) -> int:
    draw = random.Random(1)
    hit = 0
    for _ in range(times):
        child = start(desk.command.arguments, desk.folder)
        time.sleep(draw.uniform(0, 1.1 * desk.takes_s))
        os.kill(child, number)
        status = ended(child)
        assert status in (0, 130, -signal.SIGKILL), (desk.folder / "said").read_text()
        assert "Traceback" not in (desk.folder / "said").read_text()
        assert desk.is_sound()
        hit += status != 0
        if number == signal.SIGKILL:
            again(desk)
        else:
            assert drafts(desk.folder) == []
            desk.reset()
    return hit


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_or_interrupted_at_random_times(desk: Desk, number: int) -> None:
    times = 40 if desk.takes_s < 1.5 else 15
    assert at_random_times(desk, times, number) >= times // 4


@pytest.mark.parametrize("desk", [desk for name, desk in DESKS.items() if name != "new"], indirect=True)
def test_two_at_once_into_one_folder_leave_one_whole(desk: Desk) -> None:
    """Of two that write a new file one is refused."""
    children = [start(desk.command.arguments, desk.folder) for _ in range(3)]
    while children:
        assert not desk.command.is_whole or (desk.out / "manifest.json").is_file()  # there is always a report
        children = [child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0]
    assert contents(desk.out) == desk.new, (desk.folder / "said").read_text()
    assert drafts(desk.folder) == []


def test_files_that_may_not_grow_are_a_full_disk(desk: Desk) -> None:
    for most_bytes in (0, 1000):

        def tamper(most_bytes: int = most_bytes) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

        os.truncate(desk.folder / "said", 0)
        status = call(desk.command.arguments, desk.folder, tamper)
        assert status in (2, 74), status
        assert desk.is_sound()
        assert drafts(desk.folder) == []
        desk.reset()


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own, with options."""
    place = tmp_path / "small"
    place.mkdir()

    def mount(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True)
        if done.returncode:
            pytest.skip("needs the right to mount a file system")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True)


def moved_to(place: Path, command: Command) -> tuple[str, ...]:
    """The command's line with its output in another place."""
    if command.arguments[0] == "new":
        return ("new", str(place / "new.yaml"))
    return tuple(str(place / part) if part.split("/")[0] == "o" else part for part in command.arguments)


def fill(path: Path) -> None:
    """Write to a file until the disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_real_disk_that_is_full(tmp_path: Path, tmpfs: Callable[[str], Path]) -> None:
    place = tmpfs("size=40k")
    lay_out(tmp_path)
    (place / "full").mkdir()
    (place / "full" / "filler").write_bytes(b"x" * 30_000)
    for name, command in COMMANDS.items():
        if name == "compare":
            continue
        given = moved_to(place, command)
        before = contents(place)
        fill(place / "rest")
        assert call(given, tmp_path) == 2, name
        assert "No space left on device" in (tmp_path / "said").read_text(), name
        (place / "rest").unlink()
        assert contents(place) == before, name
        assert drafts(place) == [], name


def test_a_real_folder_that_is_read_only(tmp_path: Path, tmpfs: Callable[[str], Path]) -> None:
    place = tmpfs("size=1m,ro")
    lay_out(tmp_path)
    for name, command in COMMANDS.items():
        if name == "compare":
            continue
        given = moved_to(place, command)
        assert call(given, tmp_path) == 2, name
        assert "Read-only file system" in (tmp_path / "said").read_text(), name


def test_an_output_that_nobody_can_take_is_said(tmp_path: Path) -> None:
    lay_out(tmp_path)
    for arguments in (("catalog",), ("schema",), ("run", "s.yaml", "--dry-run")):
        assert call(arguments, tmp_path, full_output) == 74
        said = "infermodel failed: standard output cannot be written: No space left on device\n"
        assert (tmp_path / "said").read_text() == said
