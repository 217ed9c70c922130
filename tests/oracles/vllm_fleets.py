"""Random fleets for vLLM's step-by-step player and for the simulator, from one description.

A request is a text of blocks: some that it shares with others, then its own, then its answer. The player gets tokens,
the simulator the names of blocks, as its traces carry them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel
from tests.oracles.vllm_blocks import Memory
from tests.oracles.vllm_engine import Engine, Fewest
from tests.oracles.vllm_scheduler import Job, Scheduler

from infermodel.cost.block_pool import WindowGroups
from infermodel.simulation import Horizon, Limits, ServiceSpec, one_pool, simulate
from infermodel.simulation.replica.replica import Stepping
from infermodel.tables import RequestTable
from infermodel.workload.bodies import Prefix, Priorities
from infermodel.workload.lengths import Table
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, ThinkTime, TraceTraffic

BASE, SEQUENCE, CONTEXT, TOKEN, PAIR = 2.0**-6, 2.0**-10, 2.0**-20, 2.0**-14, 2.0**-22
"""Times of the toy law: multiples of a power of two, so that sums are exact in any order."""

AN_ANSWER_S = 128 * BASE
"""Time for most answers to be complete."""


@dataclass(frozen=True)
class Question:
    """A request: when, after the one before; the text it begins with and how much of it; its own words, its answer."""

    gap_s: float
    text: int
    shared: int
    own: int
    answer: int
    priority: int
    after: bool = False  # its text is the prompt and the answer of the request before, and it comes long after that


@dataclass(frozen=True)
class Drawn:
    """A fleet and its settings.

    Attributes:
        policy: "priority": who gives way may be in the step already, and its tokens go back to the budget.
        whole: a prompt is admitted only if all of it fits.
        names: blocks of prompts and answers are found one by one.
        ahead: a step is composed while the one before runs, and what it frees serves the step after the next.
        ranks: of data-parallel attention, in lockstep.
        windows: of each group of layers, which gives blocks back as it moves; drawn in a test of their own.
    """

    seats: int
    budget: int
    blocks: int
    block: int = 4
    policy: str = "fcfs"
    whole: bool = False
    names: bool = False
    ahead: bool = False
    ranks: int = 1
    replicas: int = 1
    windows: tuple[int | None, ...] = (None,)
    long_prompt: int = 0

    @property
    def in_flight(self) -> int:
        """Tokens that may be scheduled and not done."""
        return self.budget * (1 + self.ahead)


def step_s(decoding: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
    """The toy law: a base, and so much a sequence, a token of context, of prompt, and a pair of them."""
    prompt = sum(new * (TOKEN + PAIR * before) for new, before in chunks)
    return BASE + SEQUENCE * len(decoding) + CONTEXT * sum(decoding) + prompt


gaps = st.integers(0, 24).map(lambda steps: steps * BASE / 4) | st.sampled_from([0.0, 0.0, BASE])
questions = st.lists(
    st.builds(
        Question,
        gaps,
        st.integers(0, 3),
        st.integers(0, 30),
        st.integers(1, 40),
        st.integers(1, 40),
        st.integers(0, 2),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
fleets = st.builds(
    Drawn,
    seats=st.integers(1, 8),
    budget=st.integers(8, 60),
    blocks=st.integers(40, 80),
    policy=st.sampled_from(["fcfs", "priority"]),
    whole=st.booleans(),
    names=st.booleans(),
    ahead=st.booleans(),
    ranks=st.integers(1, 4),
    replicas=st.integers(1, 3),
    long_prompt=st.sampled_from([0, 0, 5, 20]),
).map(lambda drawn: replace(drawn, long_prompt=0) if drawn.names else drawn)
"""Where prompts are bounded and blocks are found as well, a request that goes on from what another has scheduled gets
ahead of it, and both have copies of the blocks that come after. vLLM finds the copy that was there first, block by
block; the simulator that of the one who got ahead, of all its blocks, though the other may overtake it.
"""


def jobs_of(asked: Sequence[Question], most: int) -> list[Job]:
    """The requests with their tokens, at most `most` of them each, prompt and answer."""
    jobs: list[Job] = []
    now = 0.0
    for number, each in enumerate(asked):
        now += each.gap_s + (AN_ANSWER_S if each.after else 0.0)
        own: list[Hashable] = [("own", number, i) for i in range(each.own)]
        start: list[Hashable] = [("text", each.text, i) for i in range(each.shared)]
        if each.after and jobs:
            start = [*jobs[-1].prompt, *jobs[-1].answer]
        answer: list[Hashable] = [("answer", number, i) for i in range(each.answer)]
        prompt = [*start[: most - len(own) - len(answer)], *own]
        jobs.append(Job(number, now, prompt, answer, each.priority))
    return jobs


def drawn_by(seed: int) -> tuple[Drawn, list[Question]]:
    """A fleet and its open traffic, larger than what hypothesis draws: up to 120 requests, memories of which most hold
    a few of them only.
    """
    draw = Random(seed)
    blocks = draw.choice([40, 40, 40, 60, 300])
    drawn = Drawn(
        seats=draw.choice([1, 4, 8, 16, 16]),
        budget=draw.choice([16, 24, 40, 80, 200]),
        blocks=blocks,
        policy=draw.choice(["fcfs", "priority"]),
        whole=draw.random() < 0.6,
        names=draw.random() < 0.7,
        ahead=draw.random() < 0.6,
        replicas=draw.choice([1, 1, 2, 3]),
        ranks=draw.choice([1, 1, 2, 4]),
    )
    if not drawn.names:
        drawn = replace(drawn, long_prompt=Random(-2 - seed).choice([0, 5, 20]))
    pause, longest, texts = draw.choice([0, 0, 1, 4, 16]), draw.choice([10, 40, 80]), draw.randint(1, 4)
    asked = [
        Question(
            round(draw.expovariate(1) * pause) * BASE / 4,
            draw.randrange(texts),
            draw.choice([0, draw.randint(0, 60)]),
            draw.randint(1, longest),
            draw.choice([1, *[draw.randint(1, longest) for _ in range(3)]]),
            draw.choice([0, 0, 1, 2]),
            drawn.names and draw.random() < 0.1,
        )
        for _ in range(draw.randint(1, 120))
    ]
    return drawn, asked


def reads_what_is_written(asked: Sequence[Question], jobs: Sequence[Job]) -> bool:
    """Whether some prompt goes on from an answer that was not complete when it was asked: no client can do that."""
    pairs = zip(asked[1:], jobs[1:], jobs, strict=False)
    return any(each.after and job.arrived < before.last for each, job, before in pairs)


def served(drawn: Drawn, jobs: Sequence[Job]) -> list[Job]:
    """By the player: replicas in turn, ranks of a replica by the fewest requests."""
    for i in range(drawn.replicas):
        mine = [job for job in jobs if job.number % drawn.replicas == i]
        Engine(cores(drawn), step_s, route=Fewest()).play(mine)
    return list(jobs)


def cores(drawn: Drawn) -> list[Scheduler]:
    """The engine cores of one replica."""
    return [
        Scheduler(
            Memory(drawn.blocks, drawn.block, drawn.windows, drawn.names, drawn.in_flight),
            drawn.seats,
            drawn.budget,
            drawn.policy,
            drawn.ahead,
            drawn.whole,
            long_prompt=drawn.long_prompt,
        )
        for _ in range(drawn.ranks)
    ]


def names_of(jobs: Iterable[Job], block: int) -> tuple[tuple[int, ...], ...]:
    """The names of the full blocks of prompt and answer, one chain for each job."""
    memory, chains = Memory(0, block), []
    for job in jobs:
        chain: list[int] = []
        memory.extend_names(chain, [*job.prompt, *job.answer])
        chains.append(tuple(chain))
    return tuple(chains)


def simulated(drawn: Drawn, jobs: Sequence[Job], stepping: Stepping = "leap") -> RequestTable:
    """By the simulator."""
    requests = Requests(
        np.array([job.arrived for job in jobs]),
        np.array([len(job.prompt) for job in jobs]),
        np.array([len(job.answer) for job in jobs]),
        np.array([job.priority for job in jobs]),
        np.full(len(jobs), -1, np.int64),
        names_of(jobs, drawn.block) if drawn.names else None,
        drawn.block if drawn.names else 0,
    )
    spec = _spec(drawn, TraceTraffic(requests))
    return simulate([spec], 1, Horizon(), stepping=stepping)[0].requests


def model_of(drawn: Drawn) -> AffineModel:
    """The law of one engine core, and the memory of all."""
    return AffineModel(
        BASE,
        SEQUENCE,
        CONTEXT,
        TOKEN,
        PAIR,
        kv_tokens=drawn.ranks * drawn.blocks * drawn.block,
        block_tokens=drawn.block,
        ranks=drawn.ranks,
        whole=drawn.windows.count(None),
        pooled=tuple(
            WindowGroups.of(width, drawn.windows.count(width), drawn.block, drawn.in_flight, int(drawn.ahead))
            for width in sorted({window for window in drawn.windows if window is not None})
        ),
    )


def _spec(drawn: Drawn, traffic: TraceTraffic | ClosedTraffic) -> ServiceSpec:
    """The fleet in the simulator's words. A rule that it comes to follow gets its line here, and its name above."""
    limits = Limits(
        drawn.seats,
        drawn.budget,
        1 << 30,
        prefix_caching=drawn.names,
        schedules_ahead=drawn.ahead,
        whole_prompt=drawn.whole,
        long_prompt_tokens=drawn.long_prompt,
    )
    return one_pool(
        "service", model_of(drawn), traffic, limits, drawn.replicas, queue=drawn.policy, router="round_robin"
    )


