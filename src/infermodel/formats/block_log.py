"""Logs of JSON lines whose requests carry ids of their prompts' blocks, as Mooncake's, Qwen-Bailian's and vLLM's do.

They share the keys timestamp, input_length, output_length and hash_ids, and differ in the unit of times and in the size
of blocks, which no line says. A line without a timestamp follows the line before it of its session_id, `delay` after
that one's answer, as aiperf 0.13.0 and Dynamo's replay 1.4.0 take it (both milliseconds).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats import turns
from infermodel.formats.columns import MOST_TOKENS, TraceColumns, trace_columns
from infermodel.formats.text import FormatError, read_lines, shortened

OTHER_BLOCKS = (1024, 256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Sizes of blocks that are tried where the format's own is too large for the ids that are there."""

WHOLE_PROMPTS = 0.9
"""Share of requests whose ids cover the whole prompt, from which a size of blocks is taken for proved."""


@dataclass(frozen=True)
class BlockLog:
    """The lines of a log as they stand.

    Attributes:
        numbers: of the lines, from 1.
        times: in the file's own unit.
        prompts: tokens.
        outputs: tokens.
        hashes: ids of each prompt's blocks; None where the log has none.
        parents: requests that say which one came before them.
        sessions: distinct sessions that are named.
        after: place of the request after whose answer one is sent; -1: it comes at its time.
        waits: from that answer until it is sent, milliseconds.
    """

    numbers: tuple[int, ...]
    times: NDArray[np.float64]
    prompts: NDArray[np.int64]
    outputs: NDArray[np.int64]
    hashes: tuple[tuple[int, ...], ...] | None
    parents: int
    sessions: int
    after: NDArray[np.int64]
    waits: NDArray[np.float64]


def read_log(path: Path, unit: str) -> BlockLog:
    """All lines of a log; blank ones are skipped.

    Args:
        unit: of times, in words.

    Raises:
        FormatError: with line and column of what is broken.
    """
    numbers: list[int] = []
    times: list[float] = []
    prompts: list[int] = []
    outputs: list[int] = []
    hashes: list[tuple[int, ...]] = []
    after: list[int] = []
    waits: list[float] = []
    parents = 0
    latest: dict[str, int] = {}  # of each session, the place of its last line
    for number, text in enumerate(read_lines(path), start=1):
        if not text.strip():
            continue
        entry = _object(path, number, text)
        session = str(entry["session_id"]) if isinstance(entry.get("session_id"), (str, int)) else ""
        timed = "timestamp" in entry
        follows = -1 if timed else latest.get(session, -1)
        if follows < 0 and not timed and "delay" in entry:
            raise _orphan(path, number, text)
        if follows < 0:
            times.append(_value(path, number, text, entry, "timestamp", f"{unit}, 0 or later"))
        else:
            times.append(times[follows])
        waiting = follows >= 0 and entry.get("delay") is not None
        waits.append(_value(path, number, text, entry, "delay", "milliseconds, 0 or more") if waiting else 0.0)
        after.append(follows)
        if session:
            latest[session] = len(numbers)
        numbers.append(number)
        prompts.append(_count(path, number, text, entry, "input_length"))
        outputs.append(_count(path, number, text, entry, "output_length"))
        if "hash_ids" in entry:
            hashes.append(_hashes(path, number, text, entry))
        if hashes and len(hashes) != len(prompts):
            problem = "expected hash_ids on every line or on none"
            raise FormatError(path, problem, line=number, column=1, text=text, width=len(text))
        parent = entry.get("parent_chat_id")
        parents += type(parent) is int and parent >= 0
    return BlockLog(
        tuple(numbers),
        np.array(times, dtype=np.float64),
        np.array(prompts, dtype=np.int64),
        np.array(outputs, dtype=np.int64),
        tuple(hashes) if hashes else None,
        parents,
        len(latest),
        np.array(after, dtype=np.int64),
        np.array(waits, dtype=np.float64),
    )


def block_size(path: Path, log: BlockLog, tokens: int) -> tuple[int, list[str]]:
    """Tokens of a block, and a note where the ids prove another size than the format's own.

    Args:
        tokens: the format's own size.

    Raises:
        FormatError: a prompt has more ids than blocks of that size, and no other size fits all prompts.
    """
    if log.hashes is None:
        return 0, []
    if not (long := _too_many(log.prompts, log.hashes, tokens)):
        return tokens, []
    for other in OTHER_BLOCKS:
        covering = sum(len(ids) * other >= prompt for ids, prompt in zip(log.hashes, log.prompts, strict=True))
        if not _too_many(log.prompts, log.hashes, other) and covering >= WHOLE_PROMPTS * len(log.prompts):
            return other, [f"{path.name}: hash_ids have one id for each {other} tokens, by their number"]
    number = log.numbers[long[0]]
    text = next(line for at, line in enumerate(read_lines(path), start=1) if at == number)
    most = ceil(log.prompts[long[0]] / tokens)
    got = shortened(json.dumps(list(log.hashes[long[0]])))
    problem = f"hash_ids: expected at most {most} ids for so short a prompt, got {got}"
    raise FormatError(
        path, problem, line=number, column=text.find('"hash_ids"') + 1, text=text, width=len("hash_ids") + 2
    )


