"""DeepSeek R1 on an NVL72, 64 ranks of attention: what binds is named, and only raising that raises what it holds.

Users each ask for 1,000 tokens and get 200, one after the other, and see the first within two seconds. Limits are of a
rank: of which one is small, and the others are not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from infermodel.experiment import Capacity, run
from infermodel.metrics.summary import Summary
from infermodel.report.words import stops
from infermodel.scenario import load, resolve
from infermodel.scenario.resolved import ResolvedScenario
from infermodel.search.capacity import binding_resource

pytestmark = pytest.mark.slow

SCENARIO = """
title: R1 on an NVL72
requests: 2500
traffic:
  arrivals: {kind: closed, users: 64}
  prompt_tokens: {kind: lognormal, mean: 1000, cv: 0.2}
  output_tokens: {kind: lognormal, mean: 200, cv: 0.2}
services:
  - name: r1
    model: deepseek-r1
    fleet: {system: gb200-nvl72, data_parallel: 64, expert_parallel: 64}
    limits: {max_context: 4096}
    objectives: {ttft_p95: 2 s}
"""


@dataclass(frozen=True)
class Limits:
    """Of a rank: requests, tokens of a step, and tokens of keys and values."""

    seats: int
    budget: int
    room: int


SEATS = Limits(seats=12, budget=2048, room=100_000)
BUDGET = Limits(seats=64, budget=48, room=100_000)
ROOM = Limits(seats=64, budget=2048, room=15_000)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rack") / "r1.yaml"
    file.write_text(SCENARIO)
    return file


def resolved(path: Path, users: int, limits: Limits, share: float) -> ResolvedScenario:
    key = "services.0.limits"
    said = {"max_sequences": limits.seats, "max_batched_tokens": limits.budget, "memory_utilisation": share}
    changes = [f"traffic.arrivals.users={users}", *(f"{key}.{name}={value}" for name, value in said.items())]
    return resolve(load(path, changes))


@cache
def at(path: Path, users: int, limits: Limits) -> Summary:
    """So many users at a rack with these limits; its share of memory is such that there is so much room."""

    def room(share: float) -> int:
        return resolved(path, users, limits, share).services[0].pool.step_model.kv_memory.of_rank.tokens

    low, high = 0.3, 0.6
    share = low + (high - low) * (limits.room - room(low)) / (room(high) - room(low))
    scenario = resolved(path, users, limits, share)
    assert scenario.services[0].pool.step_model.kv_memory.of_rank.tokens == pytest.approx(limits.room, abs=64)
    return run(scenario).services[0].summary


def more(limits: Limits, which: str) -> Limits:
    return replace(limits, **{which: getattr(limits, which) * 3 // 2})


def bracket(low: Summary, high: Summary, holds: int, too_many: int) -> Capacity:
    """What a report is told of these two loads."""
    named = binding_resource(low, high)
    return Capacity("r1", "users", holds, too_many, low, None, high.missed_objectives, named, ())


@pytest.mark.parametrize(
    ("limits", "which", "named", "holds", "too_many"),
    [
        (SEATS, "seats", "the number of requests that may run at once, max_sequences", 700, 1000),
        (BUDGET, "budget", "the tokens that a step may have, max_batched_tokens", 400, 1000),
        (ROOM, "room", "room for keys and values", 500, 1000),
    ],
)
def test_what_binds_is_named_and_only_raising_it_by_half_helps(
    path: Path, limits: Limits, which: str, named: str, holds: int, too_many: int
) -> None:
    low, high = at(path, holds, limits), at(path, too_many, limits)
    assert (low.objectives_met, high.objectives_met) == (True, False)
    told = stops(bracket(low, high, holds, too_many), resolved(path, holds, limits, 0.5).services[0].objectives)
    assert told == (
        f"Beyond that these break first: 95 % with a time to the first token of at most 2.00 s; what binds is {named}."
    )
    for each in ("seats", "budget", "room"):
        assert at(path, too_many, more(limits, each)).objectives_met == (each == which), each
