"""Mooncake traces: one JSON object a line with timestamp (ms), input_length, output_length and hash_ids.

`hash_ids` has one id for each block of 512 prompt tokens, equal where the text up to the end of the block is equal.
Source: https://github.com/kvcache-ai/Mooncake (FAST'25 traces, Apache-2.0).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from infermodel.formats.columns import MOST_TOKENS, TraceColumns, trace_columns
from infermodel.formats.text import FormatError, read_lines, shortened

BLOCK_TOKENS = 512


def read(path: Path, block_tokens: int = BLOCK_TOKENS) -> TraceColumns:
    """The log, times as they stand but in seconds; `block_tokens` prompt tokens to a hash.

    Raises:
        FormatError: with line and column of what is broken.
    """
    milliseconds: list[float] = []
    prompts: list[int] = []
    outputs: list[int] = []
    hashes: list[tuple[int, ...]] = []
    for number, text in enumerate(read_lines(path), start=1):
        if not text.strip():
            continue
        entry = _object(path, number, text)
        milliseconds.append(_value(path, number, text, entry, "timestamp", "milliseconds, 0 or later"))
        prompts.append(_count(path, number, text, entry, "input_length"))
        outputs.append(_count(path, number, text, entry, "output_length"))
        if "hash_ids" in entry:
            hashes.append(_hashes(path, number, text, entry, math.ceil(prompts[-1] / block_tokens)))
        if hashes and len(hashes) != len(prompts):
            problem = "expected hash_ids on every line or on none"
            raise FormatError(path, problem, line=number, column=1, text=text, width=len(text))
    return trace_columns(
        path,
        np.array(milliseconds, dtype=np.float64) / 1e3,
        np.array(prompts, dtype=np.int64),
        np.array(outputs, dtype=np.int64),
        hash_ids=hashes or None,
        hash_block_tokens=block_tokens if hashes else 0,
    )


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
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15  # not NaN
    if not good:
        raise _wrong(path, number, text, entry, key, expected)
    return float(value)  # type: ignore[arg-type]  # a number, see above


def _count(path: Path, number: int, text: str, entry: dict[str, Any], key: str) -> int:
    expected = "a whole number of tokens, 0 to 1,000,000,000"
    value = _value(path, number, text, entry, key, expected)
    if value > MOST_TOKENS or value != int(value):
        raise _wrong(path, number, text, entry, key, expected)
    return int(value)


def _hashes(path: Path, number: int, text: str, entry: dict[str, Any], most: int) -> tuple[int, ...]:
    value = entry["hash_ids"]
    if not isinstance(value, list) or not all(type(block) is int and 0 <= block < 2**63 for block in value):
        raise _wrong(path, number, text, entry, "hash_ids", "a list of whole numbers, 0 or more")
    if len(value) > most:
        raise _wrong(path, number, text, entry, "hash_ids", f"at most {most} ids for so short a prompt")
    return tuple(value)


def _wrong(path: Path, number: int, text: str, entry: dict[str, Any], key: str, expected: str) -> FormatError:
    if key not in entry:
        problem = f"{key}: expected {expected}; the key is missing"
        return FormatError(path, problem, line=number, column=1, text=text, width=len(text))
    problem = f"{key}: expected {expected}, got {shortened(json.dumps(entry[key]))}"
    return FormatError(path, problem, line=number, column=text.find(f'"{key}"') + 1, text=text, width=len(key) + 2)
