"""LPUs: a deterministic pipeline of chips, each layer spread over several; a token installs the layer's weights.

t_layer = t_fix + bytes of the layer / (chips of the layer x install rate) (+ moe_fixed)
"""

from __future__ import annotations

from infermodel.architecture import PRECISION_BYTES, ExpertFeedForward, Layer, ModelArchitecture
from infermodel.cost.block_pool import KvMemory
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.placement import Sizes, choose_devices
from infermodel.cost.stages import Stage, peak, token_work
from infermodel.engine import Engine
from infermodel.hardware import LpuDevice, System

MOST_CHIPS = 10_440
"""Chips of the largest network (Abts et al., ISCA 2022)."""


def layer_stage(
    device: LpuDevice, chips: int, architecture: ModelArchitecture, layer: Layer, count: int, precision: Precision
) -> Stage:
    """Seconds of a token in a layer, as a line over the context it attends to.

    Chips are shared out among the layers by the bytes they store; experts lie evenly on their layer's chips, so that
    only those hit are installed. Keys and values are operands of the same matrix units, installed at the same rate.
    """
    hidden, body = architecture.hidden, sum(layer.parameters(architecture.hidden) for layer in architecture.layers)
    rate = device.weight_install_rate * chips * layer.parameters(hidden) / body
    experts = isinstance(layer.feed_forward, ExpertFeedForward)
    fixed = device.layer_fixed_s + device.moe_fixed_s * experts
    weights = PRECISION_BYTES[precision.weights] * layer.active_parameters(hidden)
    kv = PRECISION_BYTES[precision.kv_cache] * layer.attention.kv_elements
    return Stage(count, fixed + weights / rate, kv / rate, layer.attention.window)


def kv_tokens(usable_bytes: float, sizes: Sizes) -> int:
    """Tokens of context in the memory of all chips together; 0 where the weights do not fit.

    Layers are spread over chips, not cut between them, so the memory of all chips counts as one.
    """
    return max(0, int((usable_bytes - sizes.weights_bytes - sum(sizes.window_bytes)) // sum(sizes.kv_bytes)))


def lpu_ring(architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine) -> Ring:
    """The step model of a replica on `deployment.devices` chips (0: the fewest that hold one longest sequence).

    Hops between chips and the output head are in the fitted `layer_fixed_s`.

    Raises:
        DoesNotFit: weights and one block of KV need more chips; the message names how many.
    """
    device, precision = system.device, deployment.precision
    if not isinstance(device, LpuDevice):
        raise TypeError(f"{system.title} holds no LPUs")
    title, block = f"{architecture.title} in {precision.weights}", deployment.kv_block_tokens
    sizes = [Sizes.of(architecture, precision)]
    if architecture.windows and any(layer.attention.window is None for layer in architecture.layers):
        sizes.append(Sizes.of(architecture, precision, deployment.max_sequences))

    def room(chips: int) -> int:
        usable = chips * (device.memory_capacity_bytes * device.memory_usable_share - engine.memory_reserve_bytes)
        return max(kv_tokens(usable, size) for size in sizes)

    asked, longest = deployment.devices, deployment.max_context
    chips = choose_devices(title, device.title, asked, block, longest, MOST_CHIPS, room)
    return Ring(
        stages=tuple(
            layer_stage(device, chips, architecture, layer, n, precision) for layer, n in architecture.distinct_layers
        ),
        turns=1.0,
        hops_s=0.0,
        host_step_s=engine.host_step_s,
        host_sequence_s=engine.host_sequence_s,
        prompt_tokens_per_slot=device.prompt_tokens_per_slot,
        prefill_share=device.prefill_share,
        power_w=device.power_share_on * system.power_max_w * chips / system.devices,
        work=token_work(architecture, precision),
        kv_memory=KvMemory(
            tokens=room(chips) // block * block,
            block_tokens=block,
            bytes_per_token=architecture.kv_bytes_per_token(PRECISION_BYTES[precision.kv_cache]),
            weights_bytes=sizes[0].weights_bytes,
        ),
        windows=architecture.windows,
        devices=chips,
        peak_flops=chips * peak(device.peak_flops, precision.compute),
        peak_bandwidth=chips * device.memory_bandwidth,
    )
