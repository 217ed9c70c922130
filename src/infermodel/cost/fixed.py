"""The part of a GPU step that does not depend on contexts: linear operators, floors, collectives, the host."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from infermodel.architecture import PRECISION_BYTES, ExpertFeedForward, LatentAttention, Layer
from infermodel.cost.attention import attention_width
from infermodel.cost.graphs import largest_captured, padded
from infermodel.cost.kernels import KernelTime, all_reduce_s, all_to_all_s, elementwise, gemm
from infermodel.cost.replica import GpuReplica
from infermodel.cost.step import Bound
from infermodel.cost.work import LinearOperator, bytes_per_weight, head_operator

ACTIVATION_BYTES = 2.0
"""Of a number between kernels and on the links, whatever the weights' precision."""

SMALL_KERNELS = 4
"""Of a layer besides multiplications and attention: two norms, rotation with the cache write, activation."""

SMALL_KERNELS_EXPERTS = 12
"""Further ones of a layer with experts: choice, sorting, padding and gathering of tokens, scales, weighing, sum."""

SMALL_KERNELS_LATENT = 6
"""Further ones of latent attention: two norms, splitting and joining, and the absorbed projections' layouts."""


class FixedPart(NamedTuple):
    """What of a step does not depend on contexts. Seconds of the replica; FLOPs and bytes of all its devices.

    Attributes:
        rest_bound, rest_s: the largest of network, latency (floors of kernels) and host.
    """

    total_s: float
    compute_s: float
    memory_s: float
    rest_bound: Bound
    rest_s: float
    flops: float
    bytes: float


Kernels = dict[tuple[int, int], tuple[tuple[KernelTime, ...], ...]]
"""Of each kind of layer, by tokens that dense operators and experts see; remembered, since prompts of all lengths meet
the same numbers."""


def fixed_part(
    replica: GpuReplica,
    decode_tokens: int,
    prompt_tokens: int,
    dealt: int,
    finishing: int,
    remembered: Kernels | None = None,
) -> FixedPart:
    """The context-free part of a step. Micro-batches and attention-parallel groups share its tokens evenly, but a
    prompt's piece is in one of them only: the step takes as long as the busiest of them.

    Args:
        dealt: prompt tokens, had all micro-batches and groups as many as the busiest (`prompts_dealt`).
    """
    busiest = _part(replica, decode_tokens, prompt_tokens, dealt, finishing, remembered)
    if dealt == prompt_tokens:
        return busiest
    even = _part(replica, decode_tokens, prompt_tokens, prompt_tokens, finishing, remembered)
    return busiest._replace(flops=even.flops, bytes=even.bytes)


def prompts_dealt(replica: GpuReplica, prompt_tokens: int, largest_chunk: int) -> int:
    """Prompt tokens of a step in which every micro-batch and attention-parallel group had as many as the busiest has.

    It has its even share, or all of the largest chunk, of which no piece is larger than its part of the step's token
    budget: a server that fills its budget has prompts for all. Falls with no token more.
    """
    places = replica.places
    return max(prompt_tokens, min(largest_chunk * places, replica.deployment.max_batched_tokens))


