from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from infermodel.files import safe_name
from infermodel.report.folder import MARK, NotAReport, _exchange, replacing, write_folder


def fill(folder: Path, text: str) -> None:
    for name in ("a.txt", MARK):
        (folder / name).write_text(text)


def read(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.iterdir()}


def test_a_report_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report"
    with replacing(target) as draft:
        fill(draft, "one")
        assert not target.exists()
    assert read(target) == {"one"}
    assert os.listdir(target.parent) == ["report"]


def test_an_old_report_is_replaced_whole_and_what_was_in_it_is_gone(tmp_path: Path) -> None:
    target = tmp_path / "report"
    with replacing(target) as draft:
        fill(draft, "old")
        (draft / "extra.txt").write_text("old")
    with replacing(target) as draft:
        fill(draft, "new")
        assert read(target) == {"old"}
    assert read(target) == {"new"}
    assert os.listdir(tmp_path) == ["report"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "report"
    with replacing(target) as draft:
        fill(draft, "old")
    with pytest.raises(error), replacing(target) as draft:  # noqa: PT012  it fails after the first file
        fill(draft, "half")
        raise error
    assert read(target) == {"old"}
    assert os.listdir(tmp_path) == ["report"]


def test_nothing_but_a_report_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for place, said in (("home", "no report"), ("file", "is a file")):
        with pytest.raises(NotAReport, match=said), replacing(tmp_path / place):
            raise AssertionError("must not come here")
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"
    assert sorted(os.listdir(tmp_path)) == ["file", "home"]


def test_an_empty_folder_and_a_link_to_a_report_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for text in ("first", "second"):
        with replacing(tmp_path / "link") as draft:
            fill(draft, text)
        assert (tmp_path / "link").is_symlink()
        assert read(tmp_path / "real") == {text}


def test_a_folder_without_rights_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError), replacing(tmp_path / "report"):
        pass
    tmp_path.chmod(0o700)
    assert os.listdir(tmp_path) == []


WRITER = """
import sys, time
from pathlib import Path
from typing import Any
from infermodel.report.folder import MARK, replacing
target, text, files, pause = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
with replacing(target) as draft:
    for number in range(files):
        (draft / f"{number}.txt").write_text(text)
        print(number, flush=True)
        time.sleep(pause)
    (draft / MARK).write_text(text)
"""


def writer(target: Path, text: str, files: int, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(target), text, str(files), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_loses_nothing_and_its_leftovers_go_next_time(tmp_path: Path) -> None:
    target = tmp_path / "report"
    with replacing(target) as draft:
        fill(draft, "old")
    victim = writer(target, "half", 1000, 0.01)
    assert victim.stdout is not None
    victim.stdout.readline()
    victim.kill()
    victim.wait()
    assert read(target) == {"old"}
    assert len(os.listdir(tmp_path)) == 2  # the report, and what the victim left
    with replacing(target) as draft:
        fill(draft, "new")
    assert read(target) == {"new"}
    assert os.listdir(tmp_path) == ["report"]


def test_a_living_writer_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    target = tmp_path / "report"
    with replacing(target) as slow:
        fill(slow, "slow")
        with replacing(target) as quick:
            fill(quick, "quick")
        assert read(target) == {"quick"}
        assert read(slow) == {"slow"}
    assert read(target) == {"slow"}
    assert os.listdir(tmp_path) == ["report"]


def test_of_two_that_write_at_once_one_wins_whole_at_any_moment(tmp_path: Path) -> None:
    target = tmp_path / "report"
    with replacing(target) as draft:
        fill(draft, "start")
    writers = [writer(target, text, 40, 0.002) for text in ("one", "two", "one", "two")]
    seen = set()
    while any(each.poll() is None for each in writers):
        seen.add((target / MARK).read_text())  # there is always a report
        time.sleep(0.001)
    assert all(each.wait() == 0 for each in writers)
    assert len(read(target)) == 1
    assert seen <= {"start", "one", "two"}
    assert os.listdir(tmp_path) == ["report"]


def test_where_the_system_cannot_exchange_two_renames_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infermodel.report.folder.sys.platform", "other")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MARK).write_text(name)
    _exchange(tmp_path / "one", tmp_path / "two")
    assert (read(tmp_path / "one"), read(tmp_path / "two")) == ({"two"}, {"one"})
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", ".hidden", "", "x" * 500, "\u4e2d\u6587" * 100, "nul\0", "a\nb"]
)
def test_safe_names_are_single_visible_path_parts(tmp_path: Path, name: str) -> None:
    safe = safe_name(name)
    (tmp_path / safe).mkdir()
    assert os.listdir(tmp_path) == [safe]
    assert not safe.startswith(".")


def test_a_folder_of_files_has_a_manifest_and_replaces_the_old_one_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", {"one.csv": "a,b\n", "two.png": b"\x89"}, ["infermodel", "plan"])
    write_folder(tmp_path / "out", {"one.csv": "\ud800\n"}, ["infermodel", "plan"])
    assert {path.name for path in tmp_path.rglob("*")} == {"out", "one.csv", MARK}
    assert (tmp_path / "out" / "one.csv").read_bytes() == b"?\n"
    stated = json.loads((tmp_path / "out" / MARK).read_text())
    assert stated["command"] == ["infermodel", "plan"]
    assert stated["sha256"] == {"one.csv": hashlib.sha256(b"?\n").hexdigest()}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    with pytest.raises(NotAReport):
        write_folder(tmp_path / "mine", {"one.csv": ""}, [])
    assert (tmp_path / "mine" / "notes").read_text() == "mine"


def test_a_draft_that_is_taken_for_a_leftover_before_it_is_opened_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, taken = os.open, []

    def open_after_a_cleaner(path: Any, *arguments: Any, **named: Any) -> int:
        if ".report.draft-" in str(path) and not taken:
            taken.append(path)
            Path(path).rmdir()
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", open_after_a_cleaner)
    with replacing(tmp_path / "report") as draft:
        fill(draft, "whole")
    assert taken
    assert (tmp_path / "report" / MARK).read_text() == "whole"
