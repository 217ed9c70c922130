"""A log of the user's own: CSV, JSON lines or Parquet, whose columns he names.

A name with dots reaches into an object (`usage.prompt_tokens`). Times are ISO stamps, seconds since 1970 or numbers
whose unit their size, their name or the user says; a unit that nobody says is asked for, never assumed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.columns import MOST_TOKENS, TEXT, TOKENS, TraceColumns, read_columns, trace_columns
from infermodel.formats.text import FormatError, read_lines, shortened
from infermodel.formats.turns import BLOCK_TOKENS, conversations

SAMPLE = 100
"""Lines in which columns are looked for: the first request may have failed and have no usage."""

UNITS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Of numbers that are times, in seconds."""

EPOCHS: Sequence[tuple[float, str]] = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e8, "s"))
"""Least number of each unit that is a time of our days since 1970; what is less counts from somewhere else."""

ENDINGS: Mapping[str, str] = {
    "_s": "s", "_sec": "s", "_secs": "s", "_seconds": "s", "_ms": "ms", "_millis": "ms", "_us": "us", "_ns": "ns",
}  # fmt: skip
"""Ends of names that say the unit."""

USUAL: Mapping[str, tuple[str, ...]] = {
    "arrived": ("arrived_at", "arrived_at_s", "arrival", "arrival_s", "created_at", "created", "timestamp", "time",
                "ts", "datetime", "date", "start_time", "started_at", "startTime", "request_time", "arrival_time",
                "@timestamp"),
    "prompt": ("prompt_tokens", "input_tokens", "usage.prompt_tokens", "usage.input_tokens",
               "response.usage.prompt_tokens", "num_prompt_tokens", "input_length", "prompt_length", "tokens_in"),
    "output": ("output_tokens", "completion_tokens", "usage.completion_tokens", "usage.output_tokens",
               "response.usage.completion_tokens", "num_completion_tokens", "output_length", "generated_tokens",
               "tokens_out", "answer_tokens"),
    "session": ("session_id", "conversation_id", "chat_id", "thread_id"),
    "cached": ("cached_tokens", "usage.prompt_tokens_details.cached_tokens", "usage.cache_read_input_tokens"),
    "key": ("api_key_id", "key_id", "key_alias", "team_id", "api_key_hash"),
}  # fmt: skip
"""Names that logs use, likeliest first."""


READ, BESIDE_READ = "cache_read_input_tokens", "input_tokens"
"""Anthropic's usage counts what was read from a cache under the first name, and leaves it out of the second."""


@dataclass(frozen=True)
class Names:
    """Columns of a log by what they hold.

    Attributes:
        arrived: when a request came.
        prompt: its tokens.
        output: tokens of its answer.
        session: of what conversation it is a turn; empty if none is named.
        cached: prompt tokens that its server had cached; empty if none is named.
        key: whose it is; empty if none is named.
        unit: of times that are numbers, a key of `UNITS`; empty if the numbers or their name say it.
    """

    arrived: str
    prompt: str
    output: str
    session: str = ""
    cached: str = ""
    key: str = ""
    unit: str = ""


def read(path: Path, names: Names) -> TraceColumns:
    """The requests of a log, times from the first one.

    Raises:
        FormatError: a column is not there, a cell is not what it should be, or nobody says the unit of its times.
    """
    cells = _cells(path, names)
    times, note = seconds(path, names, cells["arrived"])
    notes = [note] if note else []
    prompts, outputs = (np.asarray(cells[key], dtype=np.int64) for key in ("prompt", "output"))
    cached, ids = None, None
    if "cached" in cells:
        prompts, cached, told = _cached(path, names, prompts, cells["cached"])
        notes += told
    elif "session" in cells:
        sessions = [each or None for each in cells["session"]]
        ids, told = conversations(path, sessions, times, prompts, outputs)
        notes += told
    keys = [str(each or "") for each in cells["key"]] if "key" in cells else None
    if keys is not None:
        named = len({*keys} - {""})
        notes.append(f"{path.name}: {named:,} keys; where a service has `rate_limits`, they are its tenants'")
    if left_out := len(cells["left out"]):
        notes.append(f"{path.name}: {left_out:,} requests without tokens, as failed ones are, left out")
    return trace_columns(
        path,
        times,
        prompts,
        outputs,
        hash_ids=ids,
        hash_block_tokens=BLOCK_TOKENS if ids else 0,
        hash_answers=ids is not None,
        cached_tokens=cached,
        keys=keys,
        notes=notes,
    )


