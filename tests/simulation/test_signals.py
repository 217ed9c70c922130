"""Routers that keep sessions where they were, and those that see replicas as they were at the last reading."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel

from infermodel.formats.columns import trace_columns
from infermodel.formats.turns import text_ids
from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, Outage, one_pool, simulate
from infermodel.tables import RequestTable
from infermodel.workload.lengths import Uniform
from infermodel.workload.requests import Requests
from infermodel.workload.trace import requests_of
from infermodel.workload.traffic import ClosedTraffic, ThinkTime, TraceTraffic

SECOND = AffineModel(1.0, kv_tokens=4000, block_tokens=4)
LINEAR = AffineModel(0.01, per_sequence_s=0.003, per_prompt_token_s=2e-4, kv_tokens=4000, block_tokens=4)


def played(
    requests: Requests,
    router: str,
    *,
    model: AffineModel = LINEAR,
    replicas: int = 3,
    signals_every_s: float = 0.0,
    outages: tuple[Outage, ...] = (),
) -> RequestTable:
    """On replicas that keep prefixes, each on a system of its own."""
    limits = Limits(6, 64, 1000, prefix_caching=True)
    spec = one_pool(
        "s", model, TraceTraffic(requests), limits, replicas, replicas, router=router, outages=outages,
        signals_every_s=signals_every_s,
    )  # fmt: skip
    (record,) = simulate([spec], 1, Horizon())
    check_laws(record)
    return record.requests


class Talk(NamedTuple):
    """A conversation: when it begins, and the tokens of its answers."""

    at_s: float
    answers: tuple[int, ...]


def log_of(talks: Sequence[Talk]) -> Requests:
    """Each turn reads its conversation so far and 30 tokens more, half a second after the answer."""
    rows: list[tuple[float, int, int, int]] = []
    for talk in talks:
        text = 0
        for turn, answer in enumerate(talk.answers):
            rows.append((talk.at_s, text + 30, answer, len(rows) - 1 if turn else -1))
            text += 30 + answer
    at_s, prompts, answers, after = (np.array(column) for column in zip(*rows, strict=True))
    log = trace_columns(
        Path("log"), at_s, prompts, answers, hash_ids=text_ids(prompts, answers, after, np.arange(len(rows))),
        hash_block_tokens=16, hash_answers=True, after=after, wait_s=np.where(after < 0, 0.0, 0.5),
    )  # fmt: skip
    return requests_of(log)


def test_sessions_that_stay_are_queues_of_their_own() -> None:
    """Each replica alone with the conversations that went to it does the same to the bit."""
    draw = np.random.default_rng(1)
    at_s = np.cumsum(draw.exponential(0.08, 40)).tolist()
    talks = [Talk(at, tuple(draw.integers(5, 40, draw.integers(1, 5)).tolist())) for at in at_s]
    whole = played(log_of(talks), "session_affinity")
    home = {at: int(replica) for at, replica in zip(whole.arrived_at, whole.replica, strict=True)}
    assert {home[talk.at_s] for talk in talks} == {0, 1, 2}
    assert whole.cached_tokens.sum() > 0
    for replica in range(3):
        own = [talk for talk in talks if home[talk.at_s] == replica]
        alone, there = played(log_of(own), "session_affinity", replicas=1), whole.replica == replica
        for name in ("arrived_at", "prompt_tokens", "admitted_at", "first_token_at", "last_token_at", "cached_tokens"):
            assert getattr(alone, name).tobytes() == getattr(whole, name)[there].tobytes(), name


def test_a_session_moves_when_its_home_fails_and_stays_there() -> None:
    """Turns take four steps of a second, half a second after each other; replica 0 is down from 4.2 to 8.2 s."""
    talks = [Talk(0.0, (4, 4, 4))]
    found = played(log_of(talks), "session_affinity", model=SECOND, replicas=2, outages=(Outage(0, 4.2, 4.0),))
    assert found.arrived_at == pytest.approx([0.0, 4.5, 9.0])
    assert found.replica.tolist() == [0, 1, 1]


def test_users_of_a_closed_loop_are_sessions() -> None:
    """A request that comes a tenth of a second after an answer goes where that came from."""
    traffic = ClosedTraffic(4, Uniform(20, 60), Uniform(10, 90), ThinkTime(0.1), start="together")

    def stay(router: str) -> bool:
        (record,) = simulate(
            [one_pool("s", LINEAR, traffic, Limits(6, 64, 1000), 2, router=router)], 1, Horizon(requests=60)
        )
        table = record.requests
        came_from = {round(at + 0.1, 9): where for at, where in zip(table.finished_at, table.replica, strict=True)}
        later = [(came_from[round(table.arrived_at[k], 9)], table.replica[k]) for k in range(4, 60)]
        return all(before == now for before, now in later)

    assert stay("session_affinity")
    assert not stay("least_outstanding")


def single(rows: Sequence[tuple[float, int, int]]) -> Requests:
    """Requests of (arrival, prompt, answer) that have nothing in common."""
    at_s, prompts, answers = (np.array(column) for column in zip(*rows, strict=True))
    none = np.zeros(len(rows), np.int64)
    return Requests(at_s.astype(float), prompts, answers, none, none - 1)


def test_what_was_read_is_old() -> None:
    """Steps of a second, answers of 100. Read at 10, 20, 30: nobody; three on replica 0; two more on replica 1."""
    rows = [(at, 8, 100) for at in (1.0, 2.5, 9.5, 10.5, 19.5, 20.5, 29.5, 30.5)]
    found = played(single(rows), "least_outstanding", model=SECOND, replicas=2, signals_every_s=10.0)
    assert found.replica.tolist() == [0, 0, 0, 1, 1, 1, 1, 0]


def test_a_pool_that_is_empty_is_known_to_be() -> None:
    """An answer of five tokens is gone by 7 s; read at 10 s. At 24 s both are known to be empty without a look."""
    rows = [(1.5, 8, 5), (8.5, 8, 5), (24.5, 8, 5), (24.6, 8, 5)]
    found = played(single(rows), "least_kv_used", model=SECOND, replicas=2, signals_every_s=10.0)
    assert found.replica.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("router", ["least_outstanding", "least_kv_used", "prefix_aware", "two_choices"])
def test_signals_without_age_are_those_of_now(router: str) -> None:
    """Readings at every quarter of a second, and nobody comes at any other moment."""
    draw = np.random.default_rng(5)
    at_s = np.cumsum(draw.integers(0, 2, 160)) * 0.25
    at_s = np.unique(at_s)[:80]
    rows = list(
        zip(at_s.tolist(), draw.integers(4, 200, 80).tolist(), draw.integers(2, 120, 80).tolist(), strict=False)
    )
    fresh, old, blind = (played(single(rows), router, signals_every_s=every_s) for every_s in (0.0, 0.25, 100.0))
    for column in ("replica", "first_token_at", "last_token_at"):
        assert getattr(old, column).tobytes() == getattr(fresh, column).tobytes(), column
    assert blind.replica.tolist() != fresh.replica.tolist()
