"""Which rank of data-parallel attention gets a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from infermodel.engine import RankRouting

RankRouter = Callable[[int, Sequence[int], Sequence[int]], int]
"""From (how many requests the replica got before, requests that wait for each rank, those that run there) to a rank."""


def in_flight(turn: int, waiting: Sequence[int], running: Sequence[int]) -> int:
    """The rank with the fewest unfinished requests; of equals the first from the one whose turn it is.

    Source: vLLM 0.33.0, `DPLBAsyncMPClient`, one API server. Not played: that it shuns ranks where somebody waits and
    more than half of the memory is taken, by a count that is up to 0.1 s old.

    >>> [in_flight(turn, (0, 0, 1), (1, 1, 1)) for turn in (0, 1, 2)]
    [0, 1, 0]
    """
    ranks = len(waiting)
    first = [(turn + i) % ranks for i in range(ranks)]
    return min(first, key=lambda rank: waiting[rank] + running[rank])


def weighted(turn: int, waiting: Sequence[int], running: Sequence[int]) -> int:
    """The rank with the fewest requests, those that wait counted four times; the first of equals.

    Source: vLLM 0.10. Counts there are up to 0.1 s old, but for what the API server itself has sent since.

    >>> weighted(0, (1, 0), (0, 3)), weighted(0, (1, 0), (0, 4))
    (1, 0)
    """
    return min(range(len(waiting)), key=lambda rank: 4 * waiting[rank] + running[rank])


def in_turn(turn: int, waiting: Sequence[int], running: Sequence[int]) -> int:
    """Each rank in turn. Source: SGLang 0.5.23, `load_balance_method: auto`."""
    return turn % len(waiting)


def at_random(random: np.random.Generator) -> RankRouter:
    """Any rank with the same probability. Source: SGLang 0.5.23 where it reads prompts for another pool: the rank is
    `bootstrap_room` modulo their number, and the room is drawn.
    """

    def drawn(turn: int, waiting: Sequence[int], running: Sequence[int]) -> int:
        return int(random.integers(len(waiting)))

    return drawn


RANK_ROUTERS: Mapping[RankRouting, RankRouter] = {"in_flight": in_flight, "weighted": weighted, "round_robin": in_turn}
"""Those that draw nothing."""
