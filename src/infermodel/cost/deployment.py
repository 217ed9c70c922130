"""How one replica is laid out over devices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats, names from `architecture.PRECISION_BYTES`."""

    weights: str = "bf16"
    kv_cache: str = "bf16"
    compute: str = "bf16"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One replica on its devices.

    Attributes:
        tensor_parallel, pipeline_parallel, expert_parallel, data_parallel: degrees; GPUs of the replica =
            tensor_parallel x pipeline_parallel x data_parallel (attention data-parallel; experts are spread over all).
        devices: wafers or chips of the replica, for dataflow devices; 0 lets the cost engine take the fewest that fit.
        precision: number formats.
        max_sequences: running sequences that buffers are sized for.
        max_batched_tokens: tokens of a step that activations are sized for.
        memory_utilisation: share of GPU memory that the engine may use (dataflow devices have a share of
            their own).
        kv_block_tokens: tokens of a KV block.
        max_context: longest context served (it sets the reserve where an engine reserves for it).
    """

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    data_parallel: int = 1
    devices: int = 0
    precision: Precision = Precision()
    max_sequences: int = 256
    max_batched_tokens: int = 8192
    memory_utilisation: float = 0.9
    kv_block_tokens: int = 16
    max_context: int = 131072
