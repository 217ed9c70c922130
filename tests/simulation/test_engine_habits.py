"""What engines do differently from each other: schedule a step ahead, reserve memory for a request's whole output."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Offline
from infermodel.workload.lengths import Fixed
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic

LIMITS = Limits(max_sequences=8, max_batched_tokens=512, max_context=4096)


STEADY = AffineModel(base_s=1.0)


def play(traffic, limits: Limits, model: AffineModel = STEADY) -> ServiceRecord:
    (record,) = simulate([one_pool("service", model, traffic, limits)], 1, Horizon())
    return record


def arrivals(*at: float) -> TraceTraffic:
    count = len(at)
    return TraceTraffic(
        Requests(
            np.array(at),
            np.full(count, 10),
            np.full(count, 10),
            np.zeros(count, np.int64),
            np.full(count, -1, np.int64),
        )
    )


@pytest.mark.parametrize(("ahead", "first_token_at"), [(False, 5.0), (True, 6.0)])
def test_a_request_that_comes_during_a_step_misses_the_step_composed_meanwhile(ahead, first_token_at) -> None:
    # Steps of 1 s from 0 s. A request at 3.5 s joins at 4 s; where the step from 4 s is already composed, at 5 s.
    record = play(arrivals(0.0, 3.5), Limits(8, 512, 4096, schedules_ahead=ahead))
    assert record.requests.first_token_at.tolist() == [1.0, first_token_at]


def test_an_idle_replica_starts_at_once_in_either_case() -> None:
    record = play(arrivals(0.0, 20.25), Limits(8, 512, 4096, schedules_ahead=True))
    assert record.requests.first_token_at.tolist() == [1.0, 21.25]


def test_a_user_who_returns_at_a_boundary_misses_a_step_of_the_others() -> None:
    # Two users, outputs of 10: both end at 10 s. Alone with nobody running, they start again at once.
    record = play(ClosedTraffic(2, Fixed(10), Fixed(10), requests=4), Limits(8, 512, 4096, schedules_ahead=True))
    assert record.requests.first_token_at.tolist() == [1.0, 1.0, 11.0, 11.0]


@pytest.mark.parametrize(
    ("at", "first_token_at"),
    [
        ((0.0, 2.5), [1.0, 9.0]),  # five steps from 3 s on: it joins at 8 s
        ((0.0, 2.5, 4.5, 4.5, 4.5, 4.5, 4.5), [1.0, *[6.0] * 6]),  # at 5 s there are 1 + 6 x 10 of 51.2 tokens
        ((0.0, 8.5), [1.0, 11.0]),  # at 10 s nobody decodes beside whom it would wait
    ],
)
def test_prompts_wait_beside_decoding_until_they_are_worth_a_step(at, first_token_at) -> None:
    limits = Limits(8, 512, 4096, batch_wait_steps=5, batch_wait_share=0.1)
    assert play(arrivals(*at), limits).requests.first_token_at.tolist() == first_token_at


def test_reserved_memory_is_never_taken_back() -> None:
    # 10 blocks of 16; a request ends with 80 tokens, 79 of them in the cache: 5 blocks. So two at a time, no
    # preemption, four requests in two rounds of 64 steps. Without the reserve a third starts early and has to give way.
    traffic = OpenTraffic(Offline(4), Fixed(16), Fixed(64))
    model = AffineModel(base_s=1.0, kv_tokens=160)
    reserved = play(traffic, Limits(8, 512, 4096, reserves_output=True), model)
    assert reserved.requests.preemptions.sum() == 0
    assert reserved.requests.finished_at.tolist() == [64.0, 64.0, 128.0, 128.0]
    assert play(traffic, LIMITS, model).requests.preemptions.sum() > 0


def test_users_leave_when_all_requests_are_sent() -> None:
    record = play(ClosedTraffic(3, Fixed(10), Fixed(10), requests=7), LIMITS)
    assert len(record.requests) == 7
    # Rounds of 10 s with 3, 3 and 1 requests.
    assert record.ended_at == 30.0


def test_prompts_are_tokenised_on_their_way_and_none_overtakes_another() -> None:
    # A millisecond a token: 500 tokens sent at 0 s are there at 0.5 s, 10 sent at 0.1 s with them. One step of 1 s.
    columns = (
        np.array([0.0, 0.1]),
        np.array([500, 10]),
        np.array([1, 1]),
        np.zeros(2, np.int64),
        np.full(2, -1, np.int64),
    )
    traffic = TraceTraffic(Requests(*columns))
    (record,) = simulate([one_pool("service", STEADY, traffic, LIMITS, tokenise_s=1e-3)], 1, Horizon())
    assert record.requests.first_token_at.tolist() == [1.5, 1.5]
    # One user, two requests of 100 tokens in and 2 out: 0.1 s and two steps each.
    users = ClosedTraffic(1, Fixed(100), Fixed(2), requests=2)
    (record,) = simulate([one_pool("service", STEADY, users, LIMITS, tokenise_s=1e-3)], 1, Horizon())
    assert record.requests.first_token_at == pytest.approx([1.1, 3.2])


@pytest.mark.parametrize("ahead", [False, True])
def test_newcomers_are_looked_for_every_few_steps_of_decoding(ahead) -> None:
    # The prompt's step ends at 1 s, whereupon the scheduler looks; then after 3, 6, 9 steps of decoding, at 4, 7, 10 s.
    # A request of 4.5 s is seen at 7 s and has its first token at 8 s; a scheduler that is a step ahead sees it at 6 s,
    # when it composes what runs from 7 s.
    limits = Limits(8, 512, 4096, schedules_ahead=ahead, receive_interval=3)
    record = play(arrivals(0.0, 4.5), limits)
    assert record.requests.first_token_at.tolist() == [1.0, 8.0]


def test_an_idle_replica_looks_for_newcomers_all_the_time() -> None:
    record = play(arrivals(0.0, 20.25), Limits(8, 512, 4096, receive_interval=7))
    assert record.requests.first_token_at.tolist() == [1.0, 21.25]


def of_prompts(*prompts: int, at: tuple[float, ...]) -> TraceTraffic:
    count = len(prompts)
    nobody = np.full(count, -1, np.int64)
    return TraceTraffic(Requests(np.array(at), np.array(prompts), np.full(count, 1), np.zeros(count, np.int64), nobody))


def test_a_long_prompt_leaves_room_for_others() -> None:
    # 1,000 tokens a step, 100 of one prompt. Alone the long one takes 1,000 tokens a step; the short one comes in its
    # second step. From then on 100 a step: 5,000 - 2,000 - 100 beside the short one, and with it gone 1,000 again.
    limits = Limits(8, 1000, 10_000, long_prompt_tokens=100)
    model = AffineModel(base_s=0.0, per_prompt_token_s=0.001)
    record = play(of_prompts(5000, 50, at=(0.0, 1.5)), limits, model)
    assert record.requests.first_token_at == pytest.approx([5.05, 2.15])


def test_both_of_two_long_prompts_are_bounded() -> None:
    limits = Limits(8, 1000, 10_000, long_prompt_tokens=100)
    model = AffineModel(base_s=1.0)
    record = play(of_prompts(300, 500, at=(0.0, 0.0)), limits, model)
    assert record.requests.first_token_at == pytest.approx([3.0, 4.0])  # the last 200 of the second alone, at once