def _too_many(prompts: NDArray[np.int64], hashes: Sequence[tuple[int, ...]], tokens: int) -> list[int]:
    """Requests with more ids than their prompts have blocks."""
    counts = np.array([len(ids) for ids in hashes], dtype=np.int64)
    return [int(each) for each in np.flatnonzero(counts > -(-prompts // tokens))]


def log_columns(path: Path, log: BlockLog, second: float, block_tokens: int) -> TraceColumns:
    """The requests of a log; turns that follow an answer have their whole prompts, whichever way these are told.

    Args:
        second: in the file's unit of times.
        block_tokens: the format's own.

    Raises:
        FormatError: see `block_size`.
    """
    tokens, notes = block_size(path, log, block_tokens)
    prompts, hashes = log.prompts, log.hashes
    follows = log.after >= 0
    answers = False
    if follows.any():
        count = int(follows.sum())
        known = turns.whole(prompts, log.outputs, log.after)
        how = "are of whole prompts" if known else "are of what is new in a turn, the text before it comes on top"
        notes.append(f"{path.name}: {count:,} calls follow an answer of their session; by their lengths these {how}")
        prompts = prompts if known else turns.accumulated(prompts, log.outputs, log.after)
        if hashes is None or not known:
            tokens, rows = tokens or turns.BLOCK_TOKENS, np.arange(len(prompts))
            hashes = turns.text_ids(prompts, log.outputs, log.after, rows, hashes, tokens)
            answers = True
    return trace_columns(
        path,
        log.times / second,
        prompts,
        log.outputs,
        hash_ids=hashes,
        hash_block_tokens=tokens,
        notes=[*notes, *_session_notes(path, log)],
        hash_answers=answers,
        after=log.after if follows.any() else None,
        wait_s=log.waits / 1e3 if follows.any() else None,
    )


def _session_notes(path: Path, log: BlockLog) -> list[str]:
    """Notes on turns with times of their own, played when they came, whatever the answers before them take."""
    if log.parents:
        return [f"{path.name}: {log.parents:,} requests follow another of their chat; played at the times they came"]
    if 1 < log.sessions < int((log.after < 0).sum()):
        return [f"{path.name}: {log.sessions:,} sessions; turns are played at the times they came"]
    return []


def _orphan(path: Path, number: int, text: str) -> FormatError:
    problem = "has a delay and no timestamp, and no line above it of the same session_id to follow"
    return FormatError(path, problem, line=number, column=text.find('"delay"') + 1, text=text, width=len("delay") + 2)


def _object(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"expected one JSON object a line: {error.msg}"
        raise FormatError(path, problem, line=number, column=error.colno, text=text) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        problem = f"expected one JSON object a line: {error}"
        raise FormatError(path, problem, line=number, column=1, text=text) from None
    if not isinstance(entry, dict):
        problem = "expected a JSON object with timestamp, input_length and output_length"
        raise FormatError(path, problem, line=number, column=1, text=text, width=len(text))
    return entry


def _value(path: Path, number: int, text: str, entry: dict[str, Any], key: str, expected: str) -> float:
    value = entry.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e15:  # not NaN
        raise _wrong(path, number, text, entry, key, expected)
    return float(value)


def _count(path: Path, number: int, text: str, entry: dict[str, Any], key: str) -> int:
    expected = "a whole number of tokens, 0 to 1,000,000,000"
    value = _value(path, number, text, entry, key, expected)
    if value > MOST_TOKENS or value != int(value):
        raise _wrong(path, number, text, entry, key, expected)
    return int(value)


def _hashes(path: Path, number: int, text: str, entry: dict[str, Any]) -> tuple[int, ...]:
    value = entry["hash_ids"]
    if not isinstance(value, list) or not all(type(block) is int and 0 <= block < 2**63 for block in value):
        raise _wrong(path, number, text, entry, "hash_ids", "a list of whole numbers, 0 or more")
    return tuple(value)


def _wrong(path: Path, number: int, text: str, entry: dict[str, Any], key: str, expected: str) -> FormatError:
    if key not in entry:
        problem = f"{key}: expected {expected}; the key is missing"
        return FormatError(path, problem, line=number, column=1, text=text, width=len(text))
    problem = f"{key}: expected {expected}, got {shortened(json.dumps(entry[key]))}"
    return FormatError(path, problem, line=number, column=text.find(f'"{key}"') + 1, text=text, width=len(key) + 2)
