"""Files that the real tools wrote against a server whose timings are known, where they are at hand."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

from infermodel.formats import results
from infermodel.formats.results.documents import bare_name
from infermodel.formats.results.measured import Measured

VARIABLE = "INFERMODEL_BENCH_RESULTS"
FOLDER = Path(os.environ.get(VARIABLE, "nowhere"))
RUNS = list(results.read_folder(FOLDER).runs) if FOLDER.is_dir() else []
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".md") if RUNS else []

LATE_CLIENT = "inference-perf-0.7.0/fail/"
"""A run whose client, on two busy cores, was late by 80 ms on average, as its own report says; the quickest was not."""


def label(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def kind(run: Measured) -> str:
    """What the server did, by the name of the file or folder."""
    path = run.files[0]
    name = bare_name(path) if path.parent.parent == FOLDER else path.parent.name
    return next((each for each in ("two", "one", "fail", "reasoning_content") if each in name), "plain")


def values(path: Path) -> list[Any]:
    """The JSON values of a file, packed or not, one a line or one in all."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


def first(run: Measured, named: str = "") -> Any:
    """The first JSON value of the run's file with this in its name."""
    return values(next(path for path in run.files if named in path.name))[0]
