"""The benchmark cases: real step models and traffics, from a smooth load to an overload, a fleet and a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path

import numpy as np

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment
from infermodel.cost.step import StepModel
from infermodel.simulation import Horizon, Limits, ServiceSpec, one_pool
from infermodel.simulation.streams import named_streams
from infermodel.workload import trace
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed, Lengths, Lognormal
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import BLOCK, OpenTraffic, TraceTraffic, Traffic

AZURE_TRACE = "AzureLLMInferenceTrace_conv_2023.csv"


@dataclass(frozen=True)
class Case:
    """A service and how many of its requests are measured; all of a trace when `requests` is infinite."""

    title: str
    requests: float
    service: Callable[[], ServiceSpec]

    @property
    def horizon(self) -> Horizon:
        return Horizon(requests=self.requests)


def llama_8b(system: str, engine: str, sequences: int) -> tuple[StepModel, Limits]:
    """Llama 3.1 8B on one replica, and the engine's limits."""
    software = load_engine(engine)
    deployment = Deployment(max_sequences=sequences, max_batched_tokens=software.max_batched_tokens, max_context=8192)
    model = step_model(load_model("llama-3.1-8b"), load_system(system), deployment, software)
    return model, Limits(sequences, software.max_batched_tokens, deployment.max_context)


def h100(traffic: Traffic, replicas: int = 1) -> ServiceSpec:
    model, limits = llama_8b("dgx-h100", "vllm", sequences=128)
    return one_pool("h100", model, traffic, limits, replicas=replicas)


def cs3(traffic: Traffic) -> ServiceSpec:
    model, limits = llama_8b("cs-3", "cerebras", sequences=128)
    return one_pool("cs-3", model, traffic, limits)


def poisson(rate_per_s: float, prompt: Lengths, output: Lengths) -> OpenTraffic:
    return OpenTraffic(Poisson(rate_per_s), prompt, output)


def azure_hour() -> TraceTraffic:
    """An hour of conversations; the trace is looked for in `data/traces` and in the folder $INFERMODEL_TRACES."""
    return TraceTraffic(trace.load(AZURE_TRACE, "azure", Path("."))[0])


def chat() -> ServiceSpec:
    return h100(poisson(6.0, Fixed(1024), Fixed(256)))


def writing() -> ServiceSpec:
    return h100(poisson(6.0, Fixed(512), Fixed(1024)))


def overload(requests: int) -> ServiceSpec:
    """Ten times what the replica can take, until so many have come; all of them are served in the end."""
    count = -(-requests // BLOCK)
    blocks = list(islice(poisson(60.0, Fixed(1024), Fixed(256)).blocks(named_streams(1)), count))
    columns = ("arrived_at", "prompt_tokens", "output_tokens", "priority", "prompt_id")
    return h100(
        TraceTraffic(Requests(**{c: np.concatenate([getattr(b, c) for b in blocks])[:requests] for c in columns}))
    )


def fleet() -> ServiceSpec:
    prompt = Lognormal(1024, 0.8, min_tokens=1, max_tokens=6000)
    return h100(poisson(300.0, prompt, Lognormal(256, 0.8, min_tokens=1, max_tokens=2000)), replicas=64)


def wafer() -> ServiceSpec:
    return cs3(poisson(6.0, Fixed(1024), Fixed(256)))


SIZES: Mapping[str, int] = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}

CASES: Mapping[str, Case] = {
    **{f"W1_{size}": Case("6/s, 1,024 in, 256 out, one H100", count, chat) for size, count in SIZES.items()},
    **{f"W2_{size}": Case("6/s, 512 in, 1,024 out, one H100", count, writing) for size, count in SIZES.items()},
    "W3_100k": Case("overload of 60/s, 1,024 in, 256 out, one H100", inf, lambda: overload(100_000)),
    "W4_1M": Case("300/s, lognormal 1,024 in, 256 out, 64 H100", 1_000_000, fleet),
    "W5_100k": Case("6/s, 1,024 in, 256 out, one CS-3", 100_000, wafer),
    "W6_azure": Case("Azure conversations of an hour, one H100", inf, lambda: h100(azure_hour())),
}
"""All of Llama 3.1 8B in 16 bit."""