def _part(
    replica: GpuReplica,
    decode_tokens: int,
    prompt_tokens: int,
    dealt: int,
    finishing: int,
    remembered: Kernels | None,
) -> FixedPart:
    """The same for a step of which `dealt` prompt tokens are spread evenly."""
    deployment, constants, device = replica.deployment, replica.constants, replica.device
    stages, groups, places = deployment.pipeline_parallel, deployment.data_parallel, replica.places
    everywhere = ceil((decode_tokens + max(prompt_tokens, dealt / groups)) / stages)
    rows = ceil((decode_tokens + dealt) / places)
    sampled = ceil(max(1, decode_tokens + finishing) / places)
    compute_s = memory_s = floor_s = network_s = flops = moved = 0.0
    useful = of_layers = _of_layers(replica, rows, everywhere, remembered)
    replays = rows <= largest_captured(deployment, replica.engine, prompts=prompt_tokens > 0)
    run, run_everywhere = _padded_rows(replica, decode_tokens, prompt_tokens, rows, everywhere)
    if (run, run_everywhere) != (rows, everywhere):
        rows, everywhere = run, run_everywhere
        of_layers = _of_layers(replica, rows, everywhere, remembered)
    for (layer, count, _), kernels, asked in zip(replica.layers, of_layers, useful, strict=True):
        for kernel, wanted in zip(kernels, asked, strict=True):
            compute_s += count * kernel.compute_s
            memory_s += count * kernel.memory_s
            floor_s += count * kernel.floor_s
            flops += count * wanted.flops
            moved += count * wanted.bytes
        floor_s += count * constants.decode_attention_floor_s
        passed = ceil(dealt / places) * ACTIVATION_BYTES * attention_width(layer.attention, replica.shard)
        memory_s += count * passed / (device.memory_bandwidth * constants.prefill_attention_memory_efficiency)
        moved += count * passed
        network_s += count * layer_network_s(
            replica, isinstance(layer.feed_forward, ExpertFeedForward), rows, everywhere
        )
    head = gemm(
        head_operator(replica.architecture, replica.shard),
        sampled,
        device,
        constants,
        weight_bytes=2.0,
        compute=replica.half,
    )
    logits = elementwise(4, sampled * replica.architecture.vocabulary * 8.0, device, constants)
    for kernel in (head, logits):
        compute_s += kernel.compute_s
        memory_s += kernel.memory_s
        floor_s += kernel.floor_s
        flops += kernel.flops
        moved += kernel.bytes
    network_s += edges_network_s(replica, rows)
    eager_s = 0.0 if replays else eager_excess_s(replica, compute_s + memory_s + floor_s + network_s)
    host_s = (
        eager_s + replica.engine.host_step_s + replica.engine.host_sequence_s * (decode_tokens / stages + finishing)
    )
    rest: tuple[tuple[Bound, float], ...] = (("network", network_s), ("latency", floor_s), ("host", host_s))
    rest_bound, rest_s = max(rest, key=lambda item: item[1])
    # FLOPs and bytes above are of one GPU and one micro-batch, over the depth of the model.
    copies = deployment.tensor_parallel * places
    return FixedPart(
        total_s=compute_s + memory_s + floor_s + network_s + host_s,
        compute_s=compute_s,
        memory_s=memory_s,
        rest_bound=rest_bound,
        rest_s=rest_s,
        flops=flops * copies,
        bytes=moved * copies,
    )


def _padded_rows(
    replica: GpuReplica, decode_tokens: int, prompt_tokens: int, rows: int, everywhere: int
) -> tuple[int, int]:
    """Tokens that a group's operators and the experts are run with: every group pads its own to a captured size.

    A prompt that joins decoding sequences never makes the step smaller, so what they would be padded to is the least.
    """
    engine, deployment, groups = replica.engine, replica.deployment, replica.deployment.data_parallel
    sizes = engine.graph_sizes
    if not sizes:
        return rows, everywhere
    largest = largest_captured(deployment, engine, prompts=prompt_tokens > 0)
    decoding = padded(ceil(decode_tokens / replica.places), sizes, largest_captured(deployment, engine, prompts=False))
    each = max(decoding, padded(ceil(everywhere / groups), sizes, largest))
    return max(decoding, padded(rows, sizes, largest)), max(everywhere, each * groups)


def _of_layers(
    replica: GpuReplica, rows: int, everywhere: int, remembered: Kernels | None
) -> tuple[tuple[KernelTime, ...], ...]:
    """Kernels of each kind of layer, remembered."""
    found = remembered.get((rows, everywhere)) if remembered is not None else None
    if found is None:
        found = tuple([layer_kernels(replica, layer, each, rows, everywhere) for layer, _, each in replica.layers])
        if remembered is not None:
            remembered[rows, everywhere] = found
    return found


def layer_kernels(
    replica: GpuReplica, layer: Layer, operators: Sequence[LinearOperator], rows: int, everywhere: int
) -> tuple[KernelTime, ...]:
    """Kernels of one layer without attention: its multiplications, and all that is small.

    Args:
        rows: tokens of one attention-parallel group, which dense operators see.
        everywhere: tokens of all groups, which experts see.
    """
    precision, device, constants = replica.deployment.precision, replica.device, replica.constants
    kernels = []
    for operator in operators:
        weight_bytes = bytes_per_weight(operator, precision.weights)
        kernels.append(
            gemm(
                operator,
                everywhere if operator.experts else rows,
                device,
                constants,
                weight_bytes=weight_bytes,
                compute=replica.half if weight_bytes == ACTIVATION_BYTES else replica.compute,
                converted=replica.converted,
            )
        )
    # A norm reads its input and the residual and writes the residual and the next input; the activation reads two
    # halves and writes one. What the next multiplication reads has its format. The outputs of a token's experts are
    # read again to be summed.
    narrow = min(ACTIVATION_BYTES, PRECISION_BYTES[replica.compute])
    passed = rows * 2 * replica.architecture.hidden * (3 * ACTIVATION_BYTES + narrow) + sum(
        (everywhere * operator.top_k * operator.experts_here / operator.experts if operator.experts else rows)
        * operator.outputs
        * (ACTIVATION_BYTES + narrow / 2)
        for operator in operators
        if operator.name.endswith("gate_up")
    )
    passed += sum(
        everywhere * operator.top_k * operator.experts_here / operator.experts * operator.outputs * ACTIVATION_BYTES
        for operator in operators
        if operator.name == "experts_down"
    )
    kernels.append(elementwise(small_kernels(layer) - fused_kernels(replica), passed, device, constants))
    return tuple(kernels)


