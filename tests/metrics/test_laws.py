"""Each law catches a record that breaks it, and lets sound ones pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.hand_records import in_pool, one_at_a_time

from infermodel.metrics.laws import LAWS, BrokenLaw, check_laws, parts_sum_to, waited_through
from infermodel.metrics.statement import TOLERANCE
from infermodel.tables import REJECTED, UNFINISHED, ServiceRecord, StateTable, Timeline

Break = Callable[[ServiceRecord], ServiceRecord]


def sound() -> ServiceRecord:
    """Twenty requests of 100 tokens and 1 to 20 more, some of which queue."""
    return one_at_a_time(np.cumsum(np.tile([2.0, 9.0, 4.0, 1.0], 5)), list(range(1, 21)), idle_after_s=7.0)


def test_a_sound_record_passes_with_small_deviations() -> None:
    checked = check_laws(sound())
    assert [each.law for each in checked] == list(LAWS)
    assert max(each.deviation for each in checked) < 1e-12


def column(record: ServiceRecord, name: str, change: Callable[[np.ndarray], np.ndarray]) -> ServiceRecord:
    """The record with one column of its requests, timeline or totals changed."""
    if hasattr(record.requests, name):
        return replace(record, requests=replace(record.requests, **{name: change(getattr(record.requests, name))}))
    columns = {**record.timeline.columns, name: change(record.timeline.columns[name])}
    return in_pool(record, timeline=Timeline(record.timeline.edges_s, columns))


def total(record: ServiceRecord, name: str, value: float) -> ServiceRecord:
    return in_pool(record, replica_totals={**record.replica_totals, name: np.array([value])})


def at(index: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    """Replace one entry."""

    def change(values: np.ndarray) -> np.ndarray:
        changed = values.copy()
        changed[index] = value
        return changed

    return change


def states(record: ServiceRecord, *rows: tuple[str, float, float]) -> ServiceRecord:
    """The record with these states of its replica."""
    names, start_s, end_s = (np.array(each) for each in zip(*rows, strict=True))
    return in_pool(record, states=StateTable(np.zeros(len(rows), np.int64), names, start_s, end_s))


BREAKS: list[tuple[str, Break]] = [
    ("requests conserved", lambda r: column(r, "status", at(3, 7))),
    ("requests conserved", lambda r: column(r, "status", at(3, UNFINISHED))),
    ("requests conserved", lambda r: column(r, "finished_at", at(3, np.nan))),
    ("requests conserved", lambda r: column(column(r, "status", at(3, REJECTED)), "finished_at", at(3, np.nan))),
    ("time never runs backwards", lambda r: column(r, "arrived_at", lambda a: a[::-1].copy())),
    ("time never runs backwards", lambda r: column(r, "first_scheduled_at", lambda a: a + 2.0)),
    ("time never runs backwards", lambda r: column(r, "finished_at", lambda a: a - 1e-3)),
    ("time never runs backwards", lambda r: column(r, "admitted_at", at(0, np.nan))),
    ("output tokens conserved", lambda r: column(r, "output_tokens", at(5, 5))),
    ("output tokens conserved", lambda r: total(r, "output_tokens", 209.0)),
    ("prompt tokens conserved", lambda r: column(r, "prompt_tokens", at(0, 101))),
    ("prompt tokens conserved", lambda r: column(r, "cached_tokens", at(0, 16))),
    ("prompt tokens conserved", lambda r: total(r, "prompt_tokens", 2100.0)),
    ("ttft + gaps = last token", lambda r: in_pool(r, gaps=replace(r.gaps, total_s=r.gaps.total_s + 0.5))),
    ("ttft + gaps = last token", lambda r: in_pool(r, gaps=replace(r.gaps, gaps=r.gaps.gaps - 1))),
    ("ttft + gaps = last token", lambda r: in_pool(r, gaps=replace(r.gaps, counts=r.gaps.counts + 1))),
    ("ttft + gaps = last token", lambda r: column(r, "first_token_at", lambda a: a - 0.01)),
    ("Little's law for sequences", lambda r: column(r, "sequence_s", lambda a: 1.01 * a)),
    ("Little's law for sequences", lambda r: column(r, "sequence_s", lambda a: 0.99 * a)),
    ("Little's law for KV blocks", lambda r: column(r, "kv_block_s", lambda a: 2 * a)),
    ("Little's law for KV blocks", lambda r: column(r, "kv_block_s", lambda a: a / 2)),
    ("KV blocks within memory", lambda r: in_pool(r, kv_blocks=6)),
    ("KV blocks within memory", lambda r: total(r, "kv_blocks_left", 1.0)),
    ("busy time = sum of steps", lambda r: total(r, "step_sum_s", 100.0)),
    ("busy time = sum of steps", lambda r: total(r, "busy_s", 100.0)),
    ("busy time = sum of steps", lambda r: column(r, "bound_host_s", lambda a: a + 0.1)),
    ("busy time = sum of steps", lambda r: column(r, "busy_s", at(0, 1.5))),
    ("one state at a time", lambda r: states(r, ("up", 0.0, r.ended_at - 1.0))),
    ("one state at a time", lambda r: states(r, ("up", 0.0, r.ended_at), ("off", 1.0, 3.0))),
    ("one state at a time", lambda r: states(r, ("off", 1.0, r.ended_at), ("up", 0.0, 1.0))),
    ("one state at a time", lambda r: states(r, ("up", 0.0, 5.0), ("off", 5.0, r.ended_at))),
    ("energy = integral of power", lambda r: total(r, "joules", 1.0)),
    ("energy = integral of power", lambda r: column(r, "joules", lambda a: 1.001 * a)),
    ("energy = integral of power", lambda r: total(r, "peak_w", 299.0)),
    ("nothing negative", lambda r: column(r, "flops", at(1, -1.0))),
    ("nothing negative", lambda r: column(r, "bytes", at(1, np.nan))),
]


@pytest.mark.parametrize(("law", "broken"), BREAKS)
def test_each_law_catches(law: str, broken: Break) -> None:
    with pytest.raises(BrokenLaw, match=f"^night run: by hand breaks the law '{law.replace('+', '[+]')}': .*expected"):
        check_laws(broken(sound()), run="night run")


def test_waiting_at_an_idle_replica_is_caught() -> None:
    # busy 1 s in all, yet the second request is left waiting from 10 to 20
    record = one_at_a_time([0.0, 20.0], [1, 1])
    checked = check_laws(record)
    assert checked[list(LAWS).index("nobody waits at an idle replica")].deviation == 0.0
    lazy = column(column(record, "arrived_at", at(1, 10.0)), "admitted_at", at(1, 10.0))
    with pytest.raises(BrokenLaw, match=r"nobody waits at an idle replica.*waiting for replica 0: 10, expected 0 to 2"):
        check_laws(lazy)


def test_memory_may_not_be_negative() -> None:
    with pytest.raises(BrokenLaw, match=r"in use, mean of a bin: -0[.]1, expected 0 to 20"):
        check_laws(column(sound(), "kv_block_s", lambda a: a - 1.0 - a.min()))


def test_down_time_is_no_idle_power() -> None:
    record = sound()
    ended = record.ended_at
    down = total(record, "up_s", ended - 3.0)
    with pytest.raises(BrokenLaw, match="energy = integral of power"):
        check_laws(down)
    edges = np.minimum(record.timeline.edges_s, ended)
    up_s = np.diff(edges)
    up_s[-2] -= 3.0
    columns = {**record.timeline.columns, "up_s": up_s}
    assert check_laws(in_pool(down, timeline=Timeline(record.timeline.edges_s, columns)))


def test_unfinished_requests_may_have_got_any_of_their_tokens() -> None:
    record = sound()
    status = at(19, UNFINISHED)(record.requests.status)
    never = at(19, np.nan)(record.requests.finished_at)
    first = at(19, record.requests.first_token_at[19])(record.requests.last_token_at)
    cut = replace(record, requests=replace(record.requests, status=status, finished_at=never, last_token_at=first))
    assert check_laws(cut)


def test_recomputation_costs_more_prompt_tokens_never_fewer() -> None:
    record = column(sound(), "preemptions", at(2, 1))
    more = column(record, "prompt_tokens", at(0, 100))
    twice = in_pool(
        more,
        timeline=Timeline(
            more.timeline.edges_s,
            {**more.timeline.columns, "prompt_tokens": more.timeline.columns["prompt_tokens"] * 1.5},
        ),
        replica_totals={**more.replica_totals, "prompt_tokens": more.replica_totals["prompt_tokens"] * 1.5},
    )
    assert check_laws(twice)


def test_money_is_the_sum_of_its_parts() -> None:
    parts = {"capital": 12.84, "colocation": 6.16}
    assert parts_sum_to(19.0, parts, "CS-3").law == "money = sum of its parts"
    with pytest.raises(
        BrokenLaw, match="CS-3 breaks the law 'money = sum of its parts': USD of capital, colocation: 19,"
    ):
        parts_sum_to(19.5, parts, "CS-3")


def test_deviation_is_what_rounding_did() -> None:
    nudged = column(sound(), "sequence_s", lambda a: a * (1 + 3e-9))
    deviation = next(each.deviation for each in check_laws(nudged) if each.law == "Little's law for sequences")
    assert deviation == pytest.approx(3e-9, rel=1e-3)
    assert deviation < TOLERANCE


def test_intervals_of_waiting_are_joined_by_replica() -> None:
    replica = np.array([1, 0, 1, 0, 0])
    start = np.array([0.0, 5.0, 1.0, 0.0, 6.0])
    end = np.array([4.0, 9.0, 2.0, 1.0, 7.0])
    assert waited_through(replica, start, end, 3).tolist() == [5.0, 4.0, 0.0]
    assert waited_through(replica[:0], start[:0], end[:0], 2).tolist() == [0.0, 0.0]
