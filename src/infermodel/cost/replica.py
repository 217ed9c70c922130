"""One replica on its GPUs: everything that the laws of its steps need to know, worked out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from infermodel.architecture import PRECISION_BYTES, Layer, ModelArchitecture
from infermodel.cost.constants import KernelConstants, kernel_constants
from infermodel.cost.deployment import Deployment
from infermodel.cost.graphs import largest_captured
from infermodel.cost.kernels import has_units, native_format
from infermodel.cost.launches import floors_s, launching_s, scaling_kernels
from infermodel.cost.layers import layer_operators
from infermodel.cost.memory import formats_of, integer_ratio, shard_of
from infermodel.cost.work import Formats, LinearOperator, Shard, bytes_per_weight
from infermodel.engine import Engine
from infermodel.hardware import GpuDevice, System

OWN_KERNELS: Mapping[str, str] = {
    "narrow_expert_efficiency": "grouped_converted_efficiency",
    "own_blocks_efficiency": "block_scaled_efficiency",
}
"""Constants of an engine whose kernels are others than those that told a device's: the field that each stands for."""


@dataclass(frozen=True)
class GpuReplica:
    """A model laid out on GPUs.

    Attributes:
        compute: format of the linear operators, one that the device has.
        converted: whether experts are multiplied by kernels that widen mxfp4 weights first, which measured rows show to
            be slower than those of 16 bits; of integers and nvfp4 no row says so.
        blocks: whether multiplications are in 8 bits, of weights that are scaled by blocks.
        half: the device's 16-bit format, of attention and the output head.
        kv_bytes: of one number of the KV cache.
    """

    architecture: ModelArchitecture
    system: System
    device: GpuDevice
    deployment: Deployment
    engine: Engine
    constants: KernelConstants
    shard: Shard
    compute: str
    converted: bool
    blocks: bool
    half: str
    kv_bytes: float

    @cached_property
    def layers(self) -> tuple[tuple[Layer, int, tuple[LinearOperator, ...]], ...]:
        """Each kind of layer, how many there are, and its linear operators on one GPU."""
        hidden = self.architecture.hidden
        return tuple(
            (
                layer,
                count,
                layer_operators(layer, hidden, self.shard),
            )
            for layer, count in self.architecture.distinct_layers
        )

    @cached_property
    def formats(self) -> Formats:
        """Of the weights by part, where they are kept as published."""
        return formats_of(self.architecture, self.deployment)

    @cached_property
    def integers(self) -> float:
        """Bytes of a weight kept in whole numbers, over those of its format."""
        return integer_ratio(self.architecture, self.deployment)

    @cached_property
    def floors_s(self) -> tuple[float, ...]:
        """Seconds that small kernels of each kind of layer take however little they move."""
        floor_s = self.constants.elementwise_floor_s
        return tuple(
            floors_s(layer, self.engine, self.deployment, floor_s, self.scaling(operators))
            for layer, _, operators in self.layers
        )

    def scaling(self, operators: Sequence[LinearOperator]) -> int:
        """Kernels that scale the inputs of a layer's dense multiplications by blocks, where its weights are."""
        weights = self.deployment.precision.weights
        if not self.blocks and (weights != "nvfp4" or self.compute != "fp4"):
            return 0
        return scaling_kernels(operators, [bytes_per_weight(each, weights, self.formats) for each in operators])

    @cached_property
    def launching_s(self) -> float:
        """Seconds of the host to launch a step kernel by kernel."""
        scaling = [self.scaling(operators) for _, _, operators in self.layers]
        return launching_s(self.layers, self.engine, self.deployment, scaling)

    @cached_property
    def _captured(self) -> tuple[int, int]:
        alone, mixed = (largest_captured(self.deployment, self.engine, prompts=prompts) for prompts in (False, True))
        return alone, mixed

    def captured(self, *, prompts: bool) -> int:
        """Tokens of the largest step that replays a graph, one with prompts or of decoding alone."""
        return self._captured[prompts]

    @property
    def gpus(self) -> int:
        """Devices of the replica."""
        return self.deployment.tensor_parallel * self.places

    @cached_property
    def places(self) -> int:
        """Micro-batches of a step times attention-parallel groups: among how many its tokens are shared out."""
        return self.deployment.pipeline_parallel * self.deployment.data_parallel

    def link(self, gpus: int) -> tuple[float, float]:
        """A GPU's bandwidth and the added latency of a collective over `gpus` of them, in one system or across."""
        if gpus <= self.system.devices:
            # The latency inside a system is part of the measured floor of its collectives.
            return self.system.link.bandwidth * (2 / gpus) ** self.constants.link_sharing, 0.0
        return self.system.network.bandwidth, self.system.network.latency_s


def gpu_replica(architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine) -> GpuReplica:
    """Put the parts together.

    Raises:
        ValueError: the system's devices are no GPUs, or have no peak for the precision or any wider one.
    """
    device = system.device
    if not isinstance(device, GpuDevice):
        raise ValueError(f"{device.name} is no GPU")
    weights = deployment.precision.weights
    compute = native_format(deployment.precision.compute, device)
    own = {field: engine.constants[name] for name, field in OWN_KERNELS.items() if name in engine.constants}
    return GpuReplica(
        architecture=architecture,
        system=system,
        device=device,
        deployment=deployment,
        engine=engine,
        constants=replace(kernel_constants(device), **own),
        shard=shard_of(deployment),
        compute=compute,
        converted=weights == "mxfp4" and not has_units(weights, device),
        blocks=compute == weights == "fp8" and architecture.fp8_in_blocks,
        half=native_format("bf16", device),
        kv_bytes=PRECISION_BYTES[deployment.precision.kv_cache],
    )
