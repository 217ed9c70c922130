"""The server that a row of measurements names: its machine, engine, model, number formats and limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from infermodel import catalog
from infermodel.architecture import PRECISION_BYTES, ModelArchitecture
from infermodel.cost.defaults import with_defaults
from infermodel.cost.deployment import Deployment, Precision
from infermodel.engine import Engine
from infermodel.errors import InputError
from infermodel.fidelity.rows import Row
from infermodel.hardware import Device, GpuDevice, System


def compute_format(weights: str, device: Device) -> str:
    """What weights are multiplied in: their own format; integers of 4 bits in 16; mxfp4 in 8 bits where a device has
    4-bit units, else in 16, as other 4-bit formats are there.
    """
    if weights in ("mxfp4", "nvfp4", "fp4") and not (isinstance(device, GpuDevice) and "fp4" in device.peak_flops):
        return "bf16"
    if weights == "mxfp4":
        return "fp8"
    return "bf16" if weights == "int4" else weights


class Skipped(InputError, ValueError):
    """A row that cannot be played, and why."""


@dataclass(frozen=True)
class Server:
    """What a row ran on, from the catalog; `engine` carries the limits and constants of the row's version."""

    architecture: ModelArchitecture
    system: System
    engine: Engine


@cache
def system_of(gpu: str) -> System:
    """The catalog's system that holds this device; the largest where there are several.

    Raises:
        Skipped: none does.
    """
    systems = [catalog.load_system(name) for name in catalog.names("systems")]
    holding = [system for system in systems if system.device.name == gpu]
    if not holding:
        raise Skipped(f"the catalog has no system with the GPU {gpu!r}")
    return max(holding, key=lambda system: system.devices)


OTHER_NAMES: Mapping[str, str] = {
    "trtllm": "tensorrt-llm",
    "trt-llm": "tensorrt-llm",
    "tensorrtllm": "tensorrt-llm",
    "trt": "tensorrt-llm",
}
"""What rows call an engine beside its name in the catalog."""


def engine_entry(engine: str, version: str) -> str:
    """Catalog name of an engine's version; what is no version number is taken by its month, else for the newest.

    >>> engine_entry("vllm", "v0.10.2"), engine_entry("vLLM", "0.18.0"), engine_entry("vllm", "V1 custom (Feb 2026)")
    ('vllm-0.10', 'vllm-0.14', 'vllm-0.14')
    >>> engine_entry("trtllm", "release 0.20"), engine_entry("tensorrt_llm", "1.2.0rc4"), engine_entry("sglang", "0.4")
    ('tensorrt-llm-0.17', 'tensorrt-llm', 'sglang')
    >>> engine_entry("vllm", "rocm7.0_vllm_0.10.1_20251006"), engine_entry("vllm", "cu129-nightly")
    ('vllm-0.10', 'vllm')
    """
    engine = engine.strip().lower().replace("_", "-")
    engine = OTHER_NAMES.get(engine, engine)
    return catalog.load_engine_version(engine, version).name if engine in catalog.names("engines") else engine


def server_of(row: Row) -> Server:
    """Model, system and engine of a row.

    Raises:
        Skipped: the catalog lacks one of them.
    """
    entry = engine_entry(row.engine, row.engine_version)
    try:
        model = catalog.load_model(row.model.lower())
    except catalog.CatalogError:
        raise Skipped(f"the catalog has no model {row.model!r}") from None
    if entry not in catalog.names("engines"):
        raise Skipped(f"the catalog has no engine {row.engine!r}")
    system = system_of(row.gpu.lower())
    return Server(model, system, catalog.load_engine(entry).on(system.device))


OTHER_FORMATS: Mapping[str, str] = {
    "float16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
}
"""What rows call number formats beside their names here."""


def number_format(name: str, architecture: ModelArchitecture) -> str:
    """A number format by any of its names; plain `fp4` is the kind that the model is published in, else NVIDIA's.

    >>> [number_format(name, catalog.load_model("llama-3.1-8b")) for name in ("BFloat16", "awq", "fp4", "nvfp4")]
    ['bf16', 'int4', 'nvfp4', 'nvfp4']
    >>> number_format("fp4", catalog.load_model("gpt-oss-20b"))
    'mxfp4'
    """
    name = name.strip().lower().replace("-", "_")
    if name == "fp4":
        return "mxfp4" if architecture.default_precision == "mxfp4" else "nvfp4"
    return OTHER_FORMATS.get(name, name)


def weights_format(name: str, architecture: ModelArchitecture) -> str:
    """The format of a row's weights. Of models that are published with experts in mxfp4 no checkpoint in fp8 is served:
    there that is what their tokens are multiplied in (TensorRT-LLM's guide to gpt-oss, of Hopper).

    >>> [weights_format("fp8", catalog.load_model(name)) for name in ("gpt-oss-20b", "deepseek-r1")]
    ['mxfp4', 'fp8']
    """
    found = number_format(name or architecture.default_precision, architecture)
    return "mxfp4" if found == "fp8" and architecture.default_precision == "mxfp4" else found


def said(value: float, together: int = 1) -> int | None:
    """A row's whole number, of so many ranks together; None where the row leaves it open."""
    return None if math.isnan(value) else max(1, int(value) // together)


def given(value: float, otherwise: float) -> float:
    """A row's number, or what holds where the row leaves it open."""
    return otherwise if math.isnan(value) else value


SERVED_CONTEXT = 1 << 24
"""Longest context: what was measured was served, whatever the model's card says."""


def deployment_of(row: Row, server: Server) -> Deployment:
    """Layout, precision and limits of a row, the engine's defaults where it leaves them open."""
    weights = weights_format(row.weights_precision, server.architecture)
    kv = "bf16" if row.kv_precision == "auto" else number_format(row.kv_precision, server.architecture)
    for precision in (weights, kv):
        if precision not in PRECISION_BYTES:
            raise Skipped(f"no number format {precision!r}; there are {', '.join(PRECISION_BYTES)}")
    ranks = row.attention_data_parallel or max(1, row.gpus // (row.tensor_parallel * row.pipeline_parallel))
    together = ranks if server.engine.ranks_share_limits else 1
    layout = Deployment(
        tensor_parallel=row.tensor_parallel,
        pipeline_parallel=row.pipeline_parallel,
        expert_parallel=row.expert_parallel,
        data_parallel=ranks,
        precision=Precision(
            weights,
            kv,
            compute_format(weights, server.system.device),
        ),
        max_context=SERVED_CONTEXT,
    )
    return with_defaults(
        layout,
        server.architecture,
        server.system.device,
        server.engine,
        max_sequences=said(row.max_sequences, together),
        max_batched_tokens=said(row.max_batched_tokens, together),
        memory_utilisation=None if math.isnan(row.memory_utilisation) else row.memory_utilisation,
    )
