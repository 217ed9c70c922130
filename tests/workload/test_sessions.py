import zlib
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infermodel.workload.arrivals import Offline, Poisson
from infermodel.workload.lengths import Fixed, Lognormal, Uniform
from infermodel.workload.sessions import (
    BestOf,
    Call,
    Chain,
    Pattern,
    Session,
    SessionTraffic,
    TreeSearch,
    requests_of_calls,
)
from infermodel.workload.traffic import ThinkTime


def streams(name: str) -> np.random.Generator:
    return np.random.default_rng([7, zlib.crc32(name.encode())])


def one(pattern: Pattern, question: int = 100, **options: int) -> Session:
    return next(SessionTraffic(Offline(1), Fixed(question), pattern, **options).sessions(streams))


def answered_in_turn(session: Session, answer_s: float = 1.0) -> list[tuple[Call, float]]:
    """All calls with the times of their answers, each taking `answer_s`."""
    waiting = [(call.sent_at + answer_s, call) for call in session.first_calls()]
    done: list[tuple[Call, float]] = []
    while waiting:
        waiting.sort(key=lambda entry: entry[0])
        at, call = waiting.pop(0)
        done.append((call, at))
        waiting += [(later.sent_at + answer_s, later) for later in session.next_calls(call, at)]
    return done


def test_a_chain_reads_everything_before() -> None:
    # Question of 100; answers of 50, tools that add 30: prompts 100, 180, 260, 340.
    session = one(Chain(Fixed(4), Fixed(50), Fixed(30), ThinkTime(2.0)))
    calls = answered_in_turn(session)
    assert [call.prompt_tokens for call, _ in calls] == [100, 180, 260, 340]
    assert [call.sent_at for call, _ in calls] == [0, 3, 6, 9]  # an answer of 1 s and a tool of 2 s each
    assert session.answered


def test_a_chain_reuses_the_text_of_the_call_before() -> None:
    calls = [call for call, _ in answered_in_turn(one(Chain(Fixed(3), Fixed(50), Fixed(30))))]
    # Texts of 150, 230 and 310 tokens are 9, 14 and 19 full blocks of 16; the next prompt begins with all of them.
    assert [len(call.block_hashes) for call in calls] == [9, 14, 19]
    assert calls[1].block_hashes[:9] == calls[0].block_hashes
    assert calls[2].block_hashes[:14] == calls[1].block_hashes
    assert len(set(calls[2].block_hashes)) == 19


def test_best_of_sends_one_prompt_many_times_and_reads_all_answers() -> None:
    session = one(BestOf(4, Uniform(10, 90), verdict=Fixed(5)))
    first = session.first_calls()
    assert len(first) == 4
    assert {call.prompt_tokens for call in first} == {100}
    assert len({call.block_hashes[:6] for call in first}) == 1  # 100 tokens: six full blocks in common
    assert len({call.block_hashes[6:] for call in first}) == len({call.block_hashes for call in first})
    for call in first[:3]:
        assert session.next_calls(call, 10.0 + call.number) == []
    (verdict,) = session.next_calls(first[3], 5.0)
    assert verdict.sent_at == 12.0  # the slowest of the four
    assert verdict.prompt_tokens == 100 + sum(call.output_tokens for call in first)
    assert verdict.block_hashes[:6] == first[0].block_hashes[:6]
    assert not set(verdict.block_hashes[6:]) & {block for call in first for block in call.block_hashes}
    assert session.next_calls(verdict, 20.0) == []
    assert session.answered


def test_best_of_without_a_verdict_ends_with_the_answers() -> None:
    session = one(BestOf(3, Fixed(20)))
    assert len(answered_in_turn(session)) == 3
    assert session.answered


def test_a_tree_grows_level_by_level() -> None:
    # Width 3, keep 2, depth 3: 3 calls, then 2 x 3, then 2 x 3; prompts 100, 120, 140.
    session = one(TreeSearch(depth=3, width=3, keep=2, output=Fixed(20)))
    calls = answered_in_turn(session)
    assert [call.sent_at for call, _ in calls] == [0] * 3 + [1] * 6 + [2] * 6
    assert [call.prompt_tokens for call, _ in calls] == [100] * 3 + [120] * 6 + [140] * 6
    parents = {planned.prefix_of for planned in session.plan[3:9]}
    assert len(parents) == 2
    assert parents <= {0, 1, 2}
    assert {planned.prefix_of for planned in session.plan[9:]} <= set(range(3, 9))


