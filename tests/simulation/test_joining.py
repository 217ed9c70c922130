"""How the users of a closed loop come: over a cycle of theirs, or all at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, ServiceSpec, one_pool, simulate
from infermodel.simulation.clients.joining import joining_s
from infermodel.simulation.streams import named_streams
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import ClosedTraffic, ThinkTime

MODEL = AffineModel(base_s=0.01, per_sequence_s=0.001, per_prompt_token_s=0.0001)
USERS = ClosedTraffic(4, Fixed(100), Fixed(50), start="spread")


def spec(traffic: ClosedTraffic, seats: int = 64, replicas: int = 1) -> ServiceSpec:
    """A service of the toy model."""
    return one_pool("s", MODEL, traffic, Limits(seats, 8192, 8192), replicas=replicas)


def test_users_come_over_a_mean_answer() -> None:
    # Four decode in 10 + 4 ms; each of them is replaced after 50 steps by a prompt of 100 x 0.1 = 10 ms: 0.8 ms a step.
    assert joining_s(spec(USERS)) == pytest.approx(50 * (0.014 + 0.0008))
    # Two and two on two replicas: 10 + 2 ms, and 0.4 ms.
    assert joining_s(spec(USERS, replicas=2)) == pytest.approx(50 * (0.012 + 0.0004))


def test_users_come_over_an_answer_and_a_pause() -> None:
    # With pauses of 3 s hardly one is answered at a time: 50 x (11 + 0.2 ms) = 0.56 s, and the pause.
    paused = replace(USERS, think_time=ThinkTime(3.0))
    assert joining_s(spec(paused)) == pytest.approx(3.56)


def test_users_who_wait_for_seats_come_over_their_waits_too() -> None:
    # One seat for four: four answers of 0.56 s one after the other.
    assert joining_s(spec(USERS, seats=1)) == pytest.approx(4 * 0.56)


def test_long_prompts_take_steps_of_their_own_budget() -> None:
    # Prompts of 10,000 in pieces of 1,000 - 4: as many seconds a token, whatever the pieces.
    long = replace(USERS, prompt=Fixed(10_000))
    limited = one_pool("s", MODEL, long, Limits(64, 1000, 20_000))
    assert joining_s(limited) == pytest.approx(50 * (0.014 + 4 / 50 * 1.0))


def test_together_nobody_waits_for_the_others() -> None:
    assert joining_s(spec(replace(USERS, start="together"))) == 0.0
    assert joining_s(spec(replace(USERS, users=1))) == 0.0


def test_each_user_has_a_part_of_the_time() -> None:
    times = USERS.first_sent_s(named_streams(1, "replication 0"), 8.0)
    assert times[0] == 0.0
    assert np.array_equal(np.floor(times / 2.0), [0, 1, 2, 3])
    assert not np.allclose(times % 2.0, 0)
    again = USERS.first_sent_s(named_streams(1, "replication 0"), 16.0)
    assert np.array_equal(again, 2 * times)  # the same places at another pace


def test_a_start_together_is_a_queue_of_prompts_that_never_comes_again() -> None:
    """Ten prompts of 0.5 s: together the last waits for nine before it, over a cycle of ten seconds for hardly any."""
    slow = AffineModel(base_s=0.01, per_prompt_token_s=0.005)
    loop = ClosedTraffic(10, Fixed(100), Fixed(500))
    limits = Limits(64, 100, 8192)  # one prompt a step
    worst = {}
    for start in ("together", "spread"):
        service = one_pool("s", slow, replace(loop, start=start), limits)
        (record,) = simulate([service], 1, Horizon(requests=10))
        requests = record.requests
        worst[start] = float((requests.first_token_at - requests.arrived_at)[:10].max())
        assert (requests.arrived_at[:10] == 0).all() == (start == "together")
    assert worst["together"] > 10 * 0.5
    assert worst["spread"] < 3 * 0.5
