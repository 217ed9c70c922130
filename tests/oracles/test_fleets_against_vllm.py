"""Random fleets: every request of the simulator against vLLM 0.33 played step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.oracles.vllm_fleets import (
    BASE,
    Drawn,
    Question,
    assert_same,
    fleets,
    jobs_of,
    looped,
    questions,
    reads_what_is_written,
    served,
    simulated,
)

from infermodel.simulation.replica.replica import Stepping

MOST_TOKENS = 160
"""Of a request beside windows: the smallest memory holds it."""


def _alone(own: int, answer: int, gap_s: float = 0.0) -> Question:
    return Question(gap_s, 0, 0, own, answer, 0)


# A long prompt alone on its rank: one who comes too late for the step that is composed bounds the next, also where a
# newcomer of another rank ends the leap before.
@example(
    [_alone(1, 6), _alone(1, 1), _alone(49, 1), _alone(11, 1, 0.0625), _alone(1, 1), _alone(1, 1)],
    Drawn(seats=1, budget=8, blocks=40, ahead=True, ranks=3, long_prompt=5),
    "leap",
)
@settings(max_examples=80, deadline=None)
@given(questions, fleets, st.sampled_from(["leap", "every"]))
def test_open_arrivals(asked: Sequence[Question], drawn: Drawn, stepping: Stepping) -> None:
    jobs = jobs_of(asked, drawn.blocks * drawn.block)
    served(drawn, jobs)
    assume(not reads_what_is_written(asked, jobs))
    assert_same(simulated(drawn, jobs, stepping), jobs)


@settings(max_examples=40, deadline=None)
@given(
    fleets.filter(lambda drawn: drawn.replicas == 1),
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=6),
    st.sampled_from([0.0, 2.0**-6, 2.0**-3]),
    st.integers(1, 60),
)
def test_closed_loops(drawn: Drawn, users: int, lengths: list[tuple[int, int]], think_s: float, count: int) -> None:
    table, jobs = looped(drawn, users, lengths, think_s, count)
    assert_same(table, jobs)


WINDOWS: tuple[tuple[int | None, ...], ...] = ((None, 9), (None, 13, 13), (None, None, 25), (21,), (None, 9, 25))
"""Of one more than whole blocks of 4, with which what a decoding sequence holds never shrinks."""

windowed = st.builds(
    Drawn,
    seats=st.just(1),
    budget=st.integers(8, 60),
    blocks=st.integers(80, 160),
    whole=st.booleans(),
    windows=st.sampled_from(WINDOWS),
)


@settings(max_examples=40, deadline=None)
@given(questions, windowed, st.sampled_from(["leap", "every"]))
def test_windows_of_one_request_at_a_time(asked: Sequence[Question], drawn: Drawn, stepping: Stepping) -> None:
    jobs = jobs_of([replace(each, shared=0, after=False) for each in asked], MOST_TOKENS)
    served(drawn, jobs)
    assert_same(simulated(drawn, jobs, stepping), jobs)


def test_windows() -> None:
    """Nine fleets of ten are equal in every request. In the others memory is so scarce that it matters when within a
    step a block comes free: vLLM gives blocks behind a prompt's window back when that prompt's turn has come, the
    simulator as soon as the step before is done, so that a sequence whose turn is earlier may have them.
    """
    equal, off, preemptions = 0, [], 0
    for seed in range(200):
        draw = Random(seed)
        drawn = Drawn(
            seats=draw.randint(2, 8),
            budget=draw.randint(8, 60),
            blocks=draw.randint(80, 160),
            whole=draw.random() < 0.5,
            windows=draw.choice(WINDOWS),
        )
        gaps = (0.0, 0.0, BASE, draw.randint(0, 24) * BASE / 4)
        lengths = [(draw.choice(gaps), draw.randint(1, 45), draw.randint(1, 40)) for _ in range(draw.randint(1, 40))]
        jobs = jobs_of([Question(gap_s, 0, 0, own, answer, 0) for gap_s, own, answer in lengths], MOST_TOKENS)
        served(drawn, jobs)
        table = simulated(drawn, jobs)
        equal += table.finished_at.tolist() == [job.last for job in jobs]
        theirs, ours = sum(job.last - job.arrived for job in jobs), (table.finished_at - table.arrived_at).sum()
        off.append(float(ours / theirs - 1))
        preemptions += sum(job.preemptions for job in jobs)
    assert equal >= 170
    assert max(map(abs, off)) < 0.05
    assert abs(sum(off) / len(off)) < 0.001
    assert preemptions > 100


def test_the_draws_do_preempt() -> None:
    """Eight requests of 8 + 40 tokens on 40 blocks of 4, twelve each at their end: without preemptions the comparison
    would prove little.
    """
    drawn = Drawn(seats=8, budget=60, blocks=40)
    jobs = jobs_of([Question(0.0, 0, 0, 8, 40, 0)] * 8, 160)
    assert sum(job.preemptions for job in served(drawn, jobs)) >= 4
    assert_same(simulated(drawn, jobs), jobs)


def test_who_was_admitted_first_lets_go_first() -> None:
    """A prompt with an answer of one token and an answer begun before it end in the same step: what the longer one
    leaves is taken first, so the short prompt is found by whoever goes on from it.
    """
    drawn = Drawn(seats=2, budget=60, blocks=40, names=True)
    asked = [
        Question(0.0, 0, 0, 40, 3, 0),
        Question(2 * BASE, 1, 20, 20, 1, 0),  # joins the third step, in which the first one gets its third token
        Question(0.0, 2, 0, 90, 20, 0),  # 28 blocks of 40, of which 19 hold nothing
        Question(128 * BASE, 1, 20, 20, 1, 0),
    ]
    jobs = jobs_of(asked, 160)
    served(drawn, jobs)
    assert jobs[0].last == jobs[1].last
    assert_same(simulated(drawn, jobs), jobs)
    assert jobs[3].cached == 20
