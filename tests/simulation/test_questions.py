"""Questions of several calls: answer times by hand, what is conserved, how a run ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel

from infermodel.metrics.laws import check_laws
from infermodel.metrics.questions import question_summary
from infermodel.metrics.steady import Window
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import REJECTED, ServiceRecord
from infermodel.workload.arrivals import Constant, Offline, Poisson
from infermodel.workload.lengths import Fixed, Uniform
from infermodel.workload.quotas import RateLimit, RateLimits, Tenant
from infermodel.workload.sessions import BestOf, Chain, Pattern, SessionTraffic, TreeSearch
from infermodel.workload.traffic import ThinkTime

CHAIN = Chain(Fixed(4), Fixed(10), Fixed(30), ThinkTime(2.0))


def asked(pattern: Pattern, count: int = 1, **changes: Any) -> ServiceRecord:
    """Questions of 100 tokens, all at once, on a replica whose steps take 10 ms whatever is in them."""
    traffic = SessionTraffic(Offline(count), Fixed(100), pattern)
    options = {"ingress_s": 0.004, "egress_s": 0.002, **changes}
    spec = one_pool("s", AffineModel(), traffic, Limits(64, 100_000, 8192, prefix_caching=True), **options)
    (record,) = simulate([spec], 1, Horizon())
    check_laws(record)
    return record


def test_each_call_s_prompt_is_tokenised() -> None:
    # Prompts of 100, 140, 180 and 220 tokens, a millisecond each: 0.64 s more.
    plain, tokenised = (asked(CHAIN, tokenise_s=each).questions for each in (0.0, 0.001))
    assert plain is not None
    assert tokenised is not None
    assert tokenised.answered_at[0] - plain.answered_at[0] == pytest.approx(0.640)


def test_a_chain_takes_its_calls_and_its_tools_one_after_the_other() -> None:
    # A call: 4 ms in, a step for the prompt and nine for the rest of 10 tokens, 2 ms out. Three tools of 2 s.
    table = asked(CHAIN).questions
    assert table is not None
    assert table.answered_at[0] == pytest.approx(4 * (0.004 + 10 * 0.010 + 0.002) + 3 * 2.0)
    assert table.calls.tolist() == [4]
    assert table.output_tokens.tolist() == [40]
    assert table.prompt_tokens.tolist() == [100 + 140 + 180 + 220]  # each reads 10 written and 30 added tokens more


def test_best_of_is_two_calls_long() -> None:
    table = asked(BestOf(5, Fixed(10), Fixed(20))).questions
    assert table is not None
    assert table.answered_at[0] == pytest.approx(2 * 0.006 + 10 * 0.010 + 20 * 0.010)
    assert table.prompt_tokens.tolist() == [5 * 100 + 150]


def test_a_tree_is_as_long_as_it_is_deep() -> None:
    record = asked(TreeSearch(3, 4, 2, Fixed(10)))
    table = record.questions
    assert table is not None
    assert table.answered_at[0] == pytest.approx(3 * (0.006 + 10 * 0.010))
    assert table.calls.tolist() == [4 + 2 * 4 + 2 * 4] == [len(record.requests)]


def test_calls_find_what_was_read_before() -> None:
    # The second prompt of 140 tokens begins with the first one of 100: six whole blocks of 16.
    record = asked(CHAIN)
    # Prompt and answer before it: 0, 110, 150 and 190 tokens, of which the last was never computed.
    assert record.requests.cached_tokens.tolist() == [0, 96, 144, 176]


def test_a_call_that_is_refused_ends_its_question() -> None:
    limits = RateLimits((Tenant("free", limits=(RateLimit(1e6, tokens=400),)),), backs_off=False)
    record = asked(CHAIN, rate_limits=limits)
    table = record.questions
    assert table is not None
    assert np.isnan(table.answered_at[0])
    assert record.requests.status.tolist()[-1] == REJECTED
    assert len(record.requests) == 3  # 110 and 150 tokens are taken, 190 more are too many


patterns = st.sampled_from(
    [
        Chain(Uniform(1, 5), Uniform(1, 30), Uniform(1, 20), ThinkTime(0.3)),
        BestOf(4, Uniform(1, 30), Fixed(5)),
        BestOf(3, Uniform(1, 30)),
        TreeSearch(3, 3, 2, Uniform(1, 20)),
    ]
)


@settings(max_examples=40, deadline=None)
@given(patterns, st.floats(0.2, 8), st.integers(1, 8), st.booleans(), st.integers(0, 1000))
def test_every_measured_question_is_answered_and_leaps_equal_steps(
    pattern: Pattern, rate: float, seats: int, caching: bool, seed: int
) -> None:
    traffic = SessionTraffic(Poisson(rate), Uniform(1, 50), pattern)
    limits = Limits(seats, 64, 1000, prefix_caching=caching)
    spec = one_pool("s", AffineModel(per_context_s=1e-6), traffic, limits, replicas=2, ingress_s=0.004)
    horizon = Horizon(duration_s=5.0, drain_s=1e6)
    one, other = (simulate([spec], seed, horizon, stepping=each)[0] for each in ("leap", "every"))
    check_laws(one)
    np.testing.assert_array_equal(one.requests.last_token_at, other.requests.last_token_at)
    table = one.questions
    assert table is not None
    measured = table.arrived_at < 5.0
    assert not np.isnan(table.answered_at[measured]).any()
    assert len(one.requests) >= table.calls[measured].sum()
    assert (np.diff(one.requests.arrived_at) >= 0).all()
    summary = question_summary(one, Window(0.0, 5.0))
    assert summary is not None
    assert summary.asked == summary.answered == measured.sum()


def test_rates_and_times_of_a_summary() -> None:
    record = asked(CHAIN, 3)
    summary = question_summary(record, Window(0.0, 10.0))
    assert summary is not None
    assert summary.answered_per_hour == 3 / 10 * 3600
    assert summary.answer_time_p50_s == pytest.approx(6.424)
    assert (summary.calls_mean, summary.input_tokens_mean, summary.output_tokens_mean) == (4, 640, 40)


def test_a_run_of_so_many_requests_counts_calls() -> None:
    """A question every 10 s, four calls within seven seconds each: ten are two questions and half of one."""
    spec = one_pool("s", AffineModel(0.001), SessionTraffic(Constant(0.1), Fixed(100), CHAIN), Limits(8, 512, 1000))
    (record,) = simulate([spec], 1, Horizon(requests=10))
    table = record.questions
    assert table is not None
    assert table.arrived_at.tolist() == [0.0, 10.0, 20.0]
    assert len(record.requests) == 12  # the third, asked while calls were counted, is worked on to its end
    assert not np.isnan(table.answered_at).any()
