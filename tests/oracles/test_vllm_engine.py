"""The step-by-step vLLM against numbers worked by hand. Steps last one second where nothing else is said."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.oracles.vllm_blocks import Memory
from tests.oracles.vllm_engine import Engine, StepSeconds
from tests.oracles.vllm_scheduler import Job, Scheduler

MANY = 4096


def words(who: int, count: int) -> list[Hashable]:
    """`count` tokens that nobody else says."""
    return [(who, i) for i in range(count)]


def a_second(decoding: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
    return 1.0


def serve(
    jobs: Sequence[Job], memory: Memory | None = None, step_s: StepSeconds = a_second, **settings: Any
) -> list[Job]:
    """On one engine, with room and seats for all unless said otherwise."""
    engine = Scheduler(memory or Memory(MANY), **{"seats": 1024, "budget": 8192, **settings})
    return Engine([engine], step_s).play(jobs)


def fresh(rows: Sequence[tuple[float, int, int]]) -> list[Job]:
    """Requests of (arrival, prompt tokens, answer tokens) that share nothing."""
    return [Job(i, at, words(2 * i, prompt), words(2 * i + 1, answer)) for i, (at, prompt, answer) in enumerate(rows)]


# ---- when a step is composed ----------------------------------------------------------------------------------------


def test_a_freed_seat_serves_the_next_step_or_the_one_after() -> None:
    """Two seats, answers of 1, 3 and 1 tokens at once. The first request is done at 1 s. One step after the other: the
    third is in the step from 1 to 2 s. Composed ahead, that step was composed at 0 s, when both seats were taken: the
    third is in the step from 2 to 3 s, which is composed at 1 s.
    """
    rows = [(0.0, 16, 1), (0.0, 16, 3), (0.0, 16, 1)]
    assert [job.first for job in serve(fresh(rows), seats=2)] == [1.0, 1.0, 2.0]
    assert [job.first for job in serve(fresh(rows), seats=2, ahead=True)] == [1.0, 1.0, 3.0]


def test_an_arrival_during_a_step_composed_ahead() -> None:
    """A request runs from 0 s on. Who comes at 0.5 s is in the step from 1 s; composed ahead, in the one from 2 s, as
    is who comes at 1 s sharp.
    """
    rows = [(0.0, 16, 9), (0.5, 16, 1), (1.0, 16, 1)]
    assert [job.first for job in serve(fresh(rows))] == [1.0, 2.0, 2.0]
    assert [job.first for job in serve(fresh(rows), ahead=True)] == [1.0, 3.0, 3.0]


def test_the_step_after_an_end_by_length_is_empty() -> None:
    """One seat, two answers of one token. The engine knows that the first is at its end: the step composed ahead has
    nothing to do and takes no time, so that the second request runs from 1 to 2 s either way.
    """
    rows = [(0.0, 16, 1), (0.0, 16, 1)]
    assert [job.first for job in serve(fresh(rows), seats=1)] == [1.0, 2.0]
    assert [job.first for job in serve(fresh(rows), seats=1, ahead=True)] == [1.0, 2.0]


def test_the_step_after_a_stop_token_runs_for_nothing() -> None:
    """The same, but the first answer ends by a stop token: the step from 1 s computes a token that nobody wants."""
    jobs = fresh([(0.0, 16, 1), (0.0, 16, 1)])
    jobs[0].stops = True
    engine = Engine([Scheduler(Memory(MANY), seats=1, budget=64, ahead=True)], a_second)
    assert [job.first for job in engine.play(jobs)] == [1.0, 3.0]
    assert [[share.job.number for share in step[0]] for _, _, step in engine.steps] == [[0], [0], [1]]


def test_chunks_of_a_prompt_follow_each_other() -> None:
    """20 tokens, 8 a step: three steps, ahead or not, for a prompt counts as computed when it is scheduled."""
    assert [serve(fresh([(0.0, 20, 2)]), budget=8, ahead=ahead)[0].last for ahead in (False, True)] == [4.0, 4.0]


def test_long_prompts_leave_room() -> None:
    """Budget 8, threshold 4: of two prompts of 8 tokens each gets 4 a step and both have their token at 2 s. A prompt
    alone is not cut: it has its token at 1 s.
    """
    assert [job.first for job in serve(fresh([(0.0, 8, 1)] * 2), budget=8, long_prompt=4)] == [2.0, 2.0]
    assert serve(fresh([(0.0, 8, 1)]), budget=8, long_prompt=4)[0].first == 1.0


def test_a_closed_loop() -> None:
    """Two users, two answers of 2 tokens each, the next question with the last token: tokens at 1, 2, 3 and 4 s. Ahead:
    the step composed at 1 s, with both answers at their end, is empty; the next is composed at 2 s as well.
    """

    def answered(job: Job, at: float) -> list[Job]:
        return [replace(fresh([(at, 16, 2)])[0], number=job.number + 2)] if job.number < 2 else []

    for ahead in (False, True):
        engine = Engine([Scheduler(Memory(MANY), seats=8, budget=64, ahead=ahead)], a_second)
        assert [job.last for job in engine.play(fresh([(0.0, 16, 2)] * 2), answered)] == [2.0, 2.0, 4.0, 4.0]


# ---- admission and preemption ---------------------------------------------------------------------------------------


def test_a_prompt_is_admitted_only_if_all_of_it_fits() -> None:
    """Ten blocks of 4. The first request has 8 + 5 tokens: two blocks, then four by its end at 5 s. The second has a
    prompt of 36 tokens, nine blocks: eight are left, so it waits until 5 s, and reads 16, 16 and 4 tokens until 8 s.

    If the first chunk decides, it comes in at 0 s with the 8 tokens left of 16 (two blocks). Ten blocks: at 1 s the
    first takes one for its second token, the second 4 more for 15 tokens: nine are taken. At 2 s the prompt wants 36 -
    23 = 13 tokens, which with the 23 fill nine blocks: six and the one left are not enough, and it gives way to
    itself. At 3 s it comes in again (15 tokens, four blocks, beside three of the first), and at 4 s 15 more, eight
    blocks in all, do not fit beside three: it gives way again, and reads all from 5 s on.
    """
    rows = [(0.0, 8, 5), (0.0, 36, 1)]
    first, second = serve(fresh(rows), Memory(10, 4, caching=False), budget=16)
    assert (first.last, second.scheduled, second.last, second.preemptions) == (5.0, 5.0, 8.0, 0)
    first, second = serve(fresh(rows), Memory(10, 4, caching=False), budget=16, whole=False)
    assert (first.last, second.scheduled, second.last, second.preemptions) == (5.0, 0.0, 8.0, 2)


def test_the_gate_keeps_nothing_for_prompts_in_progress() -> None:
    """Ten blocks of 4, two prompts of 24 tokens, six blocks each, 4 tokens of each a step. Both pass: six of ten, and
    six of nine. After five steps each holds five; the first finds no sixth, the second gives way, and nobody is
    admitted in that step. The first has its token at 6 s; the second comes back at 6 s and reads 24 tokens alone.
    """
    memory = Memory(10, 4, caching=False)
    first, second = serve(fresh([(0.0, 24, 1)] * 2), memory, budget=24, long_prompt=4)
    assert (first.first, second.scheduled, second.first, second.preemptions) == (6.0, 0.0, 7.0, 1)


def test_a_preempted_request_finds_its_own_blocks() -> None:
    """The same with names: the second comes back at 6 s and finds the five blocks that it gave back less what was taken
    of them, the last one (tail first; the first request took it as its sixth): 16 of 20 tokens, so that with 8 tokens a
    step it needs one step for the rest (8 tokens) where without names it needed three (24).
    """
    for caching, last in ((True, 7.0), (False, 9.0)):
        memory = Memory(10, 4, caching=caching)
        _, second = serve(fresh([(0.0, 24, 1)] * 2), memory, budget=8, long_prompt=4)
        assert (second.preemptions, second.last) == (1, last)


def test_who_gives_way() -> None:
    """Three requests of 4 + 4 tokens in four blocks of 4: at 1 s each wants a second block, and one is left. First
    come, first served: the first takes it, for the second the third gives way. By priority (the least number first) the
    first, least urgent, was admitted last and gives way for the third.
    """
    rows = [(0.0, 4, 4)] * 3
    served = serve(fresh(rows), Memory(4, 4, caching=False))
    assert [job.preemptions for job in served] == [0, 0, 1]
    jobs = fresh(rows)
    jobs[0].priority = 1
    served = serve(jobs, Memory(4, 4, caching=False), policy="priority")
    assert [job.preemptions for job in served] == [1, 0, 0]


def test_who_gives_way_may_be_in_the_step_already() -> None:
    """Three blocks of 4, 4 + 4 tokens each, the second, urgent, at 0.5 s. At 2 s the first, which needs no block, is
    put into the step; then the second wants one and the first gives way, step and all. The second has tokens at 2, 3, 4
    and 5 s; the first had two, and computes its 6 tokens again from 5 s.
    """
    jobs = fresh([(0.0, 4, 4), (0.5, 4, 4)])
    jobs[0].priority = 1
    served = serve(jobs, Memory(3, 4, caching=False), policy="priority")
    assert [job.token_times for job in served] == [[1.0, 2.0, 6.0, 7.0], [2.0, 3.0, 4.0, 5.0]]


def test_the_tokens_of_who_gives_way_serve_those_after() -> None:
    """Four blocks of 4, 7 tokens a step, prompts cut at 4. The first, least urgent, has 4 tokens at 1 s. In the step
    from 1 s it takes 1, the second 4 and the third the 2 left: two, one and one block. In the step from 2 s the first
    takes 1; the second wants its second block and gets it, and the first gives its token back: the third has 7 - 4 = 3.
    """
    jobs = fresh([(0.0, 4, 8), (0.5, 12, 1), (0.5, 12, 1)])
    jobs[0].priority = 1
    core = Scheduler(Memory(4, 4, caching=False), 8, 7, "priority", whole=False, long_prompt=4)
    engine = Engine([core], a_second)
    engine.play(jobs)
    shares = [[(share.job.number, share.new) for share in step[0]] for _, _, step in engine.steps[:3]]
    assert shares == [[(0, 4)], [(0, 1), (1, 4), (2, 2)], [(1, 4), (2, 3)]]


# ---- what is found --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [False, True])
def test_eight_answers_to_one_prompt(*, ahead: bool) -> None:
    """8 equal prompts of 4,000 tokens at once: 250 blocks of 16. The first computes all; the others find, in the same
    step, all blocks but the last, which is computed again for its last token: 249 x 16 = 3,984 tokens.
    7 x 3,984 / (8 x 4,000) = 87.15 %. They fit one step: 4,000 + 7 x 16 = 4,112 of 8,192 tokens.
    """
    served = serve([Job(i, 0.0, words(0, 4000), words(i + 1, 8)) for i in range(8)], ahead=ahead)
    assert [job.cached for job in served] == [0, *[3984] * 7]
    assert [job.first for job in served] == [1.0] * 8
    assert sum(job.cached for job in served) / 32000 == pytest.approx(0.8715)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_chain_of_calls_finds_its_answers(*, ahead: bool) -> None:
    """8 calls; each prompt is the one before, its answer of 30 tokens, and 20 more: 100, 150, ... 450 tokens.

    After a call, prompt + 29 tokens are in memory (the last one is never computed), of which full blocks are found: of
    129, 8 blocks; of 179, 11; of 229, 14; of 279, 17; of 329, 20; of 379, 23; of 429, 26. In all 119 blocks, 1,904 of
    2,200 tokens. Without the answers it would be 6 + 9 + 12 + 15 + 18 + 21 + 25 = 106.
    """

    def answered(job: Job, at: float) -> list[Job]:
        if job.number == 7:
            return []
        prompt = [*job.prompt, *job.answer, *words(100 + job.number, 20)]
        return [Job(job.number + 1, at, prompt, words(200 + job.number, 30))]

    engine = Engine([Scheduler(Memory(MANY), seats=8, budget=8192, ahead=ahead)], a_second)
    calls = engine.play([Job(0, 0.0, words(1, 100), words(2, 30))], answered)
    assert [len(job.prompt) for job in calls] == [100, 150, 200, 250, 300, 350, 400, 450]
    assert [job.cached // 16 for job in calls] == [0, 8, 11, 14, 17, 20, 23, 26]


def test_answers_push_prompts_out_last_block_first() -> None:
    """Ten blocks of 4. A: prompt 16 (4 blocks), answer 9, so 24 tokens in memory: 6 blocks, all named. Then B the same:
    four blocks are free and unnamed, and two are taken from A, from its end. So a third request with A's prompt finds
    all 4 blocks of it, less the last, which is computed again.

    With answers of 17 tokens, 32 in memory, 8 blocks, B takes two free ones and six of A's eight, from the end: two of
    A's prompt are left, 8 tokens.
    """
    for answer, found in ((9, 12), (17, 8)):
        a = words(0, 16)
        jobs = [Job(i, 100.0 * i, words(9, 16) if i == 1 else a, words(i + 1, answer)) for i in range(3)]
        assert [job.cached for job in serve(jobs, Memory(10, 4))] == [0, 0, found]


def test_blocks_without_a_name_are_taken_first() -> None:
    """Four blocks of 4. A: 8 + 1 tokens; 8 in memory, two named blocks. B: 5 + 1 tokens: two blocks, one named. The
    half-filled one goes to the front of the list: C, with 4 tokens, takes it, and A's prompt and B's are still there.
    D, as A but longer by 4 tokens (12), finds both blocks of A; it needs one more: the list has C's block, named,
    after those of A and B: A's two are touched, B's block is the oldest left and goes. E finds nothing of B.
    """
    a, b = words(0, 8), words(1, 5)
    prompts = [a, b, words(2, 4), [*a, *words(3, 4)], b]
    jobs = [Job(i, 100.0 * i, prompt, words(10 + i, 1)) for i, prompt in enumerate(prompts)]
    memory = Memory(4, 4)
    assert [job.cached for job in serve(jobs, memory)] == [0, 0, 0, 8, 0]


def test_cached_blocks_count_as_free_and_are_paid_for_when_touched() -> None:
    """Six blocks of 4. A: prompt 16, answer 1: 4 named blocks, free. B: as A and 4 tokens more: it finds 4 blocks, but
    takes them out of the six free ones, and one more: five. C, of 8 tokens, needs two of the one left: it waits for B.
    """
    a = words(0, 16)
    rows = [(0.0, a, 1), (10.0, [*a, *words(1, 4)], 3), (10.0, words(2, 8), 1)]
    jobs = [Job(i, at, prompt, words(10 + i, answer)) for i, (at, prompt, answer) in enumerate(rows)]
    served = serve(jobs, Memory(6, 4))
    assert [job.cached for job in served] == [0, 16, 0]
    assert (served[1].last, served[2].scheduled) == (13.0, 13.0)


def test_twenty_prompts_whose_answers_push_prompts_out() -> None:
    """20 prompts of 2,000 tokens at random, answers of 1,000, 60,000 tokens of memory, one request after the other, in
    blocks of 16 (here blocks of 1: 125 of a prompt, 63 of an answer, 3,750 in all).

    A prompt is found if less was used since than fits: n requests of d prompts use 125 d + 62 n blocks, with d about
    20 (1 - 0.95^n): 29 requests fit 3,750 (15.5 x 125 + 29 x 62 = 3,730). The next is within 29 requests with 1 -
    0.95^29 = 77.4 %, and then 124 of 125 blocks are found: 76.8 %, with 1 / 20 of tolerance for 600 draws. (Without the
    answers, 20 x 125 = 2,500 blocks would always be there: 99 %.)
    """
    draw = Random(1)
    jobs = [Job(i, 1000.0 * i, words(draw.randrange(20), 125), words(100 + i, 63)) for i in range(700)]
    late = serve(jobs, Memory(3750, 1))[100:]
    assert sum(job.cached for job in late) / (125 * len(late)) == pytest.approx(0.768, abs=0.05)


# ---- drafts, windows, ranks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [False, True])
def test_drafts(*, ahead: bool) -> None:
    """Three drafts, of which one is accepted: the prompt's token at 1 s, then two a step: 5 tokens at 3 s. Of a budget
    of 10, two sequences take 4 each, and a third, admitted at 1 s with its prompt of 2, gets the 2 that are left.
    """
    jobs = [*fresh([(0.0, 4, 5), (0.0, 4, 5), (0.25, 2, 1)])]
    engine = Engine(
        [Scheduler(Memory(MANY), seats=4, budget=10, drafts=3, ahead=ahead, accepted=lambda job, produced: 1)], a_second
    )
    served = engine.play(jobs)
    assert [job.token_times for job in served[:2]] == [[1.0, 2.0, 2.0, 3.0, 3.0]] * 2
    assert [share.new for share in engine.steps[1][2][0]][:2] == [4, 4]
    assert served[2].first == (3.0 if ahead else 2.0)


def test_windows_give_their_blocks_back() -> None:
    """A window of 8 tokens, blocks of 4, a prompt of 32 in steps of 8. Before the step for tokens 9 to 16, 8 are done:
    9 tokens to the next, whose window begins with token 2 (8 - 8 + 1 = 1 is behind): no whole block. Before 17 to 24:
    9 are behind, two blocks; before 25 to 32: 17, four. So it holds 2, 4, 4, 4 blocks, and a memory of 4 will do.

    Admission charges min(8, 1 + (8 - 1 + 8) / 4 rounded up) = 5 blocks: with 4 it would not come in.
    """
    for blocks in (4, 5):
        memory = Memory(blocks, 4, windows=(8,), caching=False, in_flight=8)
        engine = Engine([Scheduler(memory, seats=1, budget=8)], a_second)
        if blocks == 4:
            with pytest.raises(RuntimeError, match="too small"):
                engine.play(fresh([(0.0, 32, 1)]))
        else:
            assert engine.play(fresh([(0.0, 32, 1)]))[0].first == 4.0
    memory = Memory(4, 4, windows=(8,), caching=False, in_flight=8)
    engine = Engine([Scheduler(memory, seats=1, budget=8, whole=False)], a_second)
    assert engine.play(fresh([(0.0, 32, 1)]))[0].first == 4.0


def test_ranks_wait_for_the_slowest() -> None:
    """Two ranks, a second a step and one more for every 10 tokens of prompt. Rank 0 reads 30 tokens (4 s) and rank 1
    10 (2 s): the step lasts 4 s. Then both decode: a second each.
    """

    def slow(decoding: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
        return 1.0 + sum(new for new, _ in chunks) / 10

    ranks = [Scheduler(Memory(MANY), seats=4, budget=64) for _ in range(2)]
    served = Engine(ranks, slow).play(fresh([(0.0, 30, 2), (0.0, 10, 2)]))
    assert [job.token_times for job in served] == [[4.0, 5.0]] * 2


def test_an_idle_rank_runs_along_and_composes_at_the_end() -> None:
    """Ahead, two ranks: rank 0 runs from 0 s on. At 0.5 s one comes to rank 0, one to rank 1. Rank 1 does an empty step
    until 1 s, and takes its request into the step from 1 s; rank 0 has composed that step, and takes it from 2 s.
    """
    ranks = [Scheduler(Memory(MANY), seats=4, budget=64, ahead=True) for _ in range(2)]
    jobs = fresh([(0.0, 16, 9), (0.5, 16, 1), (0.5, 16, 1)])
    served = Engine(ranks, a_second, route=lambda job, _: job.number // 2).play(jobs)
    assert [job.first for job in served] == [1.0, 3.0, 2.0]


def test_seats_are_of_each_rank() -> None:
    """Two ranks of one seat: two at a time."""
    ranks = [Scheduler(Memory(MANY), seats=1, budget=64) for _ in range(2)]
    served = Engine(ranks, a_second).play(fresh([(0.0, 16, 1)] * 4))
    assert [job.first for job in served] == [1.0, 1.0, 2.0, 2.0]
