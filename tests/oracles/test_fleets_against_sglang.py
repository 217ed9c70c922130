"""Random fleets: every request of the simulator against SGLang 0.5.23 played pass by pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel
from tests.oracles.sglang_scheduler import Engine, Job

from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.simulation.replica.replica import Stepping
from infermodel.simulation.spec import AnswerShare
from infermodel.tables import GAP_EDGES_S, ServiceRecord
from infermodel.workload.quotas import RateLimits, Tenant
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import TraceTraffic

BASE, SEQUENCE, CONTEXT, TOKEN, PAIR = 2.0**-6, 2.0**-10, 2.0**-20, 2.0**-14, 2.0**-22
"""Times of the toy law: multiples of a power of two, so that sums are exact in any order."""

SHARE = AnswerShare(0.7, 0.098, 600, 20, 4096)
"""As the engine comes."""

Row = tuple[float, int, int]
"""Gap after the one before, prompt tokens, answer tokens."""


@dataclass(frozen=True)
class Drawn:
    """A replica and its settings."""

    seats: int
    chunk: int
    tokens: int
    mixed: bool = False
    interval: int = 1
    share: AnswerShare = SHARE
    asked: int = 0


def step_s(decoding: list[int], chunks: list[tuple[int, int]]) -> float:
    """The toy law: a base, and so much a sequence, a token of context, of prompt, and a pair of them."""
    prompt = sum(new * (TOKEN + PAIR * before) for new, before in chunks)
    return BASE + SEQUENCE * len(decoding) + CONTEXT * sum(decoding) + prompt


def jobs_of(rows: Sequence[Row], drawn: Drawn) -> list[Job]:
    """The requests that the oracle serves."""
    at = np.cumsum([gap for gap, _, _ in rows])
    return [
        Job(number, float(at[number]), prompt, answer, max(answer, drawn.asked))
        for number, (_, prompt, answer) in enumerate(rows)
    ]


def served(rows: Sequence[Row], drawn: Drawn) -> list[Job]:
    """By the oracle."""
    share, jobs = drawn.share, jobs_of(rows, drawn)
    Engine(
        step_s, drawn.tokens, drawn.seats, drawn.chunk, 1, drawn.mixed, drawn.interval,
        share.first, share.least, share.steps, share.steps_ahead, share.longest,
    ).play(jobs)  # fmt: skip
    return jobs


def simulated(rows: Sequence[Row], drawn: Drawn, stepping: Stepping) -> ServiceRecord:
    """By the simulator."""
    gap, prompt, answer = (np.array(column) for column in zip(*rows, strict=True))
    nobody = np.full(len(rows), -1, np.int64)
    requests = Requests(np.cumsum(gap), prompt, answer, np.zeros(len(rows), np.int64), nobody)
    limits = Limits(
        drawn.seats,
        drawn.chunk,
        1 << 30,
        mixes_prompts=drawn.mixed,
        answer_share=drawn.share,
        preempted="shortest_answer",
        receive_interval=drawn.interval,
        whole_prompt=True,
    )
    model = AffineModel(BASE, SEQUENCE, CONTEXT, TOKEN, PAIR, kv_tokens=drawn.tokens, block_tokens=1)
    asks = RateLimits((Tenant("all"),), requested_output=drawn.asked) if drawn.asked else None
    spec = one_pool("service", model, TraceTraffic(requests), limits, rate_limits=asks)
    return simulate([spec], 1, Horizon(), stepping=stepping)[0]


def check(rows: Sequence[Row], drawn: Drawn, stepping: Stepping = "leap") -> list[Job]:
    """Play both: every request, every time, to the last bit, and the gaps between all tokens."""
    jobs, record = served(rows, drawn), simulated(rows, drawn, stepping)
    table = record.requests
    assert table.first_scheduled_at.tolist() == [job.begun for job in jobs]
    assert table.first_token_at.tolist() == [job.token_times[0] for job in jobs]
    assert table.finished_at.tolist() == [job.token_times[-1] for job in jobs]
    assert table.preemptions.tolist() == [job.retractions for job in jobs]
    gaps = np.concatenate([np.diff(job.token_times) for job in jobs])
    assert record.gaps.gaps == len(gaps)
    assert record.gaps.total_s == pytest.approx(gaps.sum(), rel=1e-12)
    np.testing.assert_array_equal(record.gaps.counts, np.histogram(gaps, GAP_EDGES_S)[0])
    return jobs


def drawn_by(random: Random) -> tuple[list[Row], Drawn]:
    """A fleet and who asks it, with memory from scarce to ample."""
    longest, bursts = random.choice([10, 40]), random.random() < 0.3
    rows = []
    for number in range(random.randint(1, 60)):
        gap_s = random.choice([0.0, 0.0, BASE, random.randrange(0, 24) * BASE / 4])
        if bursts:
            gap_s = 0.0 if number % 15 else 256 * BASE  # long enough for nobody to be left
        rows.append((gap_s, random.randint(1, 60), random.randint(1, longest)))
    share = AnswerShare(
        random.choice([0.7, 0.3, 0.05]),
        0.01,
        random.choice([600, 20]),
        random.choice([20, 2]),
        random.choice([4096, 12]),
    )
    seats, mixed = random.randint(1, 12), random.random() < 0.3
    drawn = Drawn(
        seats=seats,
        chunk=random.randint(8, 80) + (seats if mixed else 0),
        tokens=random.randint(110, 400),
        mixed=mixed,
        interval=random.choice([1, 1, 1, 3, 10]),
        share=share,
        asked=random.choice([0, 0, 45]),
    )
    return rows, drawn


@pytest.mark.parametrize("seed", range(80))
def test_random_fleets(seed: int) -> None:
    rows, drawn = drawn_by(Random(seed))
    check(rows, drawn, "every" if seed % 4 == 3 else "leap")


@pytest.mark.slow
def test_many_random_fleets() -> None:
    retracted = 0
    for seed in range(80, 480):
        rows, drawn = drawn_by(Random(seed))
        retracted += sum(job.retractions for job in check(rows, drawn, "every" if seed % 4 == 3 else "leap"))
    assert retracted > 100


def test_prompts_hold_answers_up() -> None:
    """A long prompt of three steps comes while another answers: its answer stands still for three steps, and both go on
    together. The gap is one, not a gap of each step.
    """
    jobs = check([(0.0, 10, 4), (BASE, 50, 3)], Drawn(seats=4, chunk=20, tokens=200))
    first, second = jobs
    held_s = sum(step_s([], [(new, before)]) for new, before in ((20, 0), (20, 20), (10, 40)))
    assert np.diff(first.token_times)[0] == pytest.approx(held_s + step_s([11, 51], []))
    assert np.diff(second.token_times)[0] == step_s([11, 51], [])


def test_mixed_steps_hold_nobody_up() -> None:
    (first, _) = check([(0.0, 10, 4), (BASE, 50, 3)], Drawn(seats=4, chunk=21, tokens=200, mixed=True))
    assert np.diff(first.token_times)[0] == step_s([11], [(20, 0)])


def test_room_for_a_share_of_the_answers_is_kept_free() -> None:
    """100 tokens. The first holds 20 after its prompt and has 39 of 40 to go, of which 0.7 count: 52.7 are left. The
    second needs 11 + 40 + 1, fewer than that; a token more would not be: it would wait for the first to end.
    """
    for prompt, waits in ((11, False), (12, True)):
        (first, second) = check([(0.0, 20, 40), (BASE / 2, prompt, 40)], Drawn(seats=4, chunk=50, tokens=100))
        assert (second.begun >= first.token_times[-1]) == waits


def test_who_was_turned_away_waits_until_somebody_leaves() -> None:
    """As above; a second later the share has sunk so far that the second would fit, but nobody asks before the end."""
    share = AnswerShare(0.7, 0.0, 10, 20, 4096)
    (first, second) = check([(0.0, 20, 40), (BASE / 2, 12, 40)], Drawn(seats=4, chunk=50, tokens=100, share=share))
    assert second.begun == first.token_times[-1]


def test_the_shortest_answer_gives_way_and_queues_again_behind_everybody() -> None:
    """Two that ask for 40 each are let in, since hardly anything is kept free, and 60 tokens do not hold both. Who came
    later has the shorter answer; the third, which waits, is begun before it goes on.
    """
    share = AnswerShare(0.01, 0.0, 10, 0, 4096)
    rows = [(0.0, 5, 40), (2 * BASE, 6, 40), (3 * BASE, 7, 40)]
    first, second, third = check(rows, Drawn(seats=2, chunk=50, tokens=60, share=share))
    assert (first.retractions, second.retractions) == (0, 1)
    assert max(np.diff(second.token_times)) > third.begun - second.begun


def test_what_is_asked_for_counts_not_what_is_answered() -> None:
    """The scheduler knows of an answer of 40 tokens only that 400 are asked for: it lets nobody beside it."""
    rows = [(0.0, 20, 40), (BASE / 2, 20, 40)]
    (first, second) = check(rows, Drawn(seats=4, chunk=50, tokens=500, asked=400))
    assert second.begun >= first.token_times[-1]
    (first, second) = check(rows, Drawn(seats=4, chunk=50, tokens=500))
    assert second.begun < first.token_times[-1]


def test_who_is_retracted_right_after_its_prompt_had_its_token_then() -> None:
    """Five decode and hold 15 of 40 tokens; the sixth takes 21 for its prompt, and the next step wants six of the four
    that are left. Its gap begins with its first token, theirs with the step before.
    """
    share = AnswerShare(0.0, 0.0, 10, 0, 1)
    rows = [(0.0, 2, 4)] * 5 + [(1.5 * BASE, 21, 2)]
    jobs = check(rows, Drawn(seats=8, chunk=50, tokens=40, share=share))
    assert [job.retractions for job in jobs] == [0, 0, 0, 0, 0, 1]
