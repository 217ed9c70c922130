import math
import zlib
from collections.abc import Callable
from dataclasses import fields
from itertools import islice

import numpy as np
import pytest

from infermodel.workload.arrivals import Offline, Poisson
from infermodel.workload.bodies import Prefix, Priorities
from infermodel.workload.lengths import Fixed, Lognormal, Uniform
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime, TraceTraffic


def streams(name: str) -> np.random.Generator:
    return np.random.default_rng([7, zlib.crc32(name.encode())])


def joined(blocks: list[Requests]) -> Requests:
    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(block, name) for block in blocks])

    numbers = [column(field.name) for field in fields(Requests)[:5]]
    hashes = [block.block_hashes for block in blocks]
    together = None if hashes[0] is None else tuple(h for part in hashes if part is not None for h in part)
    return Requests(*numbers, block_hashes=together, hash_block_tokens=blocks[0].hash_block_tokens)


def first(traffic: OpenTraffic | ClosedTraffic, count: int, size: int = 64) -> Requests:
    return joined(list(islice(traffic.blocks(streams, size), math.ceil(count / size))))


def log(arrived_at: list[float], **columns: object) -> Requests:
    count = len(arrived_at)
    whole = np.arange(1, count + 1)
    given = {"priority": np.zeros(count, dtype=np.int64), "prompt_id": np.full(count, -1), **columns}
    return Requests(np.array(arrived_at, dtype=float), 100 * whole, 10 * whole, **given)


CHAT = OpenTraffic(Poisson(5.0), Lognormal(1000, 0.8), Uniform(100, 200))


def test_open_traffic_does_not_depend_on_the_block_size() -> None:
    small, large = first(CHAT, 640, 10), first(CHAT, 640, 640)
    for name in ("arrived_at", "prompt_tokens", "output_tokens", "prompt_id", "priority"):
        assert getattr(small, name).tolist() == getattr(large, name).tolist()
    assert len(small) == 640


def test_changing_one_law_leaves_the_other_draws_alone() -> None:
    other = OpenTraffic(Poisson(5.0), Fixed(10), Uniform(100, 200), Prefix(3), Priorities((0, 1)))
    assert first(CHAT, 100).output_tokens.tolist() == first(other, 100).output_tokens.tolist()
    assert first(CHAT, 100).arrived_at.tolist() == first(other, 100).arrived_at.tolist()


def test_another_rate_brings_the_same_requests_sooner() -> None:
    slow, fast = first(CHAT, 100), first(CHAT.at_rate(50.0), 100)
    assert slow.prompt_tokens.tolist() == fast.prompt_tokens.tolist()
    assert slow.arrived_at / 10 == pytest.approx(fast.arrived_at, rel=1e-14)


def test_means_are_those_of_the_laws() -> None:
    assert (CHAT.mean_rate_per_s, CHAT.mean_output_tokens) == (5.0, 150.0)
    assert CHAT.mean_prompt_tokens == pytest.approx(1000, abs=0.01)


@pytest.mark.parametrize("order", ["cyclic", "uniform"])
def test_a_prompt_that_comes_again_has_the_same_length(order: str) -> None:
    traffic = OpenTraffic(Poisson(1.0), Lognormal(1000, 0.8), Fixed(1), Prefix(10, order))
    requests = first(traffic, 2000)
    lengths = {tuple(pair) for pair in zip(requests.prompt_id.tolist(), requests.prompt_tokens.tolist(), strict=True)}
    assert len(lengths) == 10
    assert {prompt_id for prompt_id, _ in lengths} == set(range(10))


def test_cyclic_prompts_come_in_turn() -> None:
    requests = first(OpenTraffic(Poisson(1.0), Fixed(5), Fixed(1), Prefix(3)), 8, size=4)
    assert requests.prompt_id.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_priorities_come_by_their_shares() -> None:
    requests = first(OpenTraffic(Poisson(1.0), Fixed(5), Fixed(1), None, Priorities((0, 5), (3, 1))), 40_000, 40_000)
    assert set(requests.priority.tolist()) == {0, 5}
    assert (requests.priority == 5).mean() == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 40_000))


def test_an_offline_batch_ends() -> None:
    requests = joined(list(OpenTraffic(Offline(100), Fixed(5), Fixed(1)).blocks(streams, 30)))
    assert len(requests) == 100
    assert not requests.arrived_at.any()


def test_closed_traffic_is_one_list_of_requests_whoever_sends_them() -> None:
    few, many = (ClosedTraffic(users, Lognormal(500, 1.0), Uniform(5, 9)) for users in (2, 50))
    assert few.with_users(50) == many
    assert first(few, 300).prompt_tokens.tolist() == first(many, 300).prompt_tokens.tolist()
    assert np.isnan(first(few, 300).arrived_at).all()
    # and the same as open traffic with these laws sends
    opened = OpenTraffic(Poisson(1.0), Lognormal(500, 1.0), Uniform(5, 9))
    assert first(few, 300).output_tokens.tolist() == first(opened, 300).output_tokens.tolist()


