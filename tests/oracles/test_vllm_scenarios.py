"""Scenarios through the step-by-step vLLM, where they and the simulator must agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from vllm_scenarios import play, seconds_of

from infermodel.cost.step import Batch, Chunk
from infermodel.experiment import run
from infermodel.scenario import load, resolve

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
    step_s = seconds_of(service.step_model)
    chunks = [(8192, 0), (8192, 8192), (3616, 16384)]
    first_s = sum(step_s([], [chunk], int(chunk == chunks[-1])) for chunk in chunks)
    later_s = sum(step_s([20000 + i], [], 0) for i in range(1, 50))
    engine = service.engine
    way_s = engine.ingress_s + engine.tokenise_s * 20000 + engine.egress_s
    for ahead in (False, True):
        seen = play(service, 1 / 60, 8, 1, ahead=ahead)
        assert seen.ttft_s == pytest.approx([way_s + first_s] * 7)
        assert seen.tpot_s == pytest.approx([later_s / 49] * 7)
        assert seen.preemptions == 0
    (result,) = run(scenario).services
    assert result.summary.ttft_p50_s == pytest.approx(way_s + first_s)


def test_a_step_is_what_the_model_says(tmp_path: Path) -> None:
    path = tmp_path / "far.yaml"
    path.write_text(SCENARIO)
    model = resolve(load(path)).services[0].step_model
    batch = Batch(2, 300, 200, (), 1, (Chunk(64, 0),), 1)
    assert seconds_of(model)([100, 200], [(64, 0)], 1) == model.step(batch).latency_s
