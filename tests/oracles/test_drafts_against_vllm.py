"""Drafts that are drawn round by round: every request against vLLM 0.33 played step by step."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from random import Random

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel
from tests.oracles.vllm_blocks import Memory
from tests.oracles.vllm_engine import Engine
from tests.oracles.vllm_fleets import BASE, CONTEXT, PAIR, SEQUENCE, TOKEN, step_s
from tests.oracles.vllm_scheduler import Job, Scheduler

from infermodel.cost.speculative import Speculation, SpeculativeModel, accepted
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.simulation.replica.drafts import even_draw
from infermodel.simulation.streams import named_streams
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import TraceTraffic

AMPLE = 1 << 16
"""Blocks: what is written for drafts that are not accepted is not told apart here."""


@dataclass(frozen=True)
class Case:
    """An engine that drafts, and its requests: arrival, prompt, answer."""

    drafts: int
    seats: int
    budget: int
    rows: tuple[tuple[float, int, int], ...]


def drawn(seed: int) -> Case:
    """In half of the cases there are seats for more sequences than the budget has room for with their drafts; prompts
    of k + 1 tokens and more then fill it to the last token.
    """
    draw = Random(seed)
    drafts, seats = draw.randint(1, 4), draw.randint(2, 10)
    budget = (1 + drafts) * max(2, seats // 2)
    if draw.random() < 0.5:
        budget = (1 + drafts) * seats + draw.randint(0, 30)
    at, rows = 0.0, []
    for _ in range(draw.randint(1, 60)):
        at += draw.choice([0, 0, draw.randint(1, 40)]) * BASE / 4
        rows.append((at, draw.randint(1 + drafts, 60), draw.randint(1, 60)))
    return Case(drafts, seats, budget, tuple(rows))


def seed_of_draws(name: str) -> int:
    """As the service draws it."""
    return int(named_streams(1, "replication 0")(name).integers(2**63))


@pytest.mark.parametrize(
    ("cases", "least_played", "least_crowded"), [(14, 8, 1), pytest.param(150, 90, 10, marks=pytest.mark.slow)]
)
def test_each_sequence_takes_its_drafts_of_the_budget(cases: int, least_played: int, least_crowded: int) -> None:
    """Whoever is admitted, and what its prompt takes, depends on k + 1 tokens of every sequence. Left out are cases in
    which sequences found no place in a step that were running: the simulation lets all of them have it.
    """
    played = crowded = 0
    for seed in range(cases):
        case = drawn(seed)
        chances = tuple(accumulate([0.75] * case.drafts, lambda p, q: p * q))
        draws = seed_of_draws("acceptance")

        def yields(job: Job, produced: int, chances: tuple[float, ...] = chances, draws: int = draws) -> int:
            return accepted(chances, even_draw(draws, job.number, len(job.prompt) + produced + 1))

        jobs = [
            Job(number, at, [(number, i) for i in range(prompt)], [(number, -i) for i in range(1, answer + 1)])
            for number, (at, prompt, answer) in enumerate(case.rows)
        ]
        core = Scheduler(Memory(AMPLE, 4, caching=False), case.seats, case.budget, drafts=case.drafts, accepted=yields)
        engine = Engine([core], step_s)
        engine.play(jobs)
        decoding = [[share for share in step[0] if share.decodes] for _, _, step in engine.steps]
        if any(share.new <= case.drafts for step in decoding for share in step) or starved(engine):
            continue
        played += 1
        crowded += any(sum(share.new for share in step) >= case.budget for step in decoding)
        speculation = Speculation((0.75,) * case.drafts, None, sampled=True)
        toy = AffineModel(BASE, SEQUENCE, CONTEXT, TOKEN, PAIR, kv_tokens=AMPLE * 4, block_tokens=4)
        model = SpeculativeModel(toy, None, speculation, toy.kv_memory, case.budget)
        at, prompts, answers = (np.array(column) for column in zip(*case.rows, strict=True))
        nothing = np.zeros(len(at), np.int64)
        traffic = TraceTraffic(Requests(at, prompts, answers, nothing, nothing - 1))
        limits = Limits(case.seats, case.budget, 1 << 30)
        spec = one_pool("service", model, traffic, limits, speculation=speculation)
        table = simulate([spec], 1, Horizon())[0].requests
        assert table.first_scheduled_at.tolist() == [job.begun for job in jobs], seed
        assert table.first_token_at.tolist() == [job.first for job in jobs], seed
        assert table.finished_at.tolist() == [job.last for job in jobs], seed
    assert played >= least_played
    assert crowded >= least_crowded


def starved(engine: Engine) -> bool:
    """Whether a request was in no step between its first and its last."""
    steps: dict[int, list[int]] = {}
    for i, (_, _, step) in enumerate(engine.steps):
        for share in step[0]:
            steps.setdefault(share.job.number, []).append(i)
    return any(last - first + 1 > len(all_of) for all_of in steps.values() for first, last in [(all_of[0], all_of[-1])])