def small_kernels(layer: Layer) -> int:
    """Kernels of a layer that multiply no weights and read no context."""
    experts = SMALL_KERNELS_EXPERTS * isinstance(layer.feed_forward, ExpertFeedForward)
    return SMALL_KERNELS + experts + SMALL_KERNELS_LATENT * isinstance(layer.attention, LatentAttention)


def fused_kernels(replica: GpuReplica) -> float:
    """Small kernels of a layer that the engine does within its all-reduces: both norms, where it fuses them."""
    return replica.engine.constants.get("fused_kernels", 0.0) if replica.deployment.tensor_parallel > 1 else 0.0


def eager_excess_s(replica: GpuReplica, device_s: float) -> float:
    """Seconds by which launching the kernels of a step takes longer than the devices' work on it.

    Steps that replay no captured graph (`graphs.largest_captured`) are launched kernel by kernel, each taking the host
    `launch_s`.
    """
    engine = replica.engine.constants
    reduced = 2 * (replica.deployment.tensor_parallel > 1)
    others = 1 + reduced - fused_kernels(replica)
    kernels = sum(count * (len(each) + small_kernels(layer) + others) for layer, count, each in replica.layers)
    return max(0.0, engine.get("launch_s", 0.0) * kernels - device_s)


def layer_network_s(replica: GpuReplica, has_experts: bool, rows: int, everywhere: int) -> float:
    """Collectives of one layer: an all-reduce after attention and one after the feed-forward.

    With data-parallel attention, experts exchange tokens instead: dispatch and combine by all-to-all where whole
    experts are dealt out, else everybody's tokens are summed over all GPUs.
    """
    deployment, hidden = replica.deployment, replica.architecture.hidden
    tensor, groups = deployment.tensor_parallel, deployment.data_parallel
    reduce_s = summed_s(replica, rows * hidden * ACTIVATION_BYTES, tensor)
    if not has_experts or groups == 1:
        return 2 * reduce_s
    span = tensor * groups
    if deployment.expert_parallel > 1:
        top_k = max(
            layer.feed_forward.top_k
            for layer, _ in replica.architecture.distinct_layers
            if isinstance(layer.feed_forward, ExpertFeedForward)
        )
        sent = rows / tensor * top_k * hidden * ACTIVATION_BYTES
        return reduce_s + 2 * all_to_all_s(sent, span, *replica.link(span), replica.constants)
    return reduce_s + summed_s(replica, everywhere * hidden * ACTIVATION_BYTES, span)


def summed_s(replica: GpuReplica, payload: float, gpus: int) -> float:
    """Seconds in which `gpus` GPUs sum `payload` bytes held by each: inside each system, and then the sums, an equal
    part for each of its GPUs, over the network (Cho et al., BlueConnect, 2019).
    """
    system, constants = replica.system, replica.constants
    systems = ceil(gpus / system.devices)
    inside = ceil(gpus / systems)
    seconds = all_reduce_s(payload, inside, *replica.link(inside), constants)
    if systems > 1:
        network = system.network
        seconds += all_reduce_s(payload / inside, systems, network.bandwidth, network.latency_s, constants)
    return seconds


def edges_network_s(replica: GpuReplica, rows: int) -> float:
    """Collectives outside layers: the embedding's all-reduce, and one hop from each pipeline stage to the next."""
    deployment, hidden = replica.deployment, replica.architecture.hidden
    payload = rows * hidden * ACTIVATION_BYTES
    tensor, stages = deployment.tensor_parallel, deployment.pipeline_parallel
    seconds = summed_s(replica, payload, tensor)
    if stages > 1:
        bandwidth, latency_s = replica.link(replica.gpus)
        hop = replica.constants.all_reduce_floor_s + latency_s
        seconds += stages * (hop + payload / (bandwidth * replica.constants.link_efficiency))
    return seconds
