"""Servers of the catalog and ways of giving them more to do, or more to do it with: which way a step must go."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import pytest

from infermodel import catalog
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.memory import check_layout
from infermodel.cost.step import Batch, Chunk, DoesNotFit, Windowed
from infermodel.fidelity.server import compute_format
from infermodel.hardware import GpuDevice, System

FORMATS = ("bf16", "fp8", "int8", "int4", "mxfp4", "nvfp4")

LAYOUTS = (
    {"tensor_parallel": 1},
    {"tensor_parallel": 2},
    {"tensor_parallel": 4},
    {"tensor_parallel": 8},
    {"tensor_parallel": 8, "expert_parallel": 8},
    {"pipeline_parallel": 2},
    {"tensor_parallel": 2, "pipeline_parallel": 4},
    {"data_parallel": 8, "expert_parallel": 8},
    {"data_parallel": 4, "tensor_parallel": 2},
    {"data_parallel": 2, "tensor_parallel": 4, "pipeline_parallel": 2},
)

EDGES = sorted(edge + more for edge in (1, 8, 16, 32, 64, 128, 256, 384, 512, 1024, 2048) for more in (0, 1, 2))
"""Around the numbers at which kernels change their tiles and engines their graphs."""


def roomy(system: System) -> System:
    """The system with memory for any model: what is asked here is how long a step takes, not what fits."""
    return replace(system, device=replace(system.device, memory_capacity_bytes=1e14))


def gpu_systems() -> tuple[str, ...]:
    """Names of the catalog's systems of GPUs."""
    return tuple(n for n in catalog.names("systems") if isinstance(catalog.load_system(n).device, GpuDevice))


def each_gpu_system(at_least: int = 1) -> list[object]:
    """Systems of so many GPUs at least; those whose kernels are as quick as an earlier one's are left to slow tests."""
    seen: list[Mapping[str, float]] = []
    found = []
    for name in gpu_systems():
        system = catalog.load_system(name)
        if isinstance(system.device, GpuDevice) and system.devices >= at_least:
            marks = [pytest.mark.slow] if system.device.constants in seen else []
            found.append(pytest.param(name, marks=marks))
            seen.append(system.device.constants)
    return found


def gpu_engines() -> tuple[str, ...]:
    """Names of the catalog's engines for GPUs."""
    return tuple(name for name in catalog.names("engines") if catalog.load_engine(name).family == "batch")


class Case(NamedTuple):
    """A model on a system, by name."""

    model: str
    system: str
    engine: str
    weights: str
    kv_cache: str
    layout: dict[str, int]

    def step_model(self, **changed: float) -> GpuStepModel:
        """Its cost, with other figures of the device where such are given."""
        system = roomy(catalog.load_system(self.system))
        system = replace(system, device=replace(system.device, **changed))
        precision = Precision(self.weights, self.kv_cache, compute_format(self.weights, system.device))
        deployment = Deployment(precision=precision, **self.layout)
        return GpuStepModel(catalog.load_model(self.model), system, deployment, catalog.load_engine(self.engine))


def cases(number: int, seed: int) -> Iterator[Case]:
    """So many servers, each drawn from everything in the catalog, in layouts that its model allows."""
    draw = random.Random(seed)
    models, systems, engines = catalog.names("models"), gpu_systems(), gpu_engines()
    found = 0
    while found < number:
        names = draw.choice(models), draw.choice(systems), draw.choice(engines)
        case = Case(*names, draw.choice(FORMATS), draw.choice(("bf16", "fp8")), draw.choice(LAYOUTS))
        try:
            check_layout(catalog.load_model(case.model), Deployment(**case.layout))
        except DoesNotFit:
            continue
        found += 1
        yield case


def batch(model: GpuStepModel, contexts: list[int], chunks: tuple[Chunk, ...] = (), each: int = 1) -> Batch:
    """A step that decodes sequences with these contexts, beside chunks of prompts."""
    windowed = tuple(Windowed(sum(min(c, w) for c in contexts), sum(c < w for c in contexts)) for w in model.windows)
    return Batch(len(contexts), sum(contexts), max(contexts, default=0), windowed, each, chunks, 0)


Work = tuple[list[int], tuple[Chunk, ...], int]
"""Contexts of decoding sequences, chunks of prompts, tokens of each sequence."""


def growing_work(seed: int) -> Iterator[tuple[str, list[Work]]]:
    """Rows of steps, each of which has more to do than the one before."""
    draw = random.Random(seed)
    edges = sorted({*EDGES, *(draw.randint(1, 3000) for _ in range(15))})
    context, before = draw.choice((10, 500, 5000, 100_000)), draw.choice((0, 100, 30_000))
    some = [draw.randint(1, 4000) for _ in range(draw.choice((0, 1, 5, 200)))]
    ladder = [1, 2, 127, 128, 129, 1000, 4000, 4096, 4097, 100_000]
    yield "sequences", [([context] * n, (), 1) for n in edges]
    yield "a chunk", [(some, (Chunk(n, before),), 1) for n in sorted({*edges, *(4 * n for n in edges)})]
    yield "contexts", [([c] * 5, (), 1) for c in ladder]
    yield "tokens before a chunk", [(some, (Chunk(700, b),), 1) for b in [0, *ladder]]
    yield "tokens of each sequence", [([context] * 40, (), each) for each in range(1, 9)]
    for _ in range(12):
        contexts = [draw.choice((10, 100, 1000, 50_000)) for _ in range(draw.choice((0, 1, 2, 3, 7, 30, 130)))]
        chunks = tuple(
            Chunk(draw.choice((1, 5, 100, 1000, 3000)), draw.choice((0, 0, 200, 20_000)))
            for _ in range(draw.choice((0, 1, 2, 3)))
        )
        yield from _more_of_a_mixture(draw, contexts, chunks)


def _more_of_a_mixture(
    draw: random.Random, contexts: list[int], chunks: tuple[Chunk, ...]
) -> Iterator[tuple[str, list[Work]]]:
    mixture: Work = (contexts, chunks, 1)
    if contexts or chunks:
        yield "a sequence more", [mixture, ([*contexts, draw.choice((1, 300))], chunks, 1)]
        added = Chunk(draw.choice((1, 50, 2000)), draw.choice((0, 1000)))
        yield "a chunk more", [mixture, (contexts, (*chunks, added), 1)]
    if contexts:
        place = draw.randrange(len(contexts))
        longer = [*contexts[:place], contexts[place] + draw.choice((1, 1000)), *contexts[place + 1 :]]
        yield "a longer context", [mixture, (longer, chunks, 1)]
    if chunks:
        place = draw.randrange(len(chunks))
        larger = Chunk(chunks[place].new + draw.choice((1, 1000)), chunks[place].before)
        yield "a larger chunk", [mixture, (contexts, (*chunks[:place], larger, *chunks[place + 1 :]), 1)]