def test_think_times_follow_their_law() -> None:
    fixed = ClosedTraffic(3, Fixed(1), Fixed(1), ThinkTime(2.5))
    assert next(fixed.think_times(streams, 4)).tolist() == [2.5] * 4
    drawn = next(ClosedTraffic(3, Fixed(1), Fixed(1), ThinkTime(2.0, "exponential")).think_times(streams, 100_000))
    assert drawn.mean() == pytest.approx(2, abs=5 * 2 / math.sqrt(100_000))
    assert drawn.std() == pytest.approx(2, abs=5 * 2 * math.sqrt(2 / 100_000))


def test_a_trace_is_replayed_as_it_is() -> None:
    trace = log([0.0, 1.5, 1.5, 4.0])
    replay = joined(list(TraceTraffic(trace).blocks(streams, 3)))
    assert replay.arrived_at.tolist() == [0.0, 1.5, 1.5, 4.0]
    assert replay.prompt_tokens.tolist() == [100, 200, 300, 400]
    assert replay.output_tokens.tolist() == [10, 20, 30, 40]


def test_a_window_keeps_its_start_and_not_its_end() -> None:
    traffic = TraceTraffic(log([0.0, 1.0, 2.0, 3.0, 4.0]), from_s=1.0, to_s=3.0)
    replay = joined(list(traffic.blocks(streams)))
    assert replay.arrived_at.tolist() == [0.0, 1.0]
    assert replay.prompt_tokens.tolist() == [200, 300]
    assert traffic.mean_prompt_tokens == 250
    assert traffic.mean_output_tokens == 25


def test_rate_scale_and_repetition_conserve_requests() -> None:
    traffic = TraceTraffic(log([0.0, 1.0, 3.0]), rate_scale=2.0, to_s=4.0, repeat=3)
    replay = joined(list(traffic.blocks(streams, 2)))
    assert replay.arrived_at.tolist() == [0, 0.5, 1.5, 2, 2.5, 3.5, 4, 4.5, 5.5]
    assert replay.prompt_tokens.sum() == 3 * (100 + 200 + 300)
    assert traffic.total_requests == 9
    assert traffic.mean_rate_per_s == 1.5  # three in 4 s, twice as fast
    assert traffic.at_rate(3.0).rate_scale == 4.0


def test_repetitions_without_an_end_follow_after_a_mean_gap() -> None:
    replay = joined(list(TraceTraffic(log([1.0, 2.0, 5.0]), repeat=2).blocks(streams)))
    # the last at 5 and a mean gap of 2: the second turn starts at 7
    assert replay.arrived_at.tolist() == [1, 2, 5, 8, 9, 12]


def test_each_repetition_has_prompts_of_its_own() -> None:
    trace = log([0.0, 1.0], prompt_id=np.array([-1, 4]), block_hashes=((0, 1), (0, 7)), hash_block_tokens=512)
    replay = joined(list(TraceTraffic(trace, repeat=2).blocks(streams)))
    assert replay.prompt_id.tolist() == [-1, 4, -1, 9]
    assert replay.block_hashes == ((0, 1), (0, 7), (8, 9), (8, 15))
    assert replay.hash_block_tokens == 512


def test_the_lengths_of_a_trace_can_be_replaced() -> None:
    trace = log([0.0, 1.0], prompt_id=np.array([0, 0]), block_hashes=((0,), (0,)), hash_block_tokens=16)
    replay = joined(list(TraceTraffic(trace, prompt=Fixed(9)).blocks(streams)))
    assert replay.prompt_tokens.tolist() == [9, 9]
    assert replay.output_tokens.tolist() == [10, 20]
    assert replay.prompt_id.tolist() == [-1, -1]
    assert replay.block_hashes is None
    assert TraceTraffic(trace, output=Fixed(9)).mean_output_tokens == 9


@pytest.mark.parametrize(
    ("traffic", "says"),
    [
        (lambda: TraceTraffic(log([0.0]), rate_scale=0.0), "rate_scale must be above zero"),
        (lambda: TraceTraffic(log([0.0]), repeat=0), "repeat must be above zero"),
        (lambda: TraceTraffic(log([0.0]), from_s=-1.0), "not negative"),
        (lambda: TraceTraffic(log([0.0]), from_s=2.0, to_s=2.0), "must be after from"),
        (lambda: TraceTraffic(log([0.0, 9.0]), from_s=2.0, to_s=4.0), "arrives from 2 s to 4 s"),
        (lambda: TraceTraffic(log([0.0, 9.0]), from_s=20.0), "arrives from 20 s to the end"),
        (lambda: ClosedTraffic(0, Fixed(1), Fixed(1)), "users must be above zero"),
        (lambda: ThinkTime(-1.0), "not negative"),
        (lambda: Prefix(0), "distinct_prompts must be above zero"),
        (lambda: Priorities(()), "at least one level"),
    ],
)
def test_a_traffic_that_makes_no_sense_says_why(traffic: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        traffic()
