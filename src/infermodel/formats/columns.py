"""Columns of numbers out of text: CSV read by column name, and the columns that every request log comes down to."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.text import FormatError, read_lines, shortened

LEAST_STEPS, SHORTEST_STEP_S = 10, 0.1
OFF_GRID, ON_GRID = 0.005, 0.95  # shares of a step and of the steps
CHUNK = 65_536  # lines turned into arrays at once, so that a log of 44 million lines needs no list of them
MOST_TOKENS = 1_000_000_000
_DATE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)
_PLAIN_TIME = re.compile(r"[ T][\d:]{8}(\.\d{1,9})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Kind:
    """What the cells of a column hold.

    Attributes:
        expected: in words, for the message about a cell that is not so.
        parse: many cells at once to an array; raises ValueError if any one is wrong.
    """

    expected: str
    parse: Callable[[Sequence[str]], NDArray[Any]]


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    if "_" in "".join(cells):  # Python reads 1_000, no file means it
        raise ValueError
    return np.array([float(cell) for cell in cells], dtype=np.float64)


def _whole(cells: Sequence[str]) -> NDArray[np.int64]:
    values = _numbers(cells)
    if not np.all((np.abs(values) <= MOST_TOKENS) & (values == np.rint(values))):
        raise ValueError
    return values.astype(np.int64)


def _tokens(cells: Sequence[str]) -> NDArray[np.int64]:
    values = _whole(cells)
    if values.size and values.min() < 0:
        raise ValueError
    return values


def _seconds(cells: Sequence[str]) -> NDArray[np.float64]:
    values = _numbers(cells)
    if not np.all((values >= 0) & (values < np.inf)):
        raise ValueError
    return values


def _measured(cells: Sequence[str]) -> NDArray[np.float64]:
    values = _numbers([cell or "nan" for cell in cells])
    if not np.all(np.isnan(values) | ((values >= 0) & (values < np.inf))):
        raise ValueError
    return values


def _utc_microseconds(cells: Sequence[str]) -> NDArray[np.int64]:
    bare = [cell.removesuffix("Z").removesuffix("+00:00") for cell in cells]
    if not all(_DATE.match(cell) for cell in bare):
        raise ValueError
    if not all(_PLAIN_TIME.fullmatch(cell, 10) for cell in bare):  # other zones; numpy would guess
        moments = [datetime.fromisoformat(cell) for cell in bare]
        utc = [at if at.tzinfo else at.replace(tzinfo=UTC) for at in moments]
        return np.array([(at - _EPOCH) // timedelta(microseconds=1) for at in utc], dtype=np.int64)
    return np.array(bare, dtype="datetime64[us]").astype(np.int64)


def _words(cells: Sequence[str]) -> NDArray[np.str_]:
    return np.array(cells, dtype=str)


TEXT = Kind("any text", _words)
TOKENS = Kind("a whole number of tokens, 0 to 1,000,000,000", _tokens)
WHOLE = Kind("a whole number", _whole)
SECONDS = Kind("a time in seconds, 0 or later", _seconds)
MEASURED = Kind("a number, 0 or more, or nothing", _measured)
TIMESTAMP = Kind("a date and time such as 2023-11-16 18:15:46.6805900", _utc_microseconds)


def read_columns(
    path: Path,
    required: Mapping[str, Kind],
    optional: Mapping[str, Kind] | None = None,
    also_called: Mapping[str, str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Columns of a comma-separated file, found by the names in its first line; other columns are ignored.

    `also_called` maps another name that a file may use to the column's own. Blank lines are skipped, spaces around
    cells too. `TIMESTAMP` columns come as microseconds since 1970 (UTC).

    Raises:
        FormatError: no such file, a column missing, or a line that is broken; it names the first such line.
    """
    lines = read_lines(path)
    header = next(lines, None)
    if header is None or not header.strip():
        raise FormatError(path, f"expected a first line with the columns {', '.join(required)}; the file is empty")
    names = [name.strip() for name in _cells(path, 1, [header])[0]]
    names = [(also_called or {}).get(name, name) for name in names]
    missing = [name for name in required if names.count(name) != 1]
    if missing:
        found = "twice or not at all" if any(name in names for name in missing) else "missing"
        problem = f"expected the columns {', '.join(required)}; {found}: {', '.join(missing)}"
        raise FormatError(path, problem, line=1, column=1, text=header, width=len(header))
    kinds = {name: kind for name, kind in ({**required, **(optional or {})}).items() if name in names}
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in kinds}
    first = 2
    while chunk := list(islice(lines, CHUNK)):
        rows = _of_width(path, first, chunk, _cells(path, first, chunk), names)
        for name, kind in kinds.items():
            at = names.index(name)
            cells = [row[at].strip() for row in rows if row]
            try:
                parts[name].append(kind.parse(cells))
            except (ValueError, OverflowError):
                raise _broken_cell(path, first, chunk, rows, name, at, kind) from None
        first += len(chunk)
    return {name: np.concatenate(arrays) if arrays else kinds[name].parse([]) for name, arrays in parts.items()}


