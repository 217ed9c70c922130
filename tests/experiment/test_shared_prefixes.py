"""Prompts that have something in common, without a trace: what is found again, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infermodel.experiment import ServiceResult, run
from infermodel.scenario import ScenarioErrors, load, resolve
from infermodel.search.capacity import find_capacity
from infermodel.simulation.streams import named_streams
from infermodel.workload.arrivals import Poisson
from infermodel.workload.bodies import CachedShare, SystemPrompts
from infermodel.workload.lengths import Fixed, Geometric
from infermodel.workload.traffic import OpenTraffic

SCENARIO = """\
title: What prompts have in common
requests: 400
warm_up: 0 s
traffic:
  arrivals: {kind: poisson, rate: 2 /s}
  prompt_tokens: {kind: fixed, tokens: 3000}
  output_tokens: {kind: fixed, tokens: 20}
  prefix: PREFIX
capacity: false
services:
  - name: S
    model: llama-3.1-8b
    limits: {max_context: 16384}
    fleet: {system: dgx-h100, replicas: 1}
    price: {rental: 2 USD/h}
"""


def played(folder: Path, prefix: str, **changes: str) -> ServiceResult:
    path = folder / "s.yaml"
    path.write_text(SCENARIO.replace("PREFIX", prefix))
    (result,) = run(resolve(load(path, [f"{key}={value}" for key, value in changes.items()]))).services
    return result


def test_all_but_the_first_find_the_system_prompt(tmp_path: Path) -> None:
    # 2,000 of 3,000 tokens are 125 blocks of 16; each of five texts is read once.
    found = played(tmp_path, "{system_prompts: 5, tokens: 2000}").record.requests.cached_tokens
    assert set(found.tolist()) == {0, 2000}
    assert int((found == 0).sum()) == 5


def test_what_is_no_whole_block_is_computed(tmp_path: Path) -> None:
    # 2,010 tokens: 125 blocks of 16 and ten tokens of the next, which goes on with something else.
    found = played(tmp_path, "{system_prompts: 1, tokens: 2010}").record.requests.cached_tokens
    assert set(found[1:].tolist()) == {2000}


def test_a_share_of_the_requests_begins_with_one(tmp_path: Path) -> None:
    found = played(tmp_path, "{system_prompts: 1, tokens: 2000, share: 25 %}").record.requests.cached_tokens
    assert np.mean(found > 0) == pytest.approx(0.25, abs=0.06)  # 3 standard errors of 400 draws


def test_a_prompt_that_begins_with_a_text_is_longer_than_it() -> None:
    traffic = OpenTraffic(Poisson(1.0), Fixed(100), Fixed(5), SystemPrompts(3, 500, 0.5))
    block = next(traffic.blocks(named_streams(1)))
    assert block.block_hashes is not None
    begins = np.array([bool(names) for names in block.block_hashes])
    assert set(block.prompt_tokens[begins].tolist()) == {501}
    assert set(block.prompt_tokens[~begins].tolist()) == {100}
    assert {names[0] for names in block.block_hashes if names} == {0, 1, 2}


def test_a_known_share_is_not_computed_whatever_the_cache_holds(tmp_path: Path) -> None:
    result = played(tmp_path, "{cached: 60 %}", **{"services.0.prefix_caching": "false"})
    assert set(result.record.requests.cached_tokens.tolist()) == {1792}  # 1,800 are 112 whole blocks
    assert result.summary.cached_share == pytest.approx(0.6, rel=0.01)
    block = next(OpenTraffic(Poisson(1.0), Fixed(10), Fixed(5), CachedShare(1.0)).blocks(named_streams(1)))
    assert block.cached_tokens is not None
    assert set(block.cached_tokens.tolist()) == {9}  # the last token makes the first of the answer


def test_first_tokens_come_sooner_by_what_is_found(tmp_path: Path) -> None:
    alone = played(tmp_path, "{cached: 0 %}").summary
    found = played(tmp_path, "{cached: 90 %}").summary
    assert found.ttft_p50_s < 0.6 * alone.ttft_p50_s


def test_capacities_know_them(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    bounds = {}
    for prefix in ("{cached: 0 %}", "{system_prompts: 4, tokens: 2400}"):
        path.write_text(SCENARIO.replace("PREFIX", prefix))
        scenario = resolve(load(path, ["objectives={ttft_p95: 1 s}"]))
        bounds[prefix] = find_capacity(scenario, scenario.services[0], width=0.3)
    none, shared = bounds.values()
    assert shared.low > 2 * none.high  # 600 tokens of a prompt are left of 3,000


CONVERSATION = """\
title: Chat in turns
requests: 600
warm_up: 0 s
traffic:
  arrivals: {kind: poisson, rate: 0.4 /s}
  prompt_tokens: {kind: fixed, tokens: 160}
  output_tokens: {kind: fixed, tokens: 33}
  session: {kind: conversation, turns: 4, user_tokens: {kind: fixed, tokens: 64}, think_time: 5 s, system_tokens: 800}
capacity: false
services:
  - name: S
    model: llama-3.1-8b
    limits: {max_context: 16384}
    fleet: {system: dgx-h100, replicas: 1}
"""


def test_turns_of_a_conversation_grow_and_find_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONVERSATION)
    (result,) = run(resolve(load(path))).services
    requests = result.record.requests
    # 960 tokens at first, and 33 + 64 more with each turn.
    assert set(requests.prompt_tokens.tolist()) == {960, 1057, 1154, 1251}
    first = requests.prompt_tokens == 960
    assert set(requests.cached_tokens[first][1:].tolist()) == {800}  # the system prompt
    # Of the answer all but its last token: 960 + 32 are 62 whole blocks, 1,057 + 32 and 1,154 + 32 are 68 and 74.
    for prompt, blocks in ((1057, 62), (1154, 68), (1251, 74)):
        begun = (requests.prompt_tokens == prompt) & np.isfinite(requests.first_scheduled_at)
        assert set(requests.cached_tokens[begun].tolist()) == {16 * blocks}
    assert result.questions is not None
    assert result.questions.calls_mean == 4
    # Four answers and three pauses of 5 s on average.
    assert result.questions.answer_time_p50_s == pytest.approx(15, abs=4)


def test_conversations_may_end_at_any_turn(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONVERSATION.replace("turns: 4", "turns: 4, turns_law: geometric"))
    (result,) = run(resolve(load(path))).services
    assert result.questions is not None
    assert result.questions.calls_mean == pytest.approx(4, rel=0.3)
    drawn = Geometric(4).draw(np.random.default_rng(1), 20_000)
    assert drawn.min() == 1
    assert drawn.mean() == pytest.approx(4, rel=0.03)
    assert np.mean(drawn == 1) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("{}", "says nothing of the prompts"),
        ("{system_prompts: 3}", "the key 'tokens' is missing"),
        ("{system_prompts: 3, tokens: 100, cached: 50 %}", "'system_prompts' and 'cached' stand together"),
        ("{distinct_prompts: 3, tokens: 100}", "traffic.prefix.tokens: is of system prompts"),
        ("{cached: 120 %}", "traffic.prefix.cached"),
        ("{system_prompts: 3, tokens: 100, share: 0 %}", "traffic.prefix.share"),
        ("{system_promts: 3, tokens: 100}", "did you mean 'system_prompts'?"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(tmp_path: Path, prefix: str, said: str) -> None:
    with pytest.raises(ScenarioErrors) as caught:
        played(tmp_path, prefix)
    assert said in str(caught.value)
