"""Turns of conversations: which request follows which, and what text its prompt takes over.

A turn's prompt is the whole text so far and what is new; logs write its length either whole or as what is new alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import count, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCK_TOKENS = 16
"""Of a block of text that has an id, where a log has none: what is shared is rounded down to whole ones."""

WHOLE_PROMPTS = 0.9
"""Share of turns at least as long as the text before them, from which lengths are taken for those of whole prompts."""

Rows = NDArray[np.int64]


def before(sessions: Sequence[Hashable | None], times: NDArray[np.float64]) -> Rows:
    """The row of the turn before each, by time; -1 where there is none.

    >>> before(["a", "b", "a", None, "a"], np.array([3.0, 1.0, 2.0, 0.0, 9.0])).tolist()
    [2, -1, -1, -1, 0]
    """
    latest: dict[Hashable, int] = {}
    found = np.full(len(times), -1, dtype=np.int64)
    for row in np.argsort(times, kind="stable").tolist():
        session = sessions[row]
        if session is not None:
            found[row] = latest.get(session, -1)
            latest[session] = row
    return found


def whole(prompts: Rows, outputs: Rows, after: Rows) -> bool:
    """Whether lengths are those of whole prompts: hardly any turn is shorter than the text before it."""
    turns = np.flatnonzero(after >= 0)
    earlier = after[turns]
    longer = prompts[turns] >= prompts[earlier] + outputs[earlier]
    return bool(longer.mean() >= WHOLE_PROMPTS) if len(turns) else True


def conversations(
    path: Path, sessions: Sequence[Hashable | None], times: NDArray[np.float64], prompts: Rows, outputs: Rows
) -> tuple[tuple[tuple[int, ...], ...] | None, list[str]]:
    """Ids of the blocks of prompts and answers of a log that names its sessions, and what is to be said of them; no ids
    where no session has a second turn, or where turns are too short to have the text before them in their prompts.
    """
    after = before(sessions, times)
    turns = int((after >= 0).sum())
    named = f"{path.name}: {len({each for each in sessions if each is not None}):,} sessions"
    if not turns:
        return None, []
    if not whole(prompts, outputs, after):
        return None, [f"{named}; prompts are shorter than the text before them, and played as texts of their own"]
    order = np.argsort(times, kind="stable")
    said = f"{named}; {turns:,} turns begin with the text before them, and come at their times"
    return text_ids(prompts, outputs, after, order), [said]


def accumulated(prompts: Rows, outputs: Rows, after: Rows) -> Rows:
    """Whole prompts of turns that are told by what is new; a turn stands below the one that it follows.

    >>> accumulated(np.array([100, 30, 30]), np.array([20, 10, 5]), np.array([-1, 0, 1])).tolist()
    [100, 150, 190]
    """
    total = prompts.tolist()
    for row, earlier in enumerate(after.tolist()):
        if earlier >= 0:
            total[row] += total[earlier] + int(outputs[earlier])
    return np.array(total, dtype=np.int64)


def text_ids(
    prompts: Rows, outputs: Rows, after: Rows, order: Rows, begins: Sequence[tuple[int, ...]] | None = None,
    block_tokens: int = BLOCK_TOKENS,
) -> tuple[tuple[int, ...], ...]:  # fmt: skip
    """Ids of the full blocks of each prompt and answer: a turn begins with those of the text before it, if it is at
    least as long.

    Args:
        order: rows, earlier turns before later ones.
        begins: ids that the log has of the prompts of first turns; None: it has none.

    >>> text_ids(np.array([32, 64]), np.array([16, 1]), np.array([-1, 0]), np.array([0, 1]))
    ((0, 1, 2), (0, 1, 2, 3))
    """
    fresh = count(1 + max((max(ids, default=-1) for ids in begins or ()), default=-1))
    found: list[tuple[int, ...]] = [()] * len(prompts)
    for row in order.tolist():
        earlier, blocks = int(after[row]), int(prompts[row] + outputs[row]) // block_tokens
        known: tuple[int, ...] = ()
        if earlier < 0:
            known = begins[row][: int(prompts[row]) // block_tokens] if begins else ()
        elif prompts[row] >= prompts[earlier] + outputs[earlier]:
            known = found[earlier]
        found[row] = (*known, *islice(fresh, blocks - len(known)))
    return tuple(found)