def _cells(path: Path, first: int, chunk: Sequence[str]) -> list[list[str]]:
    """The cells of each line, none for an empty one."""
    for i, text in enumerate(chunk):
        if text.count('"') % 2:
            problem = "expected a quoted cell to end on its line"
            raise FormatError(path, problem, line=first + i, column=text.find('"') + 1, text=text)
    reader = csv.reader(chunk, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        at = reader.line_num - 1
        problem = f"expected comma-separated cells: {error}"
        raise FormatError(path, problem, line=first + at, column=1, text=chunk[at]) from None


def _of_width(
    path: Path, first: int, chunk: Sequence[str], rows: list[list[str]], names: Sequence[str]
) -> list[list[str]]:
    """The rows, those of blank lines emptied; complains of one with more or fewer cells than there are columns."""
    width = len(names)
    if all(len(row) == width for row in rows):
        return rows
    for i, (row, text) in enumerate(zip(rows, chunk, strict=True)):
        if len(row) != width and text.strip():
            problem = f"expected {width} columns ({', '.join(names)}), got {len(row)}"
            raise FormatError(path, problem, line=first + i, column=1, text=text, width=len(text))
    return [row if text.strip() else [] for row, text in zip(rows, chunk, strict=True)]


def _broken_cell(
    path: Path, first: int, chunk: Sequence[str], rows: Sequence[Sequence[str]], name: str, at: int, kind: Kind
) -> FormatError:
    """The error for the first cell of a column that does not parse alone."""
    for i, row in enumerate(rows):
        cell = row[at].strip() if row else "0"
        try:
            if row:
                kind.parse([cell])
        except (ValueError, OverflowError):
            text = chunk[i]
            # The place of a cell after quoted ones is that of its text; elsewhere it follows from the cells before.
            before = text.find(cell) if '"' in text else sum(len(earlier) + 1 for earlier in row[:at])
            column = before + 1 + len(row[at]) - len(row[at].lstrip())
            problem = f"{name}: expected {kind.expected}, got {shortened(cell)}"
            return FormatError(path, problem, line=first + i, column=column, text=text, width=len(cell))
    raise AssertionError("a column that does not parse has a cell that does not")


@dataclass(frozen=True)
class TraceColumns:
    """A request log, in order of arrival.

    Attributes:
        arrived_at_s: seconds, non-decreasing, 0 or later.
        prompt_tokens: at least 1.
        output_tokens: at least 1.
        priority: lower goes first; None where the log has none.
        hash_ids: per request one id for each leading block of its prompt, equal where the text up to the end of the
            block is equal; None where the log has none.
        hash_block_tokens: tokens of such a block; the last block of a prompt may be shorter.
        notes: what was changed on reading, in sentences for a person.
        hash_answers: whether ids go on over the answers; then all are of full blocks.
        after: the request after whose answer one is sent, by its place in the log; -1: it comes at its time. None:
            all do. One that follows has the time at which its conversation began.
        wait_s: from that answer until it is sent.
        cached_tokens: leading tokens of its prompt that its server need not compute; None: nobody says.
        keys: names of the keys that requests had; None: the log has none.
    """

    arrived_at_s: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    priority: NDArray[np.int64] | None = None
    hash_ids: tuple[tuple[int, ...], ...] | None = None
    hash_block_tokens: int = 0
    notes: tuple[str, ...] = ()
    hash_answers: bool = False
    after: NDArray[np.int64] | None = None
    wait_s: NDArray[np.float64] | None = None
    cached_tokens: NDArray[np.int64] | None = None
    keys: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.arrived_at_s)


