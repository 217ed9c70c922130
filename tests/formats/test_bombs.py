"""A small file that unpacks to a large one is refused before it is read to its end."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infermodel.formats import azure, burstgpt, mooncake, requests_csv
from infermodel.formats.hf_config import read_hf_config
from infermodel.formats.results import vllm_bench
from infermodel.formats.text import FormatError

LOG = b"arrived_at_s,prompt_tokens,output_tokens\n0,1,1\n"
READERS = [azure.read, burstgpt.read, mooncake.read, requests_csv.read, vllm_bench.read, read_hf_config]


def packed(path: Path, first: bytes, again: bytes, times: int) -> Path:
    with gzip.open(path, "wb") as file:
        file.write(first)
        for _ in range(times):
            file.write(again)
    return path


@pytest.mark.parametrize("reader", READERS, ids=lambda each: each.__module__.rpartition(".")[2])
@pytest.mark.parametrize("line", [b"\n", b" \t \r\n"])
def test_blank_lines(tmp_path: Path, reader: Callable[[Path], object], line: bytes) -> None:
    path = packed(tmp_path / "log.gz", b"", line * 1_000_000, 20)
    began = time.process_time()
    with pytest.raises(FormatError, match=r"log\.gz.*(blank lines in a row|expected a first line)"):
        reader(path)
    assert time.process_time() - began < 2


def test_blank_lines_after_a_log(tmp_path: Path) -> None:
    path = packed(tmp_path / "log.gz", LOG, b"\n" * 1_000_000, 20)
    with pytest.raises(FormatError, match=r"log\.gz:10003:1: more than 10,000 blank lines in a row"):
        requests_csv.read(path)


def test_a_few_blank_lines_are_none_too_many(tmp_path: Path) -> None:
    assert len(requests_csv.read(packed(tmp_path / "log.gz", LOG + b"\n" * 10_000, b"1,2,3\n", 1))) == 2


@pytest.mark.slow
def test_rows_without_end(tmp_path: Path) -> None:
    path = packed(tmp_path / "log.gz", LOG, b"4,1,1\n" * 1_000_000, 20)
    assert path.stat().st_size < 200_000  # unpacked 120 MB
    with pytest.raises(FormatError, match=r"log\.gz:\d+: unpacks to more than 200 times its size") as refused:
        requests_csv.read(path)
    assert refused.value.line < 16_000_000 / 6 + 10
