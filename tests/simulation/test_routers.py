"""Routers that look at prompts, and those that look at two replicas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel

from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, Outage, one_pool, simulate
from infermodel.simulation.pool.load import LoadIndex
from infermodel.simulation.pool.router import ROUTERS, least_kv_used, two_choices, uniform_random
from infermodel.simulation.pool.unread import Unread
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.queues import Columns
from infermodel.tables import RequestTable
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import TraceTraffic

SECOND = AffineModel(1.0, kv_tokens=800, block_tokens=4)


def routed(rows: list[tuple[float, int, int, int]], outages: tuple[Outage, ...] = ()) -> RequestTable:
    """Requests of (arrival, prompt, output, name of the prompt) on two replicas that keep prefixes."""
    arrived, prompts, outputs, names = (np.array(column) for column in zip(*rows, strict=True))
    trace = TraceTraffic(Requests(arrived.astype(float), prompts, outputs, 0 * names, names))
    limits = Limits(8, 64, 400, prefix_caching=True)
    spec = one_pool("s", SECOND, trace, limits, replicas=2, systems=2, router="prefix_aware", outages=outages)
    (record,) = simulate([spec], 1, Horizon())
    check_laws(record)
    return record.requests


def test_a_prompt_goes_where_it_lies_unless_too_much_waits_there() -> None:
    """At once 40 tokens to replica 0 and 40 others to 1, where less waits. Later, when both are idle: each prompt goes
    to where it lies, for 36 of its tokens are found there. At last 60 tokens that lie nowhere go to replica 0, which so
    has 60 to read; 4 of the first prompt beside them are more than the 40 on the other replica.
    """
    rows = [(0.0, 40, 2, 1), (0.0, 40, 2, 2), (20.0, 40, 2, 2), (20.0, 40, 2, 1), (20.0, 40, 2, 2)]
    rows += [(40.0, 60, 2, 3), (40.0, 40, 2, 1)]
    table = routed(rows)
    assert table.replica.tolist() == [0, 1, 1, 0, 1, 0, 1]
    assert table.cached_tokens.tolist() == [0, 0, 36, 36, 36, 0, 0]


def test_what_is_held_counts_as_what_is_to_be_read() -> None:
    """A long answer holds 100 tokens and more on replica 0: 80 of a prompt are less work than 4 of it beside them."""
    rows = [(0.0, 80, 1, 1), (10.0, 100, 50, 2), (20.0, 80, 2, 1)]
    assert routed(rows).replica.tolist() == [0, 0, 1]


def test_prompts_that_an_outage_sends_elsewhere_count_there() -> None:
    """Replica 0 goes down at 0.5 s with 40 tokens to read, which replica 1 reads after its own; back at 2 s it has
    nothing to read, and gets what comes.
    """
    rows = [(0.0, 40, 9, 1), (0.0, 40, 9, 2), (3.0, 40, 2, 3), (3.0, 40, 2, 4)]
    table = routed(rows, (Outage(0, 0.5, 1.5),))
    assert table.replica.tolist() == [1, 1, 0, 0]


def test_a_router_that_chooses_a_replica_that_is_down_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROUTERS, "prefix_aware", lambda request, pool: 0)
    with pytest.raises(RuntimeError, match="router 'prefix_aware' chose replica 0, which is not up"):
        routed([(1.0, 40, 2, 1)], (Outage(0, 0.5, 1.5),))


class View:
    """A `PoolView`, of replicas with so many unfinished requests each; what routers are shown anew stands here too."""

    def __init__(self, counts: list[int], up: Sequence[int]) -> None:
        self.load, self.random, self.turn = LoadIndex(len(counts)), np.random.default_rng(1), 0
        self.unread, self._up, self._log = Unread(len(counts)), up, RequestLog()
        self.homes: dict[int, int] = {}
        self.load.counts[:] = counts
        self.used = [0.0] * len(counts)  # share of each replica's KV memory

    @property
    def up(self) -> Sequence[int]:
        return self._up

    @property
    def columns(self) -> Columns:
        return self._log

    def kv_used(self, replica: int) -> float:
        return self.used[replica]

    def kv_tokens(self, replica: int) -> int:
        return 0

    def cached_tokens(self, replica: int, request: int) -> int:
        return 0


def test_two_choices_takes_the_lighter_of_any_two() -> None:
    """Of the three pairs of replicas 0, 1 and 3 the lightest is in two, the heaviest is never chosen; equals share."""
    view, within = View([2, 5, 0, 1], [0, 1, 3]), 3 * np.sqrt(3000 * 2 / 9)
    chosen = Counter(two_choices(0, view) for _ in range(3000))
    assert set(chosen) == {0, 3}
    assert abs(chosen[3] - 2000) < within
    equal = View([1, 1, 1, 1], [0, 1, 3])
    shares = Counter(two_choices(0, equal) for _ in range(3000))
    assert all(abs(shares[each] - 1000) < within for each in (0, 1, 3))
    assert two_choices(0, View([9, 0], [0])) == 0


def test_any_replica_that_is_up_is_as_likely_as_any_other() -> None:
    view = View([9, 0, 0, 9], [0, 1, 3])
    chosen = Counter(uniform_random(0, view) for _ in range(3000))
    assert set(chosen) == {0, 1, 3}
    assert all(abs(times - 1000) < 3 * np.sqrt(3000 * 2 / 9) for times in chosen.values())


def test_the_emptiest_memory_of_those_up_is_chosen_the_lowest_number_of_equals() -> None:
    view = View([0, 9, 9, 9], [0, 1, 3])
    view.used[:] = [0.5, 0.3, 0.1, 0.3]
    assert least_kv_used(0, view) == 1
