"""Serving engines: what the software on a node adds to the hardware's time, and its default limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infermodel.hardware import Provenance


@dataclass(frozen=True)
class Engine:
    """The software that turns a device into a server.

    Attributes:
        family: `batch` engines run continuous batching on GPUs; `dataflow` runtimes fill slots of a pipeline.
        host_step_s: host gap of every step (c0).
        host_sequence_s: further host gap per sequence in the step (c1).
        ingress_s: from the client until the scheduler sees the request.
        egress_s: from the step's end until the client sees the token.
        max_sequences: default limit of running sequences of a replica.
        max_batched_tokens: default token budget of a step.
        kv_block_tokens: tokens of a KV block.
        memory_utilisation: default share of device memory that the engine may use.
        shares_free_memory: whether that share is of what weights and activations leave, not of the whole device.
        memory_reserve_bytes: of one device: runtime, graphs, activations beyond those computed from the batch.
        chunked_prefill: whether a prompt may be split over steps and mixed with decode.
        schedules_ahead: whether the next step is composed while one runs.
        reserves_output: whether a request is admitted only when memory for its whole output is left.
        constants: further calibrated constants by name: `launch_s`, of the host to launch a kernel outside of a
            captured graph; `graph_tokens`, up to which steps with prompts replay one; `tokenise_s`, of the server to
            turn text into a token of a prompt; `fused_kernels`, of a layer done within its all-reduces;
            `narrow_cache_efficiency`, at which share of the device's own rate its kernels read keys and values of 8
            bits, on GPUs before Blackwell.
    """

    name: str
    title: str
    family: Literal["batch", "dataflow"]
    host_step_s: float
    host_sequence_s: float
    ingress_s: float
    egress_s: float
    max_sequences: int
    max_batched_tokens: int
    kv_block_tokens: int
    memory_utilisation: float
    memory_reserve_bytes: float
    chunked_prefill: bool = True
    schedules_ahead: bool = False
    reserves_output: bool = False
    shares_free_memory: bool = False
    constants: Mapping[str, float] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=dict)

    @property
    def tokenise_s(self) -> float:
        """On top of `ingress_s` for each token of a prompt."""
        return self.constants.get("tokenise_s", 0.0)
