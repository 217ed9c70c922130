"""Traces by name: where a trace file is looked for, how it is read, and where to get it when it is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from infermodel.formats import azure, bailian, burstgpt, mooncake, own_log, requests_csv, servegen
from infermodel.formats.columns import TraceColumns
from infermodel.formats.own_log import Names
from infermodel.workload.requests import Requests

TRACES_FOLDER = Path("data/traces")
TRACES_VARIABLE = "INFERMODEL_TRACES"


@dataclass(frozen=True)
class TraceFormat:
    """A format of traces: its reader, what its times are, its columns, and where files of it come from."""

    read: Callable[[Path], TraceColumns]
    times: str
    columns: str
    origin: str


FORMATS: Mapping[str, TraceFormat] = {
    "azure": TraceFormat(
        azure.read,
        "stamps",
        "a CSV with the columns TIMESTAMP, ContextTokens, GeneratedTokens",
        "https://github.com/Azure/AzurePublicDataset (AzureLLMInferenceDataset2023.md and ...2024.md; CC-BY-4.0)",
    ),
    "bailian": TraceFormat(
        bailian.read,
        "seconds",
        "JSON lines with the keys timestamp (seconds), input_length, output_length, hash_ids (of 16 tokens)",
        "https://github.com/alibaba-edu/qwen-bailian-usagetraces-anon (Apache-2.0)",
    ),
    "burstgpt": TraceFormat(
        burstgpt.read,
        "seconds",
        "a CSV with the columns Timestamp, Model, Request tokens, Response tokens, Total tokens, Log Type",
        "https://github.com/HPMLL/BurstGPT (CC-BY-4.0)",
    ),
    "mooncake": TraceFormat(
        mooncake.read,
        "milliseconds",
        "JSON lines with the keys timestamp, input_length, output_length, hash_ids",
        "https://github.com/kvcache-ai/Mooncake (folder FAST25-release/traces; Apache-2.0)",
    ),
    "requests": TraceFormat(
        requests_csv.read,
        "seconds",
        "a CSV with the columns arrived_at_s, prompt_tokens, output_tokens and optionally priority",
        "your own log",
    ),
    "servegen": TraceFormat(
        servegen.read,
        "seconds",
        "a tar archive with chunk-N-trace.csv and chunk-N-dataset.json of each client of a service",
        "https://github.com/alibaba/ServeGen (folder data; Apache-2.0)",
    ),
}

KEYS: Sequence[tuple[str, frozenset[str]]] = (
    ("azure", frozenset(("TIMESTAMP", "ContextTokens", "GeneratedTokens"))),
    ("bailian", frozenset(("parent_chat_id", "timestamp", "input_length", "output_length"))),
    ("burstgpt", frozenset(("Timestamp", "Request tokens", "Response tokens"))),
    ("mooncake", frozenset(("timestamp", "input_length", "output_length", "hash_ids"))),
    ("mooncake", frozenset(("session_id", "delay", "input_length", "output_length"))),
    ("requests", frozenset(("arrived_at_s", "prompt_tokens", "output_tokens"))),
)
"""Columns by which a file of a format is known; the first whose are all there."""

# The dataset's pages name the files without the year.
PUBLISHED_AS: Mapping[str, str] = {
    "AzureLLMInferenceTrace_*_2023.csv": "published there without _2023 in its name",
    "AzureLLMInferenceTrace_*_2024.csv": "published there with _1week instead of _2024 in its name",
}


@dataclass(frozen=True)
class Log:
    """A trace as it was read.

    Attributes:
        requests: all of them.
        keys: names of the keys that they had; None where it names none.
        notes: what was changed on reading, in sentences for a person.
    """

    requests: Requests
    keys: tuple[str, ...] | None
    notes: tuple[str, ...]


class TraceNotFound(ValueError):
    """No such trace file; the message says where it was looked for, where to get it and what it looks like."""


def find(name: str, trace_format: str | Names, scenario_folder: Path) -> Path:
    """The trace file of this name: beside the scenario, from here, in data/traces, or in $INFERMODEL_TRACES.

    Args:
        name: file name or path; a relative one is looked for in each of these places in turn.
        trace_format: a key of `FORMATS`, or the columns of a log of the user's own.
        scenario_folder: where the scenario is.

    Raises:
        TraceNotFound: it is in none of them.
    """
    named = os.environ.get(TRACES_VARIABLE)
    folders = [scenario_folder, Path(), TRACES_FOLDER, *([Path(named)] if named else [])]
    places = [folder / name for folder in folders]
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(dict.fromkeys(str(place) for place in places))
    unset = "" if named else f", and the environment variable {TRACES_VARIABLE} is not set"
    if isinstance(trace_format, Names):
        raise TraceNotFound(f"no log {name!r}: looked for {looked}{unset}.")
    known = FORMATS[trace_format]
    published = [f" ({hint})" for pattern, hint in PUBLISHED_AS.items() if fnmatch(Path(name).name, pattern)]
    raise TraceNotFound(
        f"no trace file {name!r}: looked for {looked}{unset}. "
        f"It is {known.columns}; get it from {known.origin}{''.join(published)}, "
        f"and put it into {TRACES_FOLDER} or point {TRACES_VARIABLE} at its folder."
    )


def requests_of(columns: TraceColumns) -> Requests:
    """A log as requests; prompts are distinct but for what their hashes say."""
    count = len(columns)
    return Requests(
        arrived_at=columns.arrived_at_s,
        prompt_tokens=columns.prompt_tokens,
        output_tokens=columns.output_tokens,
        priority=np.zeros(count, dtype=np.int64) if columns.priority is None else columns.priority,
        prompt_id=np.full(count, -1, dtype=np.int64),
        block_hashes=full_blocks(columns),
        hash_block_tokens=columns.hash_block_tokens,
        after=columns.after,
        wait_s=columns.wait_s,
        cached_tokens=columns.cached_tokens,
    )


def full_blocks(columns: TraceColumns) -> tuple[tuple[int, ...], ...] | None:
    """The hashes of a log's prompts without those of blocks that a prompt does not fill."""
    if columns.hash_ids is None or columns.hash_answers:
        return columns.hash_ids
    whole = (columns.prompt_tokens // columns.hash_block_tokens).tolist()
    return tuple(ids if len(ids) <= count else ids[:count] for ids, count in zip(columns.hash_ids, whole, strict=True))


def read(path: Path, trace_format: str | Names) -> TraceColumns:
    """A trace by the name of its format, or a log of the user's own by its columns.

    Raises:
        FormatError: the file is broken; with line and column.
    """
    return own_log.read(path, trace_format) if isinstance(trace_format, Names) else FORMATS[trace_format].read(path)


def recognised(path: Path) -> str | Names:
    """The format of a trace, or the columns of a log, by what its first line shows.

    Raises:
        FormatError: neither; the message lists its columns.
    """
    if servegen.recognises(path):
        return "servegen"
    there = set(own_log.columns(path))
    return next((name for name, keys in KEYS if keys <= there), None) or own_log.guess(path)


def load(name: str, trace_format: str | Names, scenario_folder: Path) -> Log:
    """Find and read a trace.

    Raises:
        TraceNotFound: no such file.
        FormatError: the file is broken; with line and column.
    """
    path = find(name, trace_format, scenario_folder)
    columns = read(path, trace_format)
    return Log(requests_of(columns), columns.keys, columns.notes)
