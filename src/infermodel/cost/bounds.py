"""What bandwidth alone would allow: two limits to print beside every decode speed, and be careful with.

Neither is a prediction. The first divides all memory bandwidth by the bytes of a token; on a pipeline it is out of
reach by construction, since only the stage that holds the token reads at all. The second takes that into account.
"""

from __future__ import annotations

from typing import NamedTuple

from infermodel.architecture import PRECISION_BYTES, ModelArchitecture
from infermodel.cost.deployment import Precision
from infermodel.hardware import GpuDevice, LpuDevice, System, WaferDevice


class DecodeBounds(NamedTuple):
    """Tokens per second of one sequence that bandwidth would allow.

    Attributes:
        bandwidth_tok_s: all memory of the replica streams the token's weights and KV at its peak.
        stage_tok_s: only the memory of the stage in turn does; None on devices that all work on one layer at a time.
    """

    bandwidth_tok_s: float
    stage_tok_s: float | None


def token_bytes(architecture: ModelArchitecture, precision: Precision, context: float) -> float:
    """Weights and KV that one token of one sequence reads, bytes. All weights count, as "140 GB for 70B" has it.

    Source: the roofline argument of the launch article, at batch 1.
    """
    weights = PRECISION_BYTES[precision.weights] * architecture.active_parameters
    return weights + sum(
        count
        * PRECISION_BYTES[precision.kv_cache]
        * layer.attention.kv_elements
        * _seen(layer.attention.window, context)
        for layer, count in architecture.distinct_layers
    )


def bandwidth_bound_tok_s(
    architecture: ModelArchitecture, precision: Precision, bandwidth: float, context: float = 0
) -> float:
    """Tokens per second if `bandwidth` bytes/s streamed each token's weights and KV, nothing else taking time."""
    return bandwidth / token_bytes(architecture, precision, context)


def stage_bound_tok_s(
    architecture: ModelArchitecture, system: System, devices: int, precision: Precision, context: float = 0
) -> float:
    """Tokens per second if each stage of a pipeline read its layer at the peak bandwidth of its own memory.

    Stages share the memory in proportion to the weights that they store. On a wafer the output head takes as long as a
    layer and `region_share` of the cores belong to layers, as in the layer law.

    Raises:
        TypeError: the system's devices are no pipeline.
    """
    device, hidden = system.device, architecture.hidden
    weight, number = PRECISION_BYTES[precision.weights], PRECISION_BYTES[precision.kv_cache]
    layers = len(architecture.layers)
    if isinstance(device, WaferDevice):
        bandwidth = devices * device.memory_bandwidth * device.region_share
        stored, turns = float(architecture.parameters), (layers + 1) / layers
    elif isinstance(device, LpuDevice):
        bandwidth, turns = devices * device.memory_bandwidth, 1.0
        stored = float(sum(layer.parameters(hidden) for layer in architecture.layers))
    else:
        raise TypeError(f"{device.title} is no pipeline of layers")
    seconds = 0.0
    for layer, count in architecture.distinct_layers:
        kv = number * layer.attention.kv_elements * _seen(layer.attention.window, context)
        share = layer.parameters(hidden) / stored
        seconds += turns * count * (weight * layer.active_parameters(hidden) + kv) / (bandwidth * share)
    return 1 / seconds


def decode_bounds(
    architecture: ModelArchitecture, system: System, devices: int, precision: Precision, context: float = 0
) -> DecodeBounds:
    """Both bounds of one sequence on `devices` devices of `system`."""
    bandwidth = devices * system.device.memory_bandwidth
    pipeline = not isinstance(system.device, GpuDevice)
    return DecodeBounds(
        bandwidth_bound_tok_s(architecture, precision, bandwidth, context),
        stage_bound_tok_s(architecture, system, devices, precision, context) if pipeline else None,
    )


def _seen(window: int | None, context: float) -> float:
    return context if window is None else min(context, window)
