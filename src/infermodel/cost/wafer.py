"""Wafers: every layer on its own region of cores; what one layer's token costs in cycles.

    cycles = fixed + per_side x sqrt(cores) + per_mac x kappa x multiply-adds per core (+ moe_cycles)

The side of a region is what a reduction has to cross. Constants are fitted to published layer times of the
generation before (`docs/dataflow.md`); the clock turns cycles into seconds.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from infermodel.architecture import PRECISION_BYTES, ExpertFeedForward, Layer, ModelArchitecture
from infermodel.cost.block_pool import KvMemory
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.placement import Placement, choose_devices, roomiest
from infermodel.cost.stages import Stage, attention_multiply_adds, peak, token_work
from infermodel.engine import Engine
from infermodel.hardware import System, WaferDevice


def layer_cores(device: WaferDevice, wafers: int, layer_parameters: float, model_parameters: float) -> float:
    """Cores of one layer's region: regions share the wafers in proportion to the weights they store.

    Args:
        device: the wafer.
        wafers: of the replica.
        layer_parameters: weights that the layer stores, all experts included.
        model_parameters: weights that the model stores.
    """
    return device.cores * wafers * device.region_share * layer_parameters / model_parameters


def layer_cycles(device: WaferDevice, cores: float, multiply_adds: float, *, experts: bool) -> float:
    """Cycles of one token in one layer.

    Args:
        device: the wafer, with the constants of the law.
        cores: of the layer's region.
        multiply_adds: of the token in the layer, attention ones weighted by `attention_mac_ratio`.
        experts: whether the layer routes tokens to experts.
    """
    return (
        device.cycles_fixed
        + device.cycles_per_side * sqrt(cores)
        + device.cycles_per_mac * device.mac_width_ratio * multiply_adds / cores
        + device.moe_cycles * experts
    )


def layer_stage(device: WaferDevice, wafers: int, architecture: ModelArchitecture, layer: Layer, count: int) -> Stage:
    """Seconds of a token in a layer, as a line over the context it attends to."""
    hidden = architecture.hidden
    cores = layer_cores(device, wafers, layer.parameters(hidden), architecture.parameters)
    experts = isinstance(layer.feed_forward, ExpertFeedForward)
    cycles = layer_cycles(device, cores, layer.active_parameters(hidden), experts=experts)
    per_mac = device.cycles_per_mac * device.mac_width_ratio / cores
    per_context = per_mac * device.attention_mac_ratio * attention_multiply_adds(layer.attention)
    clock = device.effective_clock_hz
    return Stage(count, cycles / clock, per_context / clock, layer.attention.window)


def hops_s(system: System, wafers: int) -> float:
    """Seconds that activations spend between wafers on their way round: one hop per wafer, none on a single one.

    Hops between systems take the network's latency, hops inside a system that of its link.
    """
    if wafers == 1:
        return 0.0
    systems = -(-wafers // system.devices)
    between = systems if systems > 1 else 0
    return between * system.network.latency_s + (wafers - between) * system.link.latency_s


def wafer_ring(architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine) -> Ring:
    """The step model of a replica on `deployment.devices` wafers (0: the fewest that hold one longest sequence).

    Raises:
        DoesNotFit: weights and one block of KV need more wafers; the message names how many.
    """
    device, precision = system.device, deployment.precision
    if not isinstance(device, WaferDevice):
        raise TypeError(f"{system.title} holds no wafers")
    usable = device.memory_capacity_bytes * device.memory_usable_share
    block, longest, layers = deployment.kv_block_tokens, deployment.max_context, len(architecture.layers)

    def cut(wafers: int) -> Placement | None:
        reserve, sequences = engine.memory_reserve_bytes, deployment.max_sequences
        return roomiest(architecture, precision, wafers, usable, reserve, sequences)

    def kv_tokens(wafers: int) -> int:
        placement = cut(wafers)
        return placement.kv_tokens if placement else 0

    title = f"{architecture.title} in {precision.weights}"
    wafers = choose_devices(title, device.title, deployment.devices, block, longest, layers, kv_tokens)
    placement = cut(wafers)
    assert placement is not None  # choose_devices has seen that it fits
    return Ring(
        stages=tuple(layer_stage(device, wafers, architecture, layer, n) for layer, n in architecture.distinct_layers),
        turns=(layers + 1) / layers,  # the output head is charged as one more layer of the average kind
        hops_s=hops_s(system, wafers),
        host_step_s=engine.host_step_s,
        host_sequence_s=engine.host_sequence_s,
        prompt_tokens_per_slot=device.prompt_tokens_per_slot,
        prefill_share=device.prefill_share,
        power_w=device.power_share_on * system.power_max_w * wafers / system.devices,
        work=token_work(architecture, precision),
        kv_memory=KvMemory(
            tokens=placement.kv_tokens // block * block,
            block_tokens=block,
            bytes_per_token=architecture.kv_bytes_per_token(PRECISION_BYTES[precision.kv_cache]),
            weights_bytes=placement.weights_bytes,
        ),
        windows=architecture.windows,
        devices=wafers,
        peak_flops=wafers * peak(device.peak_flops, precision.compute),
        peak_bandwidth=wafers * device.memory_bandwidth,
        placement=placement,
    )


def draft_ring(draft: ModelArchitecture, system: System, cores: float, precision: Precision, hops_s: float = 0) -> Ring:
    """A draft model on `cores` cores of the replica that are its own; its power and memory are those of the replica.

    Args:
        draft: the small model, laid out like a large one: each layer on its region, the head as one layer more.
        system: the wafers.
        cores: all that the draft gets, over all its layers.
        precision: of its weights and KV.
        hops_s: between wafers, if it lies on several.
    """
    device = system.device
    if not isinstance(device, WaferDevice):
        raise TypeError(f"{system.title} holds no wafers")
    region, layers = replace(device, cores=int(cores), region_share=1.0), len(draft.layers)
    memory = KvMemory(0, 1, draft.kv_bytes_per_token(PRECISION_BYTES[precision.kv_cache]), 0.0)
    return Ring(
        stages=tuple(layer_stage(region, 1, draft, layer, count) for layer, count in draft.distinct_layers),
        turns=(layers + 1) / layers,
        hops_s=hops_s,
        host_step_s=0.0,
        host_sequence_s=0.0,
        prompt_tokens_per_slot=device.prompt_tokens_per_slot,
        prefill_share=device.prefill_share,
        power_w=0.0,
        work=token_work(draft, precision),
        kv_memory=memory,
        windows=draft.windows,
        devices=0,
        peak_flops=0.0,
        peak_bandwidth=0.0,
    )


def without_fitted_speed(device: WaferDevice) -> WaferDevice:
    """The same wafer at the clock measured on a real one: what the model says with no speed fitted to any claim."""
    return replace(device, effective_clock_hz=device.clock_hz)
