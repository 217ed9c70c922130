"""Whatever sizes memory or time has a bound, which is said in one message; at its bound a run still fits."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from infermodel.scenario import ScenarioErrors, load, resolve
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.schema.session import tree_calls
from infermodel.scenario.schema.values import BlockKind, ByKind, Kind, Whole
from infermodel.search.plan_schema import Plan
from infermodel.search.sweep_schema import Sweep
from infermodel.workload.lengths import Fixed
from infermodel.workload.sessions import Session, TreeSearch

BASE = """\
title: T
requests: 20
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: fixed, tokens: 100}
  output_tokens: {kind: fixed, tokens: 10}
services:
  - {name: G, model: llama-3.1-8b, fleet: {system: dgx-h100}}
"""

SIZES_NOTHING = {
    "tokens", "low", "high", "min", "max",  # lengths: a token has no object
    "levels", "priority",  # names of levels
    "system", "slices", "spares",  # which one; factors
    "requests of a quota", "tokens of a quota", "requested_output",  # sums that are counted against
    "max_batched_tokens", "max_context",  # of which memory, not objects, is charged
    "long_prompt_tokens", "bounds",  # lengths that prompts are compared with
    "fixed",  # replicas, never more than the fleet holds
    "seed",
}  # fmt: skip
"""Whole numbers that may be as large as they like: nothing is made as often as they say."""


def wholes(block: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[type[BaseModel], str, Whole]]:
    """Every whole number of a block and of those in it."""
    if block in seen:
        return
    seen.add(block)
    for name, field in block.model_fields.items():
        for part in parts([*field.metadata, field.annotation]):
            if isinstance(part, Whole):
                yield block, field.alias or name, part
            elif isinstance(part, type) and issubclass(part, BaseModel):
                yield from wholes(part, seen)


def parts(annotations: list[Any]) -> Iterator[Any]:
    """What annotations are made of: kinds and blocks."""
    for each in annotations:
        if isinstance(each, ByKind):
            yield from each.blocks.values()
        elif isinstance(each, BlockKind):
            yield each.block
        elif isinstance(each, Kind):
            yield each
            yield from parts([inner for inner in vars(each).values() if isinstance(inner, Kind)])
        else:
            if isinstance(each, type):
                yield each
            yield from parts([*getattr(each, "__metadata__", ()), *typing.get_args(each)])


def test_every_whole_number_that_sizes_something_has_a_bound() -> None:
    seen: set[type[BaseModel]] = set()
    found = [each for root in (Scenario, Sweep, Plan) for each in wholes(root, seen)]
    assert len(found) > 40
    for block, key, kind in found:
        named = f"{key} of a quota" if block.__name__ == "RateLimit" else key
        if named not in SIZES_NOTHING:
            assert kind.at_most <= 10**8, f"{block.__name__}.{key}"


@pytest.mark.parametrize(
    ("change", "at", "said"),
    [
        ("traffic.session={kind: chain, calls: 100000000}", "traffic.session.calls", "at most 10 000"),
        ("traffic.session={kind: best_of, answers: 1e9}", "traffic.session.answers", "at most 10 000"),
        ("traffic.session={kind: tree_search, depth: 9e8, width: 2, keep: 2}", "traffic.session.depth", "at most"),
        ("traffic.session={kind: tree_search, depth: 3, width: 5000, keep: 5000}", "traffic.session", "50005000 calls"),
        ("traffic.session={kind: chain, calls: 10000}", "traffic.session", "more than 200 million"),
        ("traffic.prefix={distinct_prompts: 1000000000}", "traffic.prefix.distinct_prompts", "at most 10 000 000"),
        ("traffic.arrivals={kind: closed, users: 1000000000}", "traffic.arrivals.users", "at most 1 000 000"),
        ("traffic.arrivals={kind: offline, requests: 1000000000}", "traffic.arrivals.requests", "at most 100 000 000"),
        ("traffic.arrivals={kind: gamma, rate: 1 /s, cv: 1e6}", "traffic.arrivals.cv", "at most 100"),
        ("requests=1000000000", "requests", "at most 100 000 000"),
        ("services.0.rate_limits={tenants: [" + ", ".join(f"{{name: t{i}, keys: 100000}}" for i in range(11)) + "]}",
         "services.0.rate_limits.tenants", "1100000 keys in all"),
    ],
)  # fmt: skip
def test_what_nobody_could_wait_for_is_refused(tmp_path: Any, change: str, at: str, said: str) -> None:
    (tmp_path / "s.yaml").write_text(BASE)
    with pytest.raises(ScenarioErrors) as refused:
        resolve(load(tmp_path / "s.yaml", [change]))
    assert [each.path for each in refused.value.errors] == [at]
    assert said in refused.value.errors[0].message


def test_a_rate_over_a_duration_is_bounded_too(tmp_path: Any) -> None:
    (tmp_path / "s.yaml").write_text(BASE.replace("requests: 20", "duration: 100 h"))
    resolve(load(tmp_path / "s.yaml", ["traffic.arrivals.rate=277 /s"]))  # 99,720,000 in 360,000 s
    for rate, calls in (("300 /s", 1), ("30 /s", 10)):  # 108,000,000; ten calls for each of 10,800,000 questions
        with pytest.raises(ScenarioErrors, match=r"would send 1\.08e\+08 requests, more than 100 million; lower"):
            resolve(
                load(
                    tmp_path / "s.yaml",
                    [f"traffic.arrivals.rate={rate}", f"traffic.session={{kind: chain, calls: {calls}}}"],
                )
            )


def test_calls_of_a_tree_are_those_of_its_plan() -> None:
    import numpy as np

    for depth, width, keep in ((1, 3, 9), (4, 3, 2), (3, 2, 5), (2, 1, 1)):
        plan = TreeSearch(depth, width, keep, Fixed(5)).plan(10, np.random.default_rng(1))
        assert tree_calls(depth, width, keep) == len(plan)


def test_a_wide_level_takes_no_square_of_its_width() -> None:
    """5,000 calls wait for 5,000 others: all of them for the same moment, which is one object and not 25 million."""
    import numpy as np

    plan = TreeSearch(2, 70, 70, Fixed(16)).plan(16, np.random.default_rng(1))
    session = Session(1, 0.0, 16, plan, block_tokens=16)
    first = session.first_calls()
    sent = [session.next_calls(call, float(number)) for number, call in enumerate(first)]
    assert [len(each) for each in sent] == [0] * 69 + [4900]
    assert {call.sent_at for call in sent[-1]} == {69.0}
    assert sum(len(each) for each in session._barriers_of) == 70
