"""Buckets against arithmetic by hand, and what they conserve."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from infermodel.workload.quotas import Buckets, RateLimit, most_tokens

FREE = (RateLimit(60, 30, 60_000), RateLimit(3600, 900, 1_000_000), RateLimit(86400, 14_400, 1_000_000))


def test_the_31st_request_of_a_minute_waits_for_the_next() -> None:
    key = Buckets(FREE)
    assert [key.take(second, 100) for second in range(30)] == list(range(30))
    assert key.take(45.0, 100) == 60.0
    assert key.take(60.0, 100) == 60.0


def test_the_901st_request_of_an_hour_waits_for_the_next() -> None:
    key = Buckets(FREE)
    for minute in range(30):  # 30 x 30 = 900
        assert all(key.take(60 * minute + second, 10) == 60 * minute + second for second in range(30))
    assert key.take(1800.0, 10) == 3600.0


def test_60_000_tokens_a_minute_and_not_one_more() -> None:
    key = Buckets(FREE)
    assert key.take(0.0, 59_999) == 0.0
    assert key.take(1.0, 2) == 60.0
    assert key.take(1.0, 1) == 1.0


def test_what_is_refused_costs_nothing() -> None:
    key = Buckets((RateLimit(60, 2, 100),))
    assert key.take(0.0, 90) == 0.0
    assert key.take(1.0, 20) == 60.0
    assert key.take(2.0, 10) == 2.0  # both requests and all tokens are gone now, by two taken ones
    assert key.take(3.0, 1) == 60.0


def test_what_no_bucket_holds_is_never_taken() -> None:
    assert Buckets(FREE).take(0.0, 60_001) == inf


def test_a_free_key_gets_a_million_tokens_a_day_and_not_one_more() -> None:
    # A client that takes whatever it can get, in requests of 6,000 tokens and of 1,000 where those are too large.
    key, at, taken = Buckets(FREE), 0.0, 0
    while at < 86400:
        again = []
        for tokens in (6000, 1000):
            while (time := key.take(at, tokens)) == at:
                taken += tokens
            again.append(time)
        at = min(again)
    assert taken == 1_000_000 == most_tokens(FREE, 86400)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 90)), max_size=200))
def test_no_period_gives_more_than_its_limits(asked: list[tuple[float, int]]) -> None:
    limits = (RateLimit(10, 3, 100), RateLimit(60, 9, 250))
    key, at = Buckets(limits), 0.0
    taken: list[tuple[float, int]] = []
    for gap_s, tokens in asked:
        at += gap_s
        if key.take(at, tokens) == at:
            taken.append((at, tokens))
    for limit in limits:
        for period in range(int(at // limit.period_s) + 1):
            inside = [n for t, n in taken if t // limit.period_s == period]
            assert len(inside) <= limit.requests
            assert sum(inside) <= limit.tokens


def test_most_tokens_of_the_free_tier() -> None:
    # An hour: 60 x 60,000 by the minute, 1,000,000 by the hour and by the day.
    assert most_tokens(FREE, 3600) == 1_000_000
    # Requests of 500 tokens: 30 a minute, 900 an hour.
    assert most_tokens(FREE, 60, 500) == 15_000
    assert most_tokens(FREE, 3600, 500) == 450_000
