"""Requests and timelines on disk, a block at a time: memory does not grow with the run."""

from __future__ import annotations

import gzip
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

import numpy as np

from infermodel.files import safe_name
from infermodel.formats import mooncake
from infermodel.metrics.exports import request_rows, timeline_rows
from infermodel.report.cells import quoted, write_lines
from infermodel.report.tables import REQUEST_COLUMNS, TIMELINE_COLUMNS
from infermodel.tables import RequestTable, ServiceRecord

BLOCK = 16_384
"""Requests of a block."""

Format = Literal["csv", "parquet"]


def blocks(requests: RequestTable, size: int = BLOCK) -> Iterator[RequestTable]:
    """The table cut into consecutive views."""
    names = [each.name for each in fields(RequestTable)]
    for start in range(0, len(requests), size):
        yield RequestTable(**{name: getattr(requests, name)[start : start + size] for name in names})


def write_requests(folder: Path, named: Sequence[tuple[str, ServiceRecord]], form: Format = "csv") -> Path:
    """All requests of all services, service by service: `requests.csv.gz`, or `requests.parquet`.

    Args:
        folder: exists.
        named: names of the services and their records.
        form: `parquet` needs pyarrow.

    Raises:
        ModuleNotFoundError: `parquet` without pyarrow.
    """
    return _write_parquet(folder, named) if form == "parquet" else _write_csv(folder, named)


def write_traces(folder: Path, named: Sequence[tuple[str, ServiceRecord]]) -> list[str]:
    """What each service was sent, `replay.<service>.jsonl` in Mooncake's form; names of the files."""
    names: list[str] = []
    for name, record in named:
        plain = f"replay.{safe_name(name)}"
        names.append(f"{plain}.{len(names)}.jsonl" if f"{plain}.jsonl" in names else f"{plain}.jsonl")
        requests = record.requests
        lines = mooncake.lines_of(requests.arrived_at, requests.prompt_tokens, requests.output_tokens, record.texts)
        with (folder / names[-1]).open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    return names


def _write_csv(folder: Path, named: Sequence[tuple[str, ServiceRecord]]) -> Path:
    path = folder / "requests.csv.gz"
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=4) as packed,
        TextIOWrapper(packed, encoding="utf-8", newline="") as file,
    ):
        file.write(",".join(each.name for each in REQUEST_COLUMNS) + "\n")
        for name, record in named:
            for block in blocks(record.requests):
                write_lines(file, list(request_rows(block).values()), first=quoted(name))
    return path


def _write_parquet(folder: Path, named: Sequence[tuple[str, ServiceRecord]]) -> Path:
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    path = folder / "requests.parquet"
    writer = None
    try:
        for name, record in named:
            for block in blocks(record.requests):
                rows = {"service": np.full(len(block), name, dtype=object), **request_rows(block)}
                table = arrow.table(rows)
                writer = writer or parquet.ParquetWriter(path, table.schema, compression="zstd")
                writer.write_table(table.cast(writer.schema))
        if writer is None:
            parquet.write_table(arrow.table({each.name: [] for each in REQUEST_COLUMNS}), path)
    finally:
        if writer is not None:
            writer.close()
    return path


def write_timeline(folder: Path, named: Sequence[tuple[str, ServiceRecord]]) -> Path:
    """Timelines of all services: `timeline.csv`."""
    path = folder / "timeline.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(each.name for each in TIMELINE_COLUMNS) + "\n")
        for name, record in named:
            write_lines(file, list(timeline_rows(record).values()), first=quoted(name))
    return path
