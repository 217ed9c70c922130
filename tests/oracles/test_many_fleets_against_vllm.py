"""Five hundred fleets drawn by number, open and closed: every request as vLLM 0.33 played step by step serves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest
from tests.oracles.vllm_fleets import assert_same, drawn_by, jobs_of, looped, reads_what_is_written, served, simulated
from tests.oracles.vllm_scheduler import Job

ALL = 500
FEW = 40
"""In number 32 requests give way that have taken new blocks in the same step."""

A_LOOP = 4
"""Every so many fleets one is asked by users who wait for answers."""


def compared(seed: int) -> list[Job]:
    """Serve the fleet of this number by both, and find every request served alike; returns the requests."""
    drawn, asked = drawn_by(seed)
    draw = Random(-1 - seed)
    stepping = draw.choice(["leap", "every"])
    if seed % A_LOOP == 0:
        lengths = [(each.own, each.answer) for each in asked]
        texts = draw.choice([0, 3]) if drawn.names else 0
        think_s = draw.choice([0.0, 2.0**-6, 2.0**-3])
        users = draw.randint(1, 24)
        table, jobs = looped(replace(drawn, replicas=1), users, lengths, think_s, 3 * len(asked), texts, stepping)
    else:
        jobs = jobs_of(asked, drawn.blocks * drawn.block)
        served(drawn, jobs)
        if reads_what_is_written(asked, jobs):  # no client can do that: let nobody go on from an answer
            jobs = jobs_of([replace(each, after=False) for each in asked], drawn.blocks * drawn.block)
            served(drawn, jobs)
        table = simulated(drawn, jobs, stepping)
    assert_same(table, jobs)
    return jobs


def counts(seeds: Iterable[int]) -> Counter[str]:
    """What happened in the fleets of these numbers."""
    found: Counter[str] = Counter()
    for seed in seeds:
        drawn, jobs = drawn_by(seed)[0], compared(seed)
        preemptions = sum(job.preemptions for job in jobs)
        found["requests"] += len(jobs)
        found["preemptions"] += preemptions
        found["preemptions by priority"] += preemptions * (drawn.policy == "priority")
        found["preemptions ahead"] += preemptions * drawn.ahead
        found["requests that found something"] += sum(job.cached > 0 for job in jobs)
        found["fleets ahead"] += drawn.ahead
    return found


def test_some_fleets() -> None:
    found = counts(range(FEW))
    assert found["preemptions by priority"] > 100, found
    assert found["requests that found something"] > 100, found


@pytest.mark.parametrize(("seed", "bound"), [(22, 5), (45, 20), (46, 5), (49, 5), (57, 5), (63, 20), (107, 5)])
def test_who_goes_on_from_a_bounded_prompt_gets_ahead_of_it(seed: int, bound: int) -> None:
    """Two read one text: the later finds what the earlier has scheduled, takes a bound's tokens more in the same step,
    and its blocks are there first. Which copy is found decides who holds it and what is evicted.
    """
    drawn, asked = drawn_by(seed)
    drawn = replace(drawn, long_prompt=bound)
    jobs = jobs_of([replace(each, after=False) for each in asked], drawn.blocks * drawn.block)
    served(drawn, jobs)
    assert_same(simulated(drawn, jobs), jobs)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_all_fleets(part: int) -> None:
    found = counts(range(part * ALL // 10, (part + 1) * ALL // 10))
    assert found["preemptions ahead"] > 100, found
    print(dict(found))
