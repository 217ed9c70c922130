"""How a rate is told: by the load, by Little's law, over the time with work."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from tests.metrics.hand_records import one_at_a_time

from infermodel.metrics.confidence import fewest_to_bound
from infermodel.metrics.rates import BUSY_SPAN, CYCLE, OWN_RATE, WINDOW, Offered, mean_answer
from infermodel.metrics.steady import Window, presence, whole_run
from infermodel.metrics.summary import Longer, summarise
from infermodel.tables import REJECTED, UNFINISHED, ServiceRecord


def few() -> ServiceRecord:
    """Twenty requests of 100 + 11 tokens, one every 8 s; each takes 6 s."""
    return one_at_a_time(np.arange(20) * 8.0, [11] * 20, bin_s=4.0)


def test_below_saturation_what_comes_in_goes_out() -> None:
    found = summarise(few(), Window(0.0, 12.0), offered=Offered(1 / 8, prompt_tokens=90.0, output_tokens=10.0))
    # Two arrive in 12 s and one finishes, which would be 10 or 5 a minute: the load's own rate is 60 / 8 = 7.5.
    assert (found.rate_way, found.offered_rpm, found.rpm) == (OWN_RATE, 7.5, 7.5)
    # As many tokens as the laws say: 7.5 x 90 and 7.5 x 10.
    assert (found.itpm, found.otpm, found.tpm) == (675.0, 75.0, 750.0)
    assert found.goodput_rps == 1 / 8
    # 250 W on average (6 s at 300 W and 2 s at 100 W): here 4 of 12 s idle more, so of the window itself.
    assert found.joules_per_token == pytest.approx(found.power_mean_w * 60 / 750)


def test_lengths_that_no_law_says_are_those_of_the_requests() -> None:
    found = summarise(few(), Window(0.0, 80.0), offered=Offered(1 / 8))
    assert (found.itpm, found.otpm) == (750.0, 82.5)  # 7.5 x 100 and 7.5 x 11


def test_rejected_requests_are_no_throughput() -> None:
    record = few()
    status = np.where(np.arange(20) % 4 == 3, REJECTED, 0)
    cut = replace(record.requests, status=status, finished_at=np.where(status, nan, record.requests.finished_at))
    found = summarise(replace(record, requests=cut), Window(0.0, 160.0), offered=Offered(1 / 8, output_tokens=99.0))
    assert (found.offered_rpm, found.rpm) == (7.5, 7.5 * 0.75)
    assert found.otpm == 7.5 * 0.75 * 11  # who is rejected may be the long ones, so the law's 99 is not taken


def test_a_closed_loop_follows_littles_law() -> None:
    found = summarise(few(), Window(0.0, 160.0), offered=Offered(users=3, pause_s=4.0))
    # Three users, cycles of 6 s + 4 s: 18 a minute, whatever number the record happens to hold.
    assert (found.rate_way, found.rpm, found.offered_rpm) == (CYCLE, 18.0, 18.0)
    assert found.otpm == 18.0 * 11
    assert found.rate_warning == ""
    short = summarise(few(), Window(0.0, 160.0), offered=Offered(users=21, pause_s=4.0))
    assert short.rate_warning == "too short a run: 20 requests of 21 users are not a whole cycle of each"


def test_refused_users_pause_and_try_again() -> None:
    record = few()
    status = np.where(np.arange(20) % 2 == 1, REJECTED, 0)
    cut = replace(record.requests, status=status, finished_at=np.where(status, nan, record.requests.finished_at))
    offered = Offered(users=3, pause_s=0.0, refused_s=1.0)
    found = summarise(replace(record, requests=cut), Window(0.0, 160.0), offered=offered)
    # Half of the tries take 6 s, half a pause of 1 s: 3.5 s each, 3 x 60 / 3.5 tries, half of them answered.
    assert found.offered_rpm == pytest.approx(180 / 3.5)
    assert found.rpm == pytest.approx(90 / 3.5)


def test_answers_are_as_long_as_the_law_says_unless_some_are_refused() -> None:
    requests, everyone = one_at_a_time(np.arange(20) * 8.0, [11, 1] * 10, bin_s=4.0).requests, np.ones(20, bool)
    offered = Offered(users=3, output_tokens=11.0)
    assert mean_answer(requests, everyone, offered).mean == pytest.approx(6.0)  # of 11 tokens, and 1 s of one
    status = np.where(np.arange(20) == 0, REJECTED, 0)
    cut = replace(requests, status=status, finished_at=np.where(status, nan, requests.finished_at))
    assert mean_answer(cut, everyone, offered).mean == pytest.approx((9 * 6.0 + 10 * 1.0) / 19)


def test_answers_that_differ_need_many_requests() -> None:
    # Half of the answers take 6 s, half 1 s: sd 2.56 of a mean of 3.5, and +- 2.093 x 2.56 / sqrt(20) = 1.2 (t, 19).
    record = one_at_a_time(np.arange(20) * 8.0, [11, 1] * 10, bin_s=4.0)
    found = summarise(record, Window(0.0, 160.0), offered=Offered(users=3))
    assert found.rate_warning == "too short a run: from 20 requests the mean cycle may be off by 34 %"
    # Pauses of 100 s leave a share of 1.2 / 103.5.
    assert summarise(record, Window(0.0, 160.0), offered=Offered(users=3, pause_s=100.0)).rate_warning == ""


def test_a_loop_is_told_at_the_lengths_of_its_laws() -> None:
    # Ten answers of 11 tokens take 6 s, ten of 1 token 1 s, half a second a token: 16 tokens would take 8.5 s.
    record = one_at_a_time(np.arange(20) * 8.0, [11, 1] * 10, bin_s=4.0)
    offered = Offered(users=3, pause_s=1.5, prompt_tokens=100.0, output_tokens=16.0)
    found = summarise(record, Window(0.0, 160.0), offered=offered)
    assert found.rpm == pytest.approx(18.0)
    assert found.otpm == pytest.approx(18.0 * 16)
    assert found.rate_warning == ""  # lengths explain all of it
    longer = Longer(answer_s=4.5, unsure="a longer run says so")
    again = summarise(record, Window(0.0, 160.0), offered=offered, longer=longer)
    assert (again.rpm, again.rate_warning) == (30.0, "a longer run says so")


def growing() -> ServiceRecord:
    """6 s of work every 3 s, 400 times."""
    return one_at_a_time(np.arange(400) * 3.0, [11] * 400)


def test_where_the_queue_grows_rates_are_tokens_over_the_time_with_work() -> None:
    found = summarise(growing(), Window(0.0, 1000.0), offered=Offered(1 / 3))
    assert found.overloaded
    assert (found.rate_way, found.offered_rpm) == (BUSY_SPAN, 20.0)
    # Until the last arrival, at 1,197 s, the server is busy: a request in 6 s is 10 a minute, of 111 tokens.
    assert found.rpm == pytest.approx(10.0, rel=0.01)
    assert found.tpm == pytest.approx(1110.0, rel=0.01)
    assert (found.price_holds, found.price_reason) == (False, "the queue grows")


def test_a_log_that_is_too_much_is_its_total_over_its_makespan() -> None:
    record = growing()
    found = summarise(record, whole_run(record), offered=Offered(1 / 3, ends=True), longer=Longer(grows=True))
    assert (found.rate_way, found.rpm) == (WINDOW, pytest.approx(10.0))  # 400 in 2,400 s


def test_a_longer_run_decides_for_one_that_is_too_short() -> None:
    keeps_up = summarise(few(), Window(0.0, 12.0), offered=Offered(1 / 8), longer=Longer(grows=False))
    assert (keeps_up.overloaded, keeps_up.rpm) == (False, 7.5)
    falls_behind = summarise(few(), Window(0.0, 12.0), offered=Offered(1 / 8), longer=Longer(grows=True))
    assert (falls_behind.overloaded, falls_behind.rate_way) == (True, BUSY_SPAN)
    unsure = summarise(few(), Window(0.0, 12.0), offered=Offered(1 / 8), longer=Longer(unsure="nobody knows"))
    assert (unsure.rpm, unsure.rate_warning) == (7.5, "nobody knows")


def test_answers_that_outlast_the_run_are_no_lower_rate() -> None:
    record = few()
    status = np.where(np.arange(20) >= 18, UNFINISHED, 0)
    cut = replace(record.requests, status=status, finished_at=np.where(status, nan, record.requests.finished_at))
    cut_record = replace(record, requests=cut)
    found = summarise(cut_record, whole_run(record), offered=Offered(1 / 8), longer=Longer(grows=False))
    assert (found.unfinished, found.rpm, found.price_holds) == (2, 7.5, True)
    unknown = summarise(cut_record, whole_run(record), offered=Offered(1 / 8))
    assert (unknown.price_holds, unknown.price_reason) == (False, "requests have not finished")


def test_who_is_present_grows_without_a_queue() -> None:
    """Every request starts at once; each takes as long as the run so far, so ever more are under way."""
    arrived = np.arange(1000.0)
    record = one_at_a_time(arrived * 100.0, [1] * 1000)
    slower = replace(record.requests, arrived_at=arrived, first_scheduled_at=arrived, finished_at=2 * arrived + 1)
    steady = replace(slower, finished_at=arrived + 200)
    # One comes a second and one goes every two: half of the arrivals stay.
    seen = presence(slower, Window(500.0, 1000.0), 750.0)
    assert seen.growth == pytest.approx(0.5, rel=0.01)
    assert seen.takes_s == 750.0
    seen = presence(steady, Window(500.0, 1000.0), 10.0)
    assert seen.growth == pytest.approx(0.0, abs=1e-9)
    assert seen.takes_s == 200.0  # by Little's law
    # A count of 200 among 500 arrivals, forgotten after 200 s of 500: 14.1 x sqrt(24 x 200 / 500), at most 1.7 of them.
    assert seen.noise == pytest.approx(200**0.5 * 1.7 / 500)
    early = presence(steady, Window(500.0, 4900.0), 10.0)
    assert early.noise > 0


def test_the_noise_of_who_is_present_is_what_seeds_show() -> None:
    """Poisson arrivals that each stay a while of their own (M/G/infinity): over 400 seeds the line through those who
    are present rises by as much as is told of one, within a third.
    """
    plain = one_at_a_time(np.arange(1200) * 100.0, [1] * 1200).requests
    rises, told = [], []
    for seed in range(400):
        draw = np.random.default_rng(seed)
        came = np.cumsum(draw.exponential(1.0, 1200))
        requests = replace(
            plain, arrived_at=came, first_scheduled_at=came, finished_at=came + draw.exponential(30.0, 1200)
        )
        seen = presence(requests, Window(300.0, 900.0), 30.0)
        rises.append(seen.growth)
        told.append(seen.noise)
    assert np.mean(rises) == pytest.approx(0.0, abs=0.002)
    assert np.mean(told) == pytest.approx(np.std(rises), rel=0.33)


def test_a_p99_needs_299_requests() -> None:
    assert fewest_to_bound(99.0) == 299
    assert 1 - 0.99**299 >= 0.95 > 1 - 0.99**298
    record = one_at_a_time(np.arange(299) * 8.0, [11] * 299)
    assert summarise(record, whole_run(record)).tail_warning == ""
    told = summarise(record, Window(0.0, 160.0)).tail_warning
    assert told == "p99 of 20 requests: it takes 299 to bound it from above"
    with pytest.raises(ValueError, match="strictly between"):
        fewest_to_bound(100.0)


def test_nobody_signs_a_price_of_nothing() -> None:
    assert summarise(few(), Window(1.0, 2.0), offered=Offered(1 / 8)).price_reason == "no request came"
    record = few()
    every = replace(record.requests, status=np.full(20, REJECTED), finished_at=np.full(20, nan))
    found = summarise(replace(record, requests=every), Window(0.0, 160.0), offered=Offered(1 / 8))
    assert (found.rpm, found.price_reason) == (0.0, "every request is rejected")
