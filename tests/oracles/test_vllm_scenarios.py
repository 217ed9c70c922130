"""Scenarios through the step-by-step vLLM, where they and the simulator must agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.oracles.memory_bound import MEMORY_BOUND
from tests.oracles.vllm_scenarios import at_the_scheduler, play, seconds_of

from infermodel.cost.step import Batch, Chunk
from infermodel.experiment import run
from infermodel.scenario import load, resolve
from infermodel.simulation import Horizon, simulate

SCENARIO = """
title: Requests far apart
requests: 8
traffic:
  arrivals: {kind: constant, rate: 1 /min}
  prompt_tokens: {kind: fixed, tokens: 20000}
  output_tokens: {kind: fixed, tokens: 50}
services:
  - name: two H100
    model: llama-3.1-70b
    precision: {weights: fp8}
    fleet: {system: dgx-h100, systems: 1, tensor_parallel: 2, replicas: 1}
    limits: {max_context: 32768, max_batched_tokens: 8192, max_sequences: 64}
    price: {rental: h100-sxm-neocloud-2026-09}
"""


def test_lone_requests(tmp_path: Path) -> None:
    """A request a minute, each alone: 20,000 tokens in chunks of 8,192, 8,192 and 3,616, then 49 steps of one token.
    The simulator says the same, but for the rounding of sums over steps.
    """
    path = tmp_path / "far.yaml"
    path.write_text(SCENARIO)
    scenario = resolve(load(path))
    (service,) = scenario.services
    step_s = seconds_of(service.pool.step_model)
    chunks = [(8192, 0), (8192, 8192), (3616, 16384)]
    first_s = sum(step_s([], [chunk], int(chunk == chunks[-1])) for chunk in chunks)
    later_s = sum(step_s([20000 + i], [], 0) for i in range(1, 50))
    engine = service.pool.engine
    way_s = engine.ingress_s + engine.tokenise_s * 20000 + engine.egress_s
    for ahead in (False, True):
        seen = play(service, 1 / 60, 8, 1, ahead=ahead)
        assert seen.ttft_s == pytest.approx([way_s + first_s] * 7)
        assert seen.tpot_s == pytest.approx([later_s / 49] * 7)
        assert seen.preemptions == 0
    (result,) = run(scenario).services
    assert result.summary.ttft_p50_s == pytest.approx(way_s + first_s)


@pytest.mark.parametrize(
    ("title", "rate_per_s", "count", "preempts"),
    [("long prompts on a nearly full cache", 0.5, 48, False), ("the same prompts, answers of 60", 0.45, 100, True)],
)
def test_requests_that_wait_for_memory(
    tmp_path: Path, title: str, rate_per_s: float, count: int, preempts: bool
) -> None:
    """They come faster than memory comes free: waits of up to a minute are the simulator's, but for rounding."""
    path = tmp_path / "scenario.yaml"
    path.write_text(MEMORY_BOUND[title])
    (service,) = resolve(load(path)).services
    seen = play(service, rate_per_s, count, 11)
    spec = replace(at_the_scheduler(service), traffic=service.traffic.at_rate(rate_per_s))
    requests = simulate([spec], 11, Horizon(requests=count))[0].requests
    first = slice(count // 8, 2 * count // 3)  # to the simulator more of them come then
    ttft_s = (requests.first_token_at - requests.arrived_at)[first]
    assert seen.ttft_s[: len(ttft_s)] == pytest.approx(ttft_s.tolist(), abs=1e-6)
    assert max(seen.ttft_s) > 15
    assert (seen.preemptions > 0) == preempts


def test_a_step_is_what_the_model_says(tmp_path: Path) -> None:
    path = tmp_path / "far.yaml"
    path.write_text(SCENARIO)
    model = resolve(load(path)).services[0].pool.step_model
    batch = Batch(2, 300, 200, (), 1, (Chunk(64, 0),), 1)
    assert seconds_of(model)([100, 200], [(64, 0)], 1) == model.step(batch).latency_s