def looped(
    drawn: Drawn,
    users: int,
    lengths: Sequence[tuple[int, int]],
    think_s: float,
    count: int,
    texts: int = 0,
    stepping: Stepping = "leap",
) -> tuple[RequestTable, list[Job]]:
    """A closed loop in both: `users` users, whose i-th question in order of sending has the i-th lengths and priority
    that the simulator drew, and one of so many texts in turn; without texts all have words of their own.
    """
    prompts, answers = (tuple(column) for column in zip(*lengths, strict=True))
    traffic = ClosedTraffic(
        users,
        Table(prompts),
        Table(answers),
        ThinkTime(think_s),
        Prefix(texts) if texts else None,
        Priorities((0, 1, 2)),
        requests=count,
    )
    table = simulate([_spec(drawn, traffic)], 1, Horizon(), stepping=stepping)[0].requests
    sent = 0

    def ask(at: float) -> list[Job]:
        nonlocal sent
        if sent == count:
            return []
        number, prompt, answer = sent, int(table.prompt_tokens[sent]), int(table.output_tokens[sent])
        sent += 1
        text = number % texts if texts else users + number
        words = [("text", text, i) for i in range(prompt)]
        return [Job(number, at, words, [("answer", number, i) for i in range(answer)], int(table.priority[number]))]

    engine = Engine(cores(drawn), step_s, route=Fewest())
    first = [job for _ in range(users) for job in ask(0.0)]
    return table, engine.play(first, lambda job, at: ask(at + think_s))


def assert_same(table: RequestTable, jobs: Sequence[Job]) -> None:
    """Every request, every time, to the last bit."""
    assert table.first_scheduled_at.tolist() == [job.begun for job in jobs]
    assert table.first_token_at.tolist() == [job.first for job in jobs]
    assert table.finished_at.tolist() == [job.last for job in jobs]
    assert table.preemptions.tolist() == [job.preemptions for job in jobs]
    assert table.cached_tokens.tolist() == [job.cached for job in jobs]
