"""Requests drawn from ServeGen's rates and laws: as many as each client sent, when, and how long."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from infermodel.formats import servegen
from infermodel.formats.text import FormatError
from infermodel.workload.trace import recognised

ROWS = "0,0.5,1.0,Gamma,1.0,2.0\n600,0,0,,0,0\n1200,1.5,2.0,Weibull,0.54,0.4\n"
LENGTHS = (
    '{"0": {"input_tokens": "{100: 0.25, 300: 0.75}", "output_tokens": "{10: 1.0}"},'
    ' "600": {"input_tokens": "{7: 2.0}", "output_tokens": "{}"},'
    ' "1200": {"input_tokens": "{50: 1.0}", "output_tokens": "{20: 0.5, 40: 0.5}"}}'
)


def archive(folder: Path, **files: str) -> Path:
    path = folder / "service.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return path


def one_client(folder: Path, rows: str = ROWS, lengths: str = LENGTHS) -> Path:
    return archive(folder, **{"data/r/chunk-0-trace.csv": rows, "data/r/chunk-0-dataset.json": lengths})


def test_each_window_has_as_many_as_were_sent(tmp_path: Path) -> None:
    path = one_client(tmp_path)
    assert recognised(path) == "servegen"
    log = servegen.read(path)
    early, late = log.arrived_at_s < 600, log.arrived_at_s >= 1200
    assert (early.sum(), late.sum(), len(log)) == (300, 900, 1200)  # 0.5 and 1.5 a second for 600 s
    assert log.arrived_at_s.max() < 1800
    assert set(log.prompt_tokens[early].tolist()) == {100, 300}
    assert log.prompt_tokens[early].mean() == pytest.approx(250, rel=0.05)  # 0.25 x 100 + 0.75 x 300
    assert set(log.output_tokens[early].tolist()) == {10}
    # From 600 s on nobody knows how long answers are, so that time has no shares of its own.
    assert set(log.prompt_tokens[late].tolist()) == {50}
    assert set(log.output_tokens[late].tolist()) == {20, 40}
    assert log.notes[0] == "service.tar.gz: drawn from rates and laws of 1 clients with seed 0; holds no requests"


def test_gaps_are_of_the_law_that_was_fitted(tmp_path: Path) -> None:
    # Shapes of 4 and, for Weibull, 1: deviations of a half and of the whole of a mean gap.
    rows = "0,20,0.5,Gamma,4.0,0.0125\n600,20,1,Weibull,1.0,0.05\n"
    log = servegen.read(one_client(tmp_path, rows))
    for begin, cv in ((0, 0.5), (600, 1.0)):
        gaps = np.diff(log.arrived_at_s[(log.arrived_at_s >= begin) & (log.arrived_at_s < begin + 600)])
        assert gaps.mean() == pytest.approx(0.05, rel=0.01)
        assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)


def test_the_same_archive_is_the_same_requests(tmp_path: Path) -> None:
    one, other = (servegen.read(one_client(tmp_path)) for _ in range(2))
    assert (one.arrived_at_s == other.arrived_at_s).all()
    assert (one.prompt_tokens == other.prompt_tokens).all()


def with_lengths(rows: str, lengths: str = LENGTHS) -> dict[str, str]:
    return {"a/chunk-0-trace.csv": rows, "a/chunk-0-dataset.json": lengths}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a/chunk-0-trace.csv": ROWS}, r"a/chunk-0-trace\.csv has no dataset\.json beside it"),
        ({"a/chunk-0-trace.csv": ROWS, "b/chunk-0-dataset.json": LENGTHS}, r"has 2 services \(a, b\)"),
        ({"a/notes.txt": "none"}, "has no client's trace"),
        (with_lengths("0,x,1,Gamma,1,1\n"), "line 1: expected start, rate"),
        (with_lengths("0,1,1,Gamma,1,1\n"), "expected windows of time"),
        (with_lengths("0,1e9,1,,1,1\n9,0,0,,0,0\n"), r"9e\+09 requests in a window"),
        (with_lengths("0,nan,1,,1,1\n9,0,0,,0,0\n"), "nan requests in a window"),
        (with_lengths("0,0,0,,0,0\n9,0,0,,0,0\n"), "no client sends anything"),
        (with_lengths(ROWS, "[]"), "expected shares of input_tokens"),
        (with_lengths(ROWS, "{"), "expected JSON"),
        (with_lengths(ROWS, '{"0": []}'), "expected shares of input_tokens.*, at '0'"),
        (with_lengths(ROWS, '{"0": {"input_tokens": "{1: 1}"}}'), "each a text.*, at '0'"),
        (with_lengths(ROWS, '{"0": {"input_tokens": {"1": 1}, "output_tokens": "{1: 1}"}}'), "each a text.*, at '0'"),
        (with_lengths(ROWS, LENGTHS.replace('"600":', '"noon":')), "at 'noon'"),
        (with_lengths(ROWS, LENGTHS.replace("{10: 1.0}", "{10: 1.0, 20}")), "at '0': a length without"),
        (with_lengths(ROWS, LENGTHS.replace('"600":', '"nan":')), "at 'nan': no second"),
        (with_lengths(ROWS, LENGTHS.replace("7: 2.0", "open('x')")), "expected shares of input_tokens"),
        (with_lengths(ROWS, LENGTHS.replace("100:", "-1:")), "out of range"),
        (with_lengths(ROWS, LENGTHS.replace("100:", "1.5:")), "out of range"),
    ],
)
def test_broken_archives(files: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=says):
        servegen.read(archive(tmp_path, **files))


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = archive(tmp_path, **{"a/chunk-0-trace.csv": ROWS, "a/large.bin": "0" * 40_000_000})
    with pytest.raises(FormatError, match="unpacks to more than 200 times its size"):
        servegen.read(path)


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("time,prompt_tokens,output_tokens\n")
    assert not servegen.recognises(path)
    with pytest.raises(FormatError, match="expected a tar archive"):
        servegen.read(path)
