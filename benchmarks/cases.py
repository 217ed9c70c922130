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
from infermodel.simulation import Horizon, Limits, ServiceSpec, one_pool
from infermodel.simulation.spec import front_end_of, limits_of
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


def llama_8b(system: str, engine: str, traffic: Traffic, replicas: int, *, old_rules: bool) -> ServiceSpec:
    """Llama 3.1 8B on replicas of a system, 128 sequences on each.

    Args:
        old_rules: no step is composed ahead, nothing is cached, and front ends take no time, as at 3ede99a.
    """
    software = load_engine(engine)
    deployment = Deployment(max_sequences=128, max_batched_tokens=software.max_batched_tokens, max_context=8192)
    model = step_model(load_model("llama-3.1-8b"), load_system(system), deployment, software)
    if old_rules:
        limits = Limits(deployment.max_sequences, deployment.max_batched_tokens, deployment.max_context)
        return one_pool(system, model, traffic, limits, replicas=replicas)
    limits, front_end = limits_of(deployment, software, prefix_caching=None), front_end_of(software, deployment)
    return one_pool(system, model, traffic, limits, replicas=replicas, front_end=front_end)


def h100(traffic: Traffic, replicas: int = 1) -> ServiceSpec:
    return llama_8b("dgx-h100", "vllm", traffic, replicas, old_rules=False)


def h100_by_old_rules(traffic: Traffic, replicas: int = 1) -> ServiceSpec:
    return llama_8b("dgx-h100", "vllm-0.10", traffic, replicas, old_rules=True)


def cs3(traffic: Traffic) -> ServiceSpec:
    return llama_8b("cs-3", "cerebras", traffic, replicas=1, old_rules=False)


def cs3_by_old_rules(traffic: Traffic) -> ServiceSpec:
    return llama_8b("cs-3", "cerebras", traffic, replicas=1, old_rules=True)


def poisson(rate_per_s: float, prompt: Lengths, output: Lengths) -> OpenTraffic:
    return OpenTraffic(Poisson(rate_per_s), prompt, output)


def azure_hour() -> TraceTraffic:
    """An hour of conversations; the trace is looked for in `data/traces` and in the folder $INFERMODEL_TRACES."""
    return TraceTraffic(trace.load(AZURE_TRACE, "azure", Path(".")).requests)


def chat() -> OpenTraffic:
    return poisson(6.0, Fixed(1024), Fixed(256))


def writing() -> OpenTraffic:
    return poisson(6.0, Fixed(512), Fixed(1024))


def overload(requests: int) -> TraceTraffic:
    """Ten times what the replica can take, until so many have come; all of them are served in the end."""
    count = -(-requests // BLOCK)
    blocks = list(islice(poisson(60.0, Fixed(1024), Fixed(256)).blocks(named_streams(1)), count))
    columns = ("arrived_at", "prompt_tokens", "output_tokens", "priority", "prompt_id")
    return TraceTraffic(Requests(**{c: np.concatenate([getattr(b, c) for b in blocks])[:requests] for c in columns}))


def mixed() -> OpenTraffic:
    prompt = Lognormal(1024, 0.8, min_tokens=1, max_tokens=6000)
    return poisson(300.0, prompt, Lognormal(256, 0.8, min_tokens=1, max_tokens=2000))


SIZES: Mapping[str, int] = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}


def cases(h100: Callable[..., ServiceSpec], cs3: Callable[[Traffic], ServiceSpec]) -> Mapping[str, Case]:
    """All of them, on these services."""
    return {
        **{
            f"W1_{size}": Case("6/s, 1,024 in, 256 out, one H100", n, lambda: h100(chat())) for size, n in SIZES.items()
        },
        **{
            f"W2_{size}": Case("6/s, 512 in, 1,024 out, one H100", n, lambda: h100(writing()))
            for size, n in SIZES.items()
        },
        "W3_100k": Case("overload of 60/s, 1,024 in, 256 out, one H100", inf, lambda: h100(overload(100_000))),
        "W4_1M": Case("300/s, lognormal 1,024 in, 256 out, 64 H100", 1_000_000, lambda: h100(mixed(), replicas=64)),
        "W5_100k": Case("6/s, 1,024 in, 256 out, one CS-3", 100_000, lambda: cs3(chat())),
        "W6_azure": Case("Azure conversations of an hour, one H100", inf, lambda: h100(azure_hour())),
    }


CASES: Mapping[str, Case] = {
    **cases(h100, cs3),
    **{f"{name}_old_rules": case for name, case in cases(h100_by_old_rules, cs3_by_old_rules).items()},
}
"""All of Llama 3.1 8B in 16 bit. Under the old rules the scheduler does what it did at commit 3ede99a, which so is what
their times are held against."""