def _cached(
    path: Path, names: Names, prompts: NDArray[np.int64], cells: Sequence[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Whole prompts, what of them was cached, and what is to be said of it."""
    cached = np.array([_number(cell) for cell in cells], dtype=np.int64)
    told = []
    if names.cached.endswith(READ) and names.prompt.rpartition(".")[2] == BESIDE_READ:
        prompts = prompts + cached
        told.append(f"{path.name}: {names.prompt} leaves out what {names.cached} counts; prompts are their sum")
    if more := int((cached > prompts).sum()):
        told.append(f"{path.name}: {more:,} requests had more cached than their prompt has, and have all of it")
    cached = np.minimum(cached, prompts)
    share = cached.sum() / max(1, int(prompts.sum()))
    told.append(f"{path.name}: {100 * share:.1f} % of prompt tokens were cached there, and need not be computed here")
    return prompts, cached, told


def _number(cell: Any) -> int:
    """A cell that should be a number of tokens, 0 where it is none."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return 0
    return int(value) if 0 <= value <= MOST_TOKENS else 0


def guess(path: Path) -> Names:
    """The columns of a log by the names that logs use.

    Raises:
        FormatError: one that is needed has none of them; the message lists those that are there.
    """
    there = columns(path)
    folded = {name.casefold(): name for name in there}
    found = {}
    for role, usual in USUAL.items():
        found[role] = next((folded[name.casefold()] for name in usual if name.casefold() in folded), "")
    for role in ("arrived", "prompt", "output"):
        if not found[role]:
            raise FormatError(path, _no_name(role, there))
    return Names(**found)


def _no_name(role: str, there: Sequence[str]) -> str:
    """Why no column of a log is known to hold something: what a person may have done, else what there is."""
    if not any(there):
        return "is empty: expected a line with names of columns, and one for each request"
    if len(there) == 1 and (mark := next((each for each in ";\t|" if each in there[0]), "")):
        named = "a tab" if mark == "\t" else f"'{mark}'"
        return f"columns stand apart by {named}: write it with commas"
    if there[0].lstrip().startswith("["):
        return "is one JSON array: write one object a line (jq -c '.[]')"
    if not any(character.isalpha() for name in there[1:] for character in name) and any(map(_holds, there)):
        return f"its first line holds values ({', '.join(there[:3])}), no names: write a line with names before it"
    listed = ", ".join(there[:20])
    near = [name for usual in USUAL[role] for name in difflib.get_close_matches(usual, there, 1, 0.7)]
    hint = f" (perhaps {near[0]!r})" if near else ""
    return f"no column with a usual name for {role}; name it with `columns`{hint}. There are: {listed}"


def _holds(name: str) -> bool:
    """Whether what should be a name is a number or a time."""
    try:
        float(name)
    except ValueError:
        return name[:4].isdecimal() and name[4:5] == "-"
    return True


def columns(path: Path) -> list[str]:
    """Names of the columns of a log, those within objects with dots.

    Raises:
        FormatError: it is no table.
    """
    if _is_parquet(path):
        return list(_parquet(path).column_names)
    lines = [line for line in islice(read_lines(path), SAMPLE) if line.strip()]
    first = lines[0] if lines else ""
    if "\x00" in first:
        raise FormatError(path, "is no text: an archive? Unpack it, and name a log in it")
    if not first.lstrip().startswith("{"):
        return [cell.strip().strip('"') for cell in first.split(",")]
    entries = (_entry(path, number, line) for number, line in enumerate(lines, start=1))
    return list(dict.fromkeys(name for entry in entries for name in _flat(entry)))


def seconds(path: Path, names: Names, cells: Sequence[Any]) -> tuple[NDArray[np.float64], str]:
    """Times from the first one, and a note on what they were taken for.

    Raises:
        FormatError: a cell is no time, or the unit of numbers is not said.
    """
    try:
        numbers = np.array([float(cell) for cell in cells], dtype=np.float64)
    except (TypeError, ValueError):
        return _stamps(path, names, cells)
    if not len(numbers):
        return numbers, ""
    if not np.isfinite(numbers).all():
        raise FormatError(path, f"{names.arrived}: expected times; some are no numbers")
    unit = names.unit or _unit(names.arrived, float(numbers.min()))
    if not unit:
        problem = f"{names.arrived}: numbers from {numbers.min():g} to {numbers.max():g}, and nothing says whether"
        raise FormatError(path, f"{problem} these are seconds or milliseconds; say so by unit: s or --unit s")
    return (numbers - numbers.min()) * UNITS[unit], "" if names.unit else f"{path.name}: {names.arrived} is in {unit}"


def _unit(name: str, least: float) -> str:
    """The unit that the size of times since 1970 proves, or their name says."""
    for from_, unit in EPOCHS:
        if least >= from_:
            return unit
    return next((unit for ending, unit in ENDINGS.items() if name.casefold().endswith(ending)), "")


def _stamps(path: Path, names: Names, cells: Sequence[Any]) -> tuple[NDArray[np.float64], str]:
    moments, bare = [], 0
    for number, cell in enumerate(cells, start=1):
        try:
            moment = datetime.fromisoformat(str(cell).strip())
        except ValueError:
            problem = f"{names.arrived}: expected a time such as 2026-03-01T12:00:00.5+01:00 or a number"
            raise FormatError(path, f"{problem}, got {shortened(str(cell))} in request {number:,}") from None
        bare += moment.tzinfo is None
        moments.append(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if 0 < bare < len(moments):
        problem = f"{bare:,} of {len(moments):,} times have no zone and the others have one"
        raise FormatError(path, f"{names.arrived}: {problem}")
    first = min(moments)
    since = np.array([(moment - first).total_seconds() for moment in moments], dtype=np.float64)
    return since, f"{path.name}: {names.arrived} has no zone; taken as it stands" if bare else ""


def _cells(path: Path, names: Names) -> dict[str, Sequence[Any]]:
    """The cells of each column that is named."""
    wanted = {role: name for role, name in vars(names).items() if name and role != "unit"}
    there = columns(path)
    for name in wanted.values():
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
            near = near or [each for each in there if each.rpartition(".")[2] == name.rpartition(".")[2]][:1]
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(there[:20])}"
            raise FormatError(path, f"no column {name!r}{hint}")
    if _is_parquet(path):
        table = _parquet(path)
        whole = [table.column(name).to_pylist() for name in wanted.values()]
        return _answered(path, wanted, enumerate(zip(*whole, strict=True), start=1))
    first = next((line for line in read_lines(path) if line.strip()), "")
    if first.lstrip().startswith("{"):
        flat = ((number, _flat(entry)) for number, entry in _entries(path))
        return _answered(path, wanted, ((at, [each.get(name) for name in wanted.values()]) for at, each in flat))
    kinds = {name: TOKENS if role in ("prompt", "output") else TEXT for role, name in wanted.items()}
    found = read_columns(path, kinds)
    return {"left out": (), **{role: found[name].tolist() for role, name in wanted.items()}}


def _answered(
    path: Path, wanted: Mapping[str, str], rows: Iterable[tuple[int, Sequence[Any]]]
) -> dict[str, Sequence[Any]]:
    """The cells of each column, those of requests without any tokens left out and their numbers kept."""
    cells: dict[str, list[Any]] = {role: [] for role in ("left out", *wanted)}
    for number, row in rows:
        told = dict(zip(wanted, row, strict=True))
        if told["prompt"] is None and told["output"] is None:
            cells["left out"].append(number)
            continue
        for role, value in told.items():
            tokens = role in ("prompt", "output")
            cells[role].append(_tokens(path, wanted[role], number, value) if tokens else value)
    return dict(cells)


def _tokens(path: Path, name: str, number: int, value: Any) -> int:
    if type(value) not in (int, float) or not 0 <= value <= MOST_TOKENS or value != int(value):
        problem = f"{name}: expected {TOKENS.expected}, got {shortened(json.dumps(value, default=str))}"
        raise FormatError(path, problem, line=number)
    return int(value)


def _entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(read_lines(path), start=1):
        if text.strip():
            yield number, _entry(path, number, text)


def _entry(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = f"expected one JSON object a line: {error}"
        raise FormatError(path, problem, line=number, column=1, text=text) from None
    if not isinstance(entry, dict):
        raise FormatError(path, "expected one JSON object a line", line=number, column=1, text=text)
    return entry


def _flat(entry: Mapping[str, Any], before: str = "", depth: int = 4) -> dict[str, Any]:
    """The values of an object and of those within it, by their names with dots."""
    flat: dict[str, Any] = {}
    for key, value in entry.items():
        if isinstance(value, dict) and depth:
            flat |= _flat(value, f"{before}{key}.", depth - 1)
        else:
            flat[f"{before}{key}"] = value
    return flat


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror or error}") from None


def _parquet(path: Path) -> Any:
    """A Parquet table, its structs taken apart into columns with dots."""
    try:
        parquet: Any = import_module("pyarrow.parquet")
        broken: Any = import_module("pyarrow").ArrowException
    except ModuleNotFoundError:
        raise FormatError(path, "is Parquet, which needs pyarrow: install infermodel[parquet]") from None
    try:
        table = parquet.read_table(path)
    except (broken, OSError, ValueError) as error:
        raise FormatError(path, f"expected Parquet: {str(error).splitlines()[0][:200]}") from None
    while any(str(field.type).startswith("struct") for field in table.schema):
        table = table.flatten()
    return table
