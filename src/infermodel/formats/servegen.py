"""ServeGen archives: how many requests each client of a service sent in each ten minutes, and their laws.

Per client `chunk-N-trace.csv` has a row a window: its start (seconds), requests a second, coefficient of variation of
the gaps, and the law fitted to them (Gamma or Weibull, shape, scale); `chunk-N-dataset.json` has for each six hours the
shares of prompt and answer lengths. No request is in it, so each is drawn. Source: https://github.com/alibaba/ServeGen
(Apache-2.0; Xiang et al., NSDI 2026), tried on its deepseek-r1.
"""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.formats.columns import MOST_TOKENS, TraceColumns, trace_columns
from infermodel.formats.text import MOST_UNPACKED, UNPACKED_FREELY, FormatError, shortened

SEED = 0
"""Of what is drawn, so that an archive is the same requests each time."""

TRACE, LENGTHS = "-trace.csv", "-dataset.json"
MOST_IN_A_WINDOW = 10_000_000

LENGTH_COLUMNS = ("input_tokens", "output_tokens")
SHARES_EXPECTED = "expected shares of input_tokens and output_tokens, each a text, by the second from which they hold"


@dataclass(frozen=True)
class Window:
    """Requests of a client in one window.

    Attributes:
        start_s: seconds.
        requests: how many.
        law: of the gaps, Gamma or Weibull; empty where nobody fitted one.
        shape: of the law.
    """

    start_s: float
    requests: int
    law: str
    shape: float


Shares = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Lengths and how often each comes."""


def recognises(path: Path) -> bool:
    """Whether a file is an archive with the trace of a client."""
    try:
        with tarfile.open(path) as archive:
            return any(member.name.endswith(TRACE) for member in archive)
    except (tarfile.TarError, OSError, EOFError):
        return False


def read(path: Path) -> TraceColumns:
    """The requests of all clients, drawn: in each window as many as the client sent, gaps of the law fitted to them,
    lengths as often as they came, those of prompts and answers apart.

    Raises:
        FormatError: it is no such archive, holds more than one service, or a file in it is broken.
    """
    files = _unpacked(path)
    services = {str(PurePosixPath(name).parent) for name in files}
    if len(services) != 1:
        held = f"{len(services)} services ({', '.join(sorted(services)[:5])})" if services else "no client's trace"
        raise FormatError(
            path, f"expected an archive of one service, with chunk-N-trace.csv of each client; has {held}"
        )
    columns: list[tuple[NDArray[Any], ...]] = []
    clients = sorted(name.removesuffix(TRACE) for name in files if name.endswith(TRACE))
    for number, client in enumerate(clients):
        if client + LENGTHS not in files:
            raise FormatError(path, f"{client}{TRACE} has no {LENGTHS.removeprefix('-')} beside it")
        windows, width_s = _windows(path, client + TRACE, files[client + TRACE])
        lengths = _lengths(path, client + LENGTHS, files[client + LENGTHS])
        generator = np.random.default_rng([SEED, number])
        columns += [_drawn(window, width_s, lengths, generator) for window in windows if lengths]
    if not columns:
        raise FormatError(path, "no client sends anything")
    at, prompts, outputs = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.argsort(at, kind="stable")
    note = f"{path.name}: drawn from rates and laws of {len(clients)} clients with seed {SEED}; holds no requests"
    return trace_columns(path, at[order], prompts[order], outputs[order], notes=[note])


def _unpacked(path: Path) -> dict[str, str]:
    """Texts of the traces and lengths in an archive, by name."""
    files: dict[str, str] = {}
    total = 0
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                total += member.size
                if total > UNPACKED_FREELY and total > MOST_UNPACKED * path.stat().st_size:
                    raise FormatError(path, f"unpacks to more than {MOST_UNPACKED} times its size")
                inside = archive.extractfile(member) if member.name.endswith((TRACE, LENGTHS)) else None
                if inside is not None:
                    files[member.name] = inside.read().decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(path, "expected UTF-8 text in its files") from None
    except (tarfile.TarError, EOFError) as error:
        raise FormatError(path, f"expected a tar archive: {error}") from None
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror or error}") from error
    return files


def _windows(path: Path, name: str, text: str) -> tuple[list[Window], float]:
    """The windows in which a client sends something, and how long each is."""
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    starts, found = [], []
    for number, row in enumerate(rows, start=1):
        try:
            start_s, rate, _, law, shape, _ = row
            starts.append(float(start_s))
            found.append((float(start_s), float(rate), law.strip(), float(shape or 0)))
        except ValueError:
            expected = "start, rate, cv, law, shape and scale"
            raise FormatError(path, f"{name}, line {number}: expected {expected}, got {','.join(row)[:60]!r}") from None
    width_s = float(np.median(np.diff(starts))) if len(starts) > 1 else 0.0
    if not width_s > 0 or not np.isfinite(starts).all() or min(starts) < 0:
        raise FormatError(path, f"{name}: expected windows of time, one after the other")
    windows = [Window(at, _count(path, name, rate * width_s), law, shape) for at, rate, law, shape in found]
    return [window for window in windows if window.requests], width_s


def _count(path: Path, name: str, requests: float) -> int:
    if not 0 <= requests <= MOST_IN_A_WINDOW:
        raise FormatError(path, f"{name}: {requests:g} requests in a window")
    return round(requests)


def _lengths(path: Path, name: str, text: str) -> dict[float, tuple[Shares, Shares]]:
    """Shares of the lengths of prompts and answers, by when they begin; times without any are left out."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(path, f"{name}: expected JSON: {error}") from None
    if not isinstance(told, dict):
        raise FormatError(path, f"{name}: {SHARES_EXPECTED}")
    found = {}
    for start, each in told.items():
        texts = [each.get(column) for column in LENGTH_COLUMNS] if isinstance(each, dict) else []
        sound = [shares for shares in texts if isinstance(shares, str)]
        if len(sound) != len(LENGTH_COLUMNS):
            raise FormatError(path, f"{name}: {SHARES_EXPECTED}, at {shortened(start)}")
        try:
            begins = _second(start)
            prompt, output = (_shares(shares) for shares in sound)
        except ValueError as error:
            raise FormatError(path, f"{name}: {SHARES_EXPECTED}, at {shortened(start)}: {error}") from None
        if len(prompt[0]) and len(output[0]):
            found[begins] = prompt, output
    return found


