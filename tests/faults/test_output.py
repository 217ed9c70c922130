"""Whoever reads what a command prints may go away or never have been there: what was asked for is done anyway."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.commands import call, full_output, lay_out

RUN = ("run", "s.yaml", "--out", "o", "--no-figures", "--jobs", "1", "--set", "capacity=false")


def closed(*descriptors: int) -> Callable[[], None]:
    """A tamperer that closes descriptors, as `>&-` does."""

    def close() -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    return close


def unread() -> None:
    """A tamperer that sends the output to a pipe whose reader has gone, as `head` does."""
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


@pytest.mark.parametrize("descriptors", [(1,), (2,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("arguments", [("schema",), ("catalog",), ("--help",), ("--version",), ("new", "o/new.yaml")])
def test_closed_streams_are_no_fault(tmp_path: Path, arguments: tuple[str, ...], descriptors: tuple[int, ...]) -> None:
    (tmp_path / "o").mkdir()
    assert call(arguments, tmp_path, closed(*descriptors)) == 0
    if arguments[0] == "new":  # no line of the console went into the file that took the number of a closed stream
        assert "written; try" not in (tmp_path / "o/new.yaml").read_text()


@pytest.mark.parametrize("tamper", [closed(1), closed(1, 2), unread])
def test_a_report_is_written_whoever_reads_the_answer(tmp_path: Path, tamper: Callable[[], None]) -> None:
    lay_out(tmp_path)
    assert call(RUN, tmp_path, tamper) == 0
    assert (tmp_path / "o/report.html").read_text().rstrip().endswith("</html>")


def test_bad_input_keeps_its_status_without_streams(tmp_path: Path) -> None:
    assert call(("run", "nowhere.yaml"), tmp_path, closed(1, 2)) == 2


def test_a_report_is_written_though_the_console_is_full(tmp_path: Path) -> None:
    lay_out(tmp_path)
    assert call(RUN, tmp_path, full_output) == 74
    assert (tmp_path / "said").read_text() == (
        "infermodel failed: standard output cannot be written: No space left on device\n"
    )
    assert (tmp_path / "o/report.html").exists()