def arrival_order(arrived_at_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rows in order of arrival, rows of one time as they stand in the file."""
    return np.argsort(arrived_at_s, kind="stable")


def grid_s(arrived_at_s: NDArray[np.float64]) -> float:
    """The step of the grid on which several requests a step arrive, as rounded or batched times do; 0 if there is none.

    >>> grid_s(np.repeat(np.arange(20) * 3.0, 4)), grid_s(np.arange(20) * 3.0)
    (3.0, 0.0)
    """
    steps = np.diff(np.unique(arrived_at_s))
    if len(steps) < LEAST_STEPS or len(arrived_at_s) < 2 * len(steps):
        return 0.0
    step = float(np.median(steps))
    off = np.abs(steps / step - np.rint(steps / step))
    return round(step, 3) if (off <= OFF_GRID).mean() >= ON_GRID and step >= SHORTEST_STEP_S else 0.0


def trace_columns(
    path: Path,
    arrived_at_s: NDArray[np.float64],
    prompt_tokens: NDArray[np.int64],
    output_tokens: NDArray[np.int64],
    *,
    priority: NDArray[np.int64] | None = None,
    hash_ids: Sequence[tuple[int, ...]] | None = None,
    hash_block_tokens: int = 0,
    notes: Sequence[str] = (),
    hash_answers: bool = False,
    after: NDArray[np.int64] | None = None,
    wait_s: NDArray[np.float64] | None = None,
    cached_tokens: NDArray[np.int64] | None = None,
    keys: Sequence[str] | None = None,
) -> TraceColumns:
    """A log that a simulation can take: sorted by arrival, no request without a token, each change noted.

    Rows out of order are sorted, not refused: logs written when requests finish are normal. A request of zero tokens
    counts as one token, since an engine computes at least that much for it.

    Raises:
        FormatError: the log has no requests.
    """
    if not len(arrived_at_s):
        raise FormatError(path, "expected at least one request below the first line, found none")
    told = list(notes)
    earlier = int((np.diff(arrived_at_s) < 0).sum())
    if earlier:
        told.append(f"{path.name}: {earlier} rows arrive before the row above them; sorted by arrival")
    timed = arrived_at_s if after is None else arrived_at_s[after < 0]
    if step := grid_s(np.sort(timed)):
        batch = len(timed) / len(np.unique(timed))
        told.append(f"{path.name}: times lie on a grid of {step:g} s, {batch:.1f} requests at once on average")
    for name, tokens in (("prompt", prompt_tokens), ("output", output_tokens)):
        empty = int((tokens == 0).sum())
        if empty:
            told.append(f"{path.name}: {empty} requests of 0 {name} tokens count as 1")
    order = arrival_order(arrived_at_s) if earlier else np.arange(len(arrived_at_s))
    return TraceColumns(
        arrived_at_s[order],
        np.maximum(prompt_tokens[order], 1),
        np.maximum(output_tokens[order], 1),
        None if priority is None else priority[order],
        None if hash_ids is None else tuple(hash_ids[i] for i in order.tolist()),
        hash_block_tokens,
        tuple(told),
        hash_answers,
        None if after is None else _in_order(after, order),
        None if wait_s is None else wait_s[order],
        None if cached_tokens is None else cached_tokens[order],
        None if keys is None else tuple(keys[i] for i in order.tolist()),
    )


def _in_order(after: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows that name rows, both moved."""
    place = np.empty(len(order) + 1, dtype=np.int64)
    place[order], place[-1] = np.arange(len(order)), -1
    return place[after[order]]
