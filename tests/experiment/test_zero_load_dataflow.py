"""One request at a time on dataflow devices: latencies from a scenario against the laws written out by hand."""

from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from infermodel.experiment import run
from infermodel.scenario import load, resolve

SCENARIO = """
title: zero load
requests: 5
warm_up: 0 s
traffic:
  arrivals: {kind: constant, rate: 6 /min}
  prompt_tokens: {kind: fixed, tokens: 1000}
  output_tokens: {kind: fixed, tokens: 100}
capacity: false
services:
  - name: service
    model: llama-3.1-70b
    fleet: FLEET
    limits: {max_context: 8192}
"""
CLIENT_S = 0.005 + 0.001  # ingress and egress
LAYER = 2 * 8192 * 8192 + 2 * 8192 * 1024 + 3 * 8192 * 28672 + 2 * 8192  # weights of a layer of 70B


def wafer_layer_s(context: int) -> float:
    cores = 893_064 * 4 * 0.93 * LAYER / 70_553_706_496
    multiply_adds = LAYER + 2.2 * 2 * 64 * 128 * context
    return (4927 + 15.41 * sqrt(cores) + 0.889 * 0.5 * multiply_adds / cores) / 0.7065e9


def lpu_layer_s(context: int) -> float:
    return 33.3e-6 + (LAYER + 2 * 8 * 128 * context) / (576 / 80 * 9.216e12)


@pytest.mark.parametrize(
    ("fleet", "layer_s", "turns", "hops_s"),
    [
        ("{system: cs-3, systems: 4, devices_per_replica: 4}", wafer_layer_s, 81, 4 * 5e-6),
        (
            "{system: groq-rack, systems: 9, devices_per_replica: 576}\n"
            "    precision: {weights: int8, kv_cache: int8, compute: fp16}",
            lpu_layer_s,
            80,
            0.0,
        ),
    ],
)
def test_ttft_and_tpot(tmp_path: Path, fleet: str, layer_s, turns: int, hops_s: float) -> None:
    """TTFT: the slots of 1,000 prompt tokens, then T of the last. TPOT: T at contexts of 1,001 to 1,099."""
    file = tmp_path / "zero.yaml"
    file.write_text(SCENARIO.replace("FLEET", fleet))
    (service,) = run(resolve(load(str(file)))).services
    requests = service.record.requests
    ttft = sum(layer_s(context) for context in range(1, 1001)) + turns * layer_s(1000) + hops_s + CLIENT_S
    tpot = np.mean([turns * layer_s(context) + hops_s for context in range(1001, 1100)])
    assert requests.first_token_at - requests.arrived_at == pytest.approx(ttft, rel=1e-9)
    assert (requests.last_token_at - requests.first_token_at) / 99 == pytest.approx(tpot, rel=1e-9)
