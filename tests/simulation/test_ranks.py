"""Ranks of data-parallel attention: schedulers of their own in lockstep, times worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel

from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, Outage, ServiceSpec, one_pool, simulate
from infermodel.simulation.replica.rank_router import at_random, in_flight, in_turn, weighted
from infermodel.tables import RequestTable, ServiceRecord
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Uniform
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import OpenTraffic, TraceTraffic

LIMITS = Limits(max_sequences=8, max_batched_tokens=64, max_context=1 << 20)
MODEL = AffineModel(1.0, per_prompt_token_s=0.125, kv_tokens=16 * 64, ranks=2)
"""Two ranks: a second a step, and an eighth of one for each token of a prompt."""


def trace(*asked: tuple[float, int, int]) -> TraceTraffic:
    """Requests that come at a time with a prompt and an answer of so many tokens."""
    at, prompts, answers = zip(*asked, strict=True)
    none = np.zeros(len(asked), np.int64)
    return TraceTraffic(Requests(np.array(at, float), np.array(prompts), np.array(answers), none, none - 1))


def played(spec: ServiceSpec) -> ServiceRecord:
    (record,) = simulate([spec], 1, Horizon())
    check_laws(record)
    return record


def times(table: RequestTable) -> list[tuple[float, float]]:
    return list(zip(table.first_token_at.tolist(), table.last_token_at.tolist(), strict=True))


def test_ranks_with_the_same_load_go_as_one_with_its_share() -> None:
    """Every request twice, on two ranks: as each once, on one rank with half of the memory."""
    once = [(0.0, 10, 40), (0.5, 9, 35), (1.0, 12, 30), (3.0, 16, 40), (60.0, 20, 2)]
    model = AffineModel(0.25, 0.125, 2.0**-10, 2.0**-4, 2.0**-12, kv_tokens=16 * 12)
    one = one_pool("one", replace(model, kv_tokens=16 * 6), trace(*once), LIMITS)
    two = one_pool("two", replace(model, ranks=2), trace(*[each for each in once for _ in range(2)]), LIMITS)
    alone, both = played(one).requests, played(two).requests
    assert alone.preemptions.sum() > 0
    assert times(both)[::2] == times(both)[1::2] == times(alone)
    assert both.preemptions[::2].tolist() == both.preemptions[1::2].tolist() == alone.preemptions.tolist()


def test_the_slowest_rank_sets_the_step() -> None:
    """Rank 0 reads 24 tokens, 1 + 3 s, rank 1 reads 8, 1 + 1 s: both have their first tokens after 4 s. Then a second
    each: the second token of the one at 5 s, the second and third of the other at 5 and 6 s.
    """
    spec = one_pool("ranks", MODEL, trace((0.0, 24, 2), (0.0, 8, 3)), LIMITS)
    record = played(spec)
    assert times(record.requests) == [(4.0, 5.0), (4.0, 6.0)]
    assert record.replica_totals["steps"].tolist() == [3.0]


def test_an_idle_rank_runs_along() -> None:
    """One on rank 0, 1 + 1 s for its prompt, then a second a token until 11 s. Another comes at 4.5 s, to rank 1, which
    runs along until 5 s; its prompt makes the step from then on last 1 + 2 s, for both.
    """
    spec = one_pool("ranks", MODEL, trace((0.0, 8, 8), (4.5, 16, 1)), LIMITS)
    assert times(played(spec).requests) == [(2.0, 11.0), (8.0, 8.0)]


def test_a_newcomer_misses_the_step_that_its_rank_has_composed_but_not_an_idle_ranks() -> None:
    """Steps of a second, composed ahead. One runs on rank 0 from 0 s on. At 1.5 s one comes to rank 1, which composes
    at 2 s: 3 s. At 1.5 s another comes, to rank 0 whose step from 2 s is composed: it is in that from 3 s.
    """
    ahead = replace(LIMITS, schedules_ahead=True)
    spec = one_pool("ranks", AffineModel(1.0, ranks=2), trace((0.0, 8, 9), (1.5, 8, 1), (1.5, 8, 1)), ahead)
    assert times(played(spec).requests) == [(1.0, 9.0), (3.0, 3.0), (4.0, 4.0)]


@pytest.mark.parametrize(
    ("waits", "both", "first_tokens"),
    [
        (0, False, [6.0]),  # it joins at 4 s: 1 + 1 s
        (10, False, [13.0]),  # nine steps after that from 2 s on, the first in which both decode, at 11 s
        (10, True, [10.0, 10.0]),  # at 8 s both ranks have a prompt
    ],
)
def test_a_rank_with_a_prompt_waits_until_all_have_one(waits: int, both: bool, first_tokens: list[float]) -> None:
    """One decodes on each rank from 2 s on, a second a step. At 3.5 s one comes to rank 0, at 7.5 s one to rank 1. That
    prompts gather is a rule of engines without ranks.
    """
    limits = replace(LIMITS, ranks_wait_steps=waits, batch_wait_steps=3, batch_wait_share=0.9)
    asked = [(0.0, 8, 30), (0.0, 8, 30), (3.5, 8, 1), (7.5, 8, 1)]
    spec = one_pool("ranks", MODEL, trace(*asked[: 3 + both]), limits)
    assert played(spec).requests.first_token_at.tolist() == [2.0, 2.0, *first_tokens]


@pytest.mark.parametrize(("ranks", "last"), [(1, 8.0), (2, 4.0), (4, 2.0)])
def test_seats_are_of_a_rank(ranks: int, last: float) -> None:
    """Eight answers of a token, one seat a rank, a second each."""
    limits = replace(LIMITS, max_sequences=1)
    spec = one_pool("ranks", AffineModel(1.0, ranks=ranks), trace(*[(0.0, 8, 1)] * 8), limits)
    assert played(spec).requests.last_token_at.max() == last


@pytest.mark.parametrize(("ranks", "first"), [(1, 4.0), (2, 2.0), (4, 1.0)])
def test_the_token_budget_is_of_a_rank(ranks: int, first: float) -> None:
    """Four prompts of 64 tokens, 64 tokens a step."""
    spec = one_pool("ranks", AffineModel(1.0, ranks=ranks), trace(*[(0.0, 64, 1)] * 4), LIMITS)
    assert played(spec).requests.first_token_at.max() == first


def test_memory_is_of_a_rank() -> None:
    """64 blocks of 16: two ranks of 32. 511 tokens and 2 more fit into 512: the last is never kept; 514 do not."""
    spec = one_pool("ranks", MODEL, trace((0.0, 511, 2), (0.0, 512, 2)), LIMITS)
    record = played(spec)
    assert record.requests.status.tolist() == [0, 2]
    assert record.pool.kv_blocks == 64


def test_what_ranks_hold_when_power_goes_is_computed_again() -> None:
    """Two on two ranks, 8 tokens each, first tokens at 2 s. Power is off at 3.5 s for 1.5 s: both have two tokens, and
    go on from 10 tokens, 1 + 1.25 s, at 7.25 s.
    """
    spec = one_pool("ranks", MODEL, trace((0.0, 8, 3), (0.0, 8, 3)), LIMITS, outages=(Outage(0, 3.5, 1.5),))
    assert times(played(spec).requests) == [(2.0, 7.25)] * 2


def test_who_gets_a_request() -> None:
    """vLLM 0.33: fewest unfinished, ties from the one whose turn it is; 0.10: four times who waits; SGLang: in turn."""
    assert [in_flight(turn, (0, 0, 0), (1, 0, 0)) for turn in range(4)] == [1, 1, 2, 1]
    assert [weighted(turn, (1, 0, 0), (0, 5, 3)) for turn in range(2)] == [2, 2]
    assert [in_turn(turn, (9, 0, 0), (9, 0, 0)) for turn in range(4)] == [0, 1, 2, 0]


def test_a_number_that_is_drawn_deals_unevenly() -> None:
    """Of eight ranks with two requests each on average the busiest has four to five."""
    route, nobody = at_random(np.random.default_rng(1)), (0,) * 8
    ranks = np.array([route(turn, nobody, nobody) for turn in range(16_000)])
    assert np.abs(np.bincount(ranks) - 2000).max() < 5 * np.sqrt(16_000 * 7 / 64)
    busiest = [np.bincount(batch, minlength=8).max() for batch in ranks.reshape(-1, 16)]
    assert 4 < np.mean(busiest) < 5


def test_a_run_of_many_ranks_has_no_event_for_each() -> None:
    """Of the same requests at the same rate a rank, 16 ranks ring as often as they step, not 16 times as often."""
    traffic = OpenTraffic(Poisson(64.0), Uniform(5, 40), Uniform(5, 40))
    spec = one_pool("ranks", AffineModel(0.01, 1e-4, ranks=16), traffic, LIMITS)
    (record,) = simulate([spec], 1, Horizon(requests=2000))
    assert record.events <= record.replica_totals["steps"].sum() + 2 * len(record.requests)