def test_questions_share_the_system_prompt_and_nothing_else() -> None:
    traffic = SessionTraffic(Poisson(1.0), Fixed(64), BestOf(1, Fixed(16)), system_tokens=40)
    first, second = (session.first_calls()[0] for session in islice(traffic.sessions(streams), 2))
    assert first.prompt_tokens == 104
    # 40 shared tokens are two full blocks; the third block is half of one's own.
    assert first.block_hashes[:2] == second.block_hashes[:2]
    assert not set(first.block_hashes[2:]) & set(second.block_hashes[2:])


def test_another_pattern_is_given_the_same_questions() -> None:
    question = Lognormal(500, 1.0)
    patterns = (BestOf(1, Fixed(5)), BestOf(50, Lognormal(90, 1.0)), Chain(Uniform(1, 9), Lognormal(90, 1.0)))
    asked = [
        [session.first_calls()[0].prompt_tokens for session in islice(traffic.sessions(streams), 300)]
        for traffic in (SessionTraffic(Poisson(1.0), question, pattern) for pattern in patterns)
    ]
    assert asked[0] == asked[1] == asked[2]
    assert len(set(asked[0])) > 200


@given(
    pattern=st.one_of(
        st.builds(Chain, st.just(Uniform(1, 8)), st.just(Uniform(1, 80)), st.just(Uniform(1, 200))),
        st.builds(BestOf, st.integers(1, 9), st.just(Uniform(1, 80)), st.just(Uniform(1, 80))),
        st.builds(TreeSearch, st.integers(1, 4), st.integers(1, 3), st.integers(1, 5), st.just(Uniform(1, 80))),
    ),
    question=st.integers(1, 200),
    block_tokens=st.sampled_from([1, 16, 64]),
    order=st.randoms(use_true_random=False),
)
def test_every_call_comes_once_and_after_those_it_waits_for(
    pattern: Pattern, question: int, block_tokens: int, order: object
) -> None:
    session = one(pattern, question, block_tokens=block_tokens)
    waiting, seen, now = session.first_calls(), [], 0.0
    while waiting:
        now += 1.0
        call = waiting.pop(order.randrange(len(waiting)))
        planned = session.plan[call.number]
        assert set(planned.after) <= {earlier.number for earlier in seen}
        assert planned.prefix_tokens <= call.prompt_tokens
        assert len(call.block_hashes) == (call.prompt_tokens + call.output_tokens) // block_tokens
        assert len(set(call.block_hashes)) == len(call.block_hashes)
        seen.append(call)
        waiting += session.next_calls(call, now)
    assert sorted(call.number for call in seen) == list(range(len(session.plan)))
    assert session.answered


def test_calls_become_columns() -> None:
    session = one(BestOf(2, Fixed(30)), question=40)
    requests = requests_of_calls(session.first_calls(), 16)
    assert requests.arrived_at.tolist() == [0, 0]
    assert requests.prompt_tokens.tolist() == [40, 40]
    assert requests.output_tokens.tolist() == [30, 30]
    assert requests.prompt_id.tolist() == [-1, -1]
    assert requests.block_hashes is not None
    assert [len(blocks) for blocks in requests.block_hashes] == [4, 4]
    assert requests.hash_block_tokens == 16


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: BestOf(0, Fixed(1)), "answers must be above zero"),
        (lambda: TreeSearch(1, 1, 0, Fixed(1)), "keep must be above zero"),
        (lambda: SessionTraffic(Offline(1), Fixed(1), BestOf(1, Fixed(1)), system_tokens=-1), "must not be negative"),
        (lambda: SessionTraffic(Offline(1), Fixed(1), BestOf(1, Fixed(1)), block_tokens=0), "block_tokens must be"),
    ],
)
def test_a_pattern_that_makes_no_sense_says_why(wrong: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong()