def _second(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds):
        raise ValueError("no second")
    return seconds


def _shares(text: str) -> Shares:
    """Lengths and shares out of `{length: share, ...}`.

    Raises:
        ValueError: it is something else.
    """
    inside = text.strip().removeprefix("{").removesuffix("}").strip()
    pairs = [pair.split(":") for pair in inside.split(",")] if inside else []
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("a length without a share")
    cells = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    tokens, weights = cells[:, 0].astype(np.int64), cells[:, 1]
    sound = (cells >= 0).all() and (cells[:, 0] == tokens).all() and (cells <= MOST_TOKENS).all()
    if len(tokens) and not (sound and weights.sum() > 0):
        raise ValueError("lengths or shares out of range")
    return tokens, weights / weights.sum() if len(tokens) else weights


def _drawn(
    window: Window, width_s: float, lengths: Mapping[float, tuple[Shares, Shares]], generator: np.random.Generator
) -> tuple[NDArray[Any], ...]:
    """Times, prompts and answers of a window: gaps of its law, stretched so that all of them fill it."""
    count = window.requests
    shape = window.shape if window.shape > 0 else 1.0
    gaps = (
        generator.weibull(shape, count + 1) if window.law == "Weibull" else generator.standard_gamma(shape, count + 1)
    )
    total = gaps.sum()
    at = np.cumsum(gaps[:-1]) / total * width_s if total > 0 else generator.random(count) * width_s
    begun = [start for start in lengths if start <= window.start_s]
    prompt, output = lengths[max(begun) if begun else min(lengths)]
    drawn = (generator.choice(tokens, count, p=shares) for tokens, shares in (prompt, output))
    return window.start_s + at, *drawn
