"""Services so simple that queueing theory knows their capacity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from infermodel.cost.block_pool import KvMemory
from infermodel.cost.least_step import LeastStep
from infermodel.cost.step import Batch, Ramp, StepCost
from infermodel.scenario import ResolvedScenario, load, resolve

TEXT = """
title: one server
requests: 100
traffic: {{arrivals: {arrivals}, prompt_tokens: {{kind: fixed, tokens: 1}}, output_tokens: {output}}}
objectives: {objectives}
services:
  - {{name: server, model: llama-3.1-8b, fleet: {{system: dgx-h100, replicas: 1}}, limits: {{max_sequences: 1}}}}
"""


@dataclass(frozen=True)
class ConstantModel:
    """Every step takes the same time."""

    step_s: float
    windows: tuple[int, ...] = ()
    idle_w: float = 100.0
    peak_flops: float = 1e15
    peak_bandwidth: float = 1e12
    devices: int = 1

    @property
    def kv_memory(self) -> KvMemory:
        return KvMemory(16 * 100_000, 16, 1.0, 0.0)

    def full_batch(self, running: int, prompt_tokens: int) -> tuple[int, int]:
        return running, 1

    def least_laws(self) -> tuple[LeastStep, ...]:
        return ()

    def prompt_tokens_per_step(self, sequences: int, longest_context: int) -> int:
        return 1 << 40

    def step(self, batch: Batch) -> StepCost:
        return StepCost(self.step_s, self.step_s, 1.0, 1.0, "memory")

    def decode_line(self, sequences: int, context_tokens: int) -> None:
        return None

    def ramp(self, batch: Batch) -> Ramp:
        return Ramp(1 << 40, self.step_s, 0.0, self.step_s, 0.0, 1.0, 0.0, 1.0, 0.0, "memory")


def one_server(
    folder: Path,
    step_s: float,
    *,
    objectives: str,
    arrivals: str = "{kind: poisson, rate: 1 /s}",
    output: str = "{kind: fixed, tokens: 1}",
) -> ResolvedScenario:
    """One replica, one request at a time, each output token a constant step."""
    path = folder / "one_server.yaml"
    path.write_text(TEXT.format(arrivals=arrivals, output=output, objectives=objectives))
    scenario = resolve(load(path))
    (service,) = scenario.services
    prompt_engine = replace(service.pool.engine, ingress_s=0.0, egress_s=0.0, constants={})
    return replace(scenario, services=(service.with_pool(step_model=ConstantModel(step_s), engine=prompt_engine),))
