"""A scenario's requests through vLLM 0.33 played step by step, at the times of the service's own step model.

Of the package only the requests that its traffic draws, the limits and the duration of a step are used.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from tests.oracles.vllm_blocks import Memory
from tests.oracles.vllm_engine import Engine, StepSeconds
from tests.oracles.vllm_scheduler import Job, Scheduler

from infermodel.cost.step import Batch, Chunk, StepModel, Windowed
from infermodel.experiment.run import spec_of
from infermodel.scenario import ResolvedService
from infermodel.simulation import ServiceSpec
from infermodel.simulation.streams import named_streams
from infermodel.workload.traffic import OpenTraffic


@dataclass(frozen=True)
class Latencies:
    """What clients saw of the requests, in order of arrival: seconds. `tpot_s` of answers of two tokens and more."""

    ttft_s: list[float]
    tpot_s: list[float]
    preemptions: int

    def p95(self) -> tuple[float, float]:
        """Of TTFT and of TPOT."""
        return float(np.percentile(self.ttft_s, 95)), float(np.percentile(self.tpot_s, 95))


class OfUniqueWords(Memory):
    """Blocks of texts that have no word in common: the first word of a block says which one it is."""

    def extend_names(self, names: list[int], tokens: Sequence[Hashable]) -> None:
        whole = len(tokens) // self.block
        if whole <= len(names):
            return
        names += map(hash, tokens[len(names) * self.block : whole * self.block : self.block])


def seconds_of(model: StepModel) -> StepSeconds:
    """The duration of a step by a step model."""
    windows: Sequence[int] = model.windows

    def step_s(decoding: list[int], chunks: list[tuple[int, int]], finishing: int) -> float:
        seen = tuple(Windowed(sum(min(c, w) for c in decoding), sum(c < w for c in decoding)) for w in windows)
        pieces = tuple(Chunk(new, before) for new, before in chunks)
        longest = max(decoding, default=0)
        return model.step(Batch(len(decoding), sum(decoding), longest, seen, 1, pieces, finishing)).latency_s

    return step_s


def at_the_scheduler(service: ResolvedService) -> ServiceSpec:
    """The service with nobody waiting for API servers: their time for a lone request is on every request's way."""
    spec = spec_of(service)
    return replace(spec, pools=(replace(spec.pool, front_end=None),))


def play(service: ResolvedService, rate_per_s: float, count: int, seed: int, **settings: Any) -> Latencies:
    """`count` requests of the service's open traffic at this rate, those of a run with this seed, none with words in
    common, on one replica; the first eighth is not measured. `settings` are the scheduler's, by default vLLM 0.33's.
    """
    spec, traffic = at_the_scheduler(service), service.traffic
    assert isinstance(traffic, OpenTraffic)
    assert spec.pool.replicas == 1
    jobs = list(islice(_jobs(spec, traffic.at_rate(rate_per_s), seed), count))
    memory = spec.pool.step_model.kv_memory
    core = Scheduler(
        OfUniqueWords(memory.tokens // memory.block_tokens, memory.block_tokens),
        **{
            "seats": spec.pool.limits.max_sequences,
            "budget": spec.pool.limits.max_batched_tokens,
            "policy": spec.pool.queue,
            "ahead": True,
            **settings,
        },
    )
    Engine([core], seconds_of(spec.pool.step_model), keeps=False).play(jobs)
    measured = jobs[count // 8 :]
    return Latencies(
        [
            job.first - job.arrived + spec.ingress_s + spec.tokenise_s * len(job.prompt) + spec.egress_s
            for job in measured
        ],
        [(job.last - job.first) / (len(job.answer) - 1) for job in measured if len(job.answer) > 1],
        sum(job.preemptions for job in jobs),
    )


def _jobs(spec: ServiceSpec, traffic: OpenTraffic, seed: int) -> Iterator[Job]:
    """The requests as they reach the scheduler, words of their own."""
    said = 0
    number = 0
    for block in traffic.blocks(named_streams(seed, "replication 0")):
        for at, prompt, answer, priority in zip(
            block.arrived_at.tolist(),
            block.prompt_tokens.tolist(),
            block.output_tokens.tolist(),
            block.priority.tolist(),
            strict=True,
        ):
            words = range(said, said := said + prompt + answer)
            yield Job(number, at + spec.way_s(prompt), words[:prompt], words[prompt:], priority)
            number += 1
