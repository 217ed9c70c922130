"""The part of a GPU step that does not depend on contexts: linear operators, floors, collectives, the host."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Literal, NamedTuple

from infermodel.architecture import PRECISION_BYTES, ExpertFeedForward, GroupedAttention, Layer
from infermodel.cost.attention import attention_width
from infermodel.cost.graphs import padded
from infermodel.cost.kernels import KernelTime, all_reduce_s, all_to_all_s, elementwise, gemm, gpus_sent_to
from infermodel.cost.launches import SAMPLING_KERNELS
from infermodel.cost.layers import blocks, mixers
from infermodel.cost.replica import GpuReplica
from infermodel.cost.states import state_work
from infermodel.cost.step import Bound
from infermodel.cost.work import LinearOperator, bytes_per_weight, head_operator

ACTIVATION_BYTES = 2.0
"""Of a number between kernels and on the links, whatever the weights' precision."""


NORM_BYTES = 8.0
"""Of a token in the all-reduce of a norm over all heads: a mean square of queries and one of keys, of 32 bits each
(vLLM 0.33.0, MiniMax M2)."""


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


class Kernels:
    """Kernels that have been worked out.

    Attributes:
        layers: of each kind of layer, by the tokens that dense operators and experts see.
        heads: of the output head and the sampling, by the tokens sampled.
    """

    __slots__ = ("heads", "layers")

    def __init__(self) -> None:
        self.layers: dict[tuple[int, int], tuple[tuple[KernelTime, ...], ...]] = {}
        self.heads: dict[int, tuple[KernelTime, KernelTime]] = {}


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

    It has its even share, or all of the largest chunk, of which no piece is larger than its part of its group's token
    budget: a server that fills its budget has prompts for all. Falls with no token more.
    """
    deployment = replica.deployment
    budget = deployment.max_batched_tokens * deployment.data_parallel
    return max(prompt_tokens, min(largest_chunk * replica.places, budget))


def _part(
    replica: GpuReplica,
    decode_tokens: int,
    prompt_tokens: int,
    dealt: int,
    finishing: int,
    remembered: Kernels | None,
) -> FixedPart:
    """The same for a step of which `dealt` prompt tokens are spread evenly."""
    deployment = replica.deployment
    stages, groups, places = deployment.pipeline_parallel, deployment.data_parallel, replica.places
    everywhere = ceil((decode_tokens + max(prompt_tokens, dealt / groups)) / stages)
    rows = ceil((decode_tokens + dealt) / places)
    replays = rows <= replica.captured(prompts=prompt_tokens > 0)
    run, run_everywhere = _padded_rows(replica, decode_tokens, prompt_tokens, rows, everywhere)
    work = step_work(
        replica,
        Rows(
            rows,
            everywhere,
            ceil(dealt / places),
            ceil(max(1, decode_tokens + finishing) / places),
            ceil(decode_tokens / places),
        ),
        (run, run_everywhere),
        remembered,
    )
    eager_s = 0.0 if replays else max(0.0, replica.launching_s - work.device_s)
    engine = replica.engine
    host_s = eager_s + engine.host_step_s + engine.host_sequence_s * (decode_tokens / places + ceil(finishing / groups))
    rest: tuple[tuple[Bound, float], ...] = (("network", work.network_s), ("latency", work.floor_s), ("host", host_s))
    rest_bound, rest_s = max(rest, key=lambda item: item[1])
    return FixedPart(
        total_s=work.device_s + host_s,
        compute_s=work.compute_s,
        memory_s=work.memory_s,
        rest_bound=rest_bound,
        rest_s=rest_s,
        flops=work.flops * groups,
        bytes=work.bytes * groups,
    )


class Rows(NamedTuple):
    """Tokens of a micro-batch of a rank, or of each where all have as many.

    Attributes:
        own: that the rank's dense operators see.
        everywhere: of all ranks, that experts see.
        prompts: of its own, those of prompts.
        sampled: for which the head is multiplied.
        decoding: of its own, those of sequences.
    """

    own: int
    everywhere: int
    prompts: int
    sampled: int
    decoding: int = 0


class Work(NamedTuple):
    """What does not depend on contexts and is no work of the host: seconds of a rank; FLOPs and bytes of its GPUs."""

    compute_s: float
    memory_s: float
    floor_s: float
    network_s: float
    flops: float
    bytes: float

    @property
    def device_s(self) -> float:
        """Together."""
        return self.compute_s + self.memory_s + self.floor_s + self.network_s


Side = Literal["all", "own", "experts"]
"""Of a step: all of it, what a rank of attention does with its own tokens, or what experts do with everybody's."""


def step_work(
    replica: GpuReplica, rows: Rows, run: tuple[int, int], remembered: Kernels | None, side: Side = "all"
) -> Work:
    """Kernels and collectives of a step.

    Args:
        run: tokens that dense operators and experts are run with where steps are padded; time is theirs, FLOPs and
            bytes are of the useful ones.
        remembered: of this side.
    """
    constants, device = replica.constants, replica.device
    compute_s = memory_s = floor_s = network_s = flops = moved = 0.0
    useful = of_layers = _of_layers(replica, rows.own, rows.everywhere, remembered, side)
    if run != rows[:2]:
        of_layers = _of_layers(replica, *run, remembered, side)
    for (layer, count, _), kernels, asked in zip(replica.layers, of_layers, useful, strict=True):
        for kernel, wanted in zip(kernels, asked, strict=True):
            compute_s += count * kernel.compute_s
            memory_s += count * kernel.memory_s
            floor_s += count * kernel.floor_s
            flops += count * wanted.flops
            moved += count * wanted.bytes
        has_experts = isinstance(layer.feed_forward, ExpertFeedForward)
        network_s += count * layer_network_s(replica, has_experts, *run, side, blocks(layer))
        if side != "experts" and norms_over_all(layer):
            network_s += count * summed_s(replica, run[0] * NORM_BYTES, replica.deployment.tensor_parallel)
        if side != "experts":
            floor_s += count * mixers(layer) * constants.decode_attention_floor_s
            passed = rows.prompts * ACTIVATION_BYTES * attention_width(layer.attention, replica.shard)
            memory_s += count * passed / (device.memory_bandwidth * constants.prefill_attention_memory_efficiency)
            moved += count * passed
            if layer.state_elements:
                states = state_work(replica, layer, rows.decoding, rows.prompts)
                compute_s += count * states.compute_s
                memory_s += count * states.memory_s
                flops += count * states.flops
                moved += count * states.bytes
    if side != "experts":
        for kernel in head_kernels(replica, rows.sampled, remembered):
            compute_s += kernel.compute_s
            memory_s += kernel.memory_s
            floor_s += kernel.floor_s
            flops += kernel.flops
            moved += kernel.bytes
        network_s += edges_network_s(replica, run[0])
    # FLOPs and bytes above are of one GPU and one micro-batch, over the depth of the model.
    copies = replica.deployment.tensor_parallel * replica.deployment.pipeline_parallel
    return Work(compute_s, memory_s, floor_s, network_s, flops * copies, moved * copies)


def head_kernels(replica: GpuReplica, sampled: int, remembered: Kernels | None = None) -> tuple[KernelTime, KernelTime]:
    """The output head and the sampling of so many tokens, remembered."""
    found = remembered.heads.get(sampled) if remembered is not None else None
    if found is None:
        device, constants = replica.device, replica.constants
        operator = head_operator(replica.architecture, replica.shard)
        head = gemm(operator, sampled, device, constants, weight_bytes=2.0, compute=replica.half)
        found = (
            head,
            elementwise(
                SAMPLING_KERNELS * constants.elementwise_floor_s,
                sampled * replica.architecture.vocabulary * 8.0,
                device,
                constants,
            ),
        )
        if remembered is not None:
            remembered.heads[sampled] = found
    return found


def _padded_rows(
    replica: GpuReplica, decode_tokens: int, prompt_tokens: int, rows: int, everywhere: int
) -> tuple[int, int]:
    """Tokens that a group's operators and the experts are run with: every group pads its own to a captured size.

    A prompt that joins decoding sequences never makes the step smaller, so what they would be padded to is the least.
    """
    sizes, groups = replica.engine.graph_sizes, replica.deployment.data_parallel
    if not sizes:
        return rows, everywhere
    largest = replica.captured(prompts=prompt_tokens > 0)
    decoding = padded(ceil(decode_tokens / replica.places), sizes, replica.captured(prompts=False))
    each = max(decoding, padded(ceil(everywhere / groups), sizes, largest))
    return max(decoding, padded(rows, sizes, largest)), max(everywhere, each * groups)


def _of_layers(
    replica: GpuReplica, rows: int, everywhere: int, remembered: Kernels | None, side: Side
) -> tuple[tuple[KernelTime, ...], ...]:
    """Kernels of each kind of layer, remembered."""
    found = remembered.layers.get((rows, everywhere)) if remembered is not None else None
    if found is None:
        found = tuple(
            [
                layer_kernels(replica, layer, of_side(each, side), floor_s, rows, everywhere, side)
                for (layer, _, each), floor_s in zip(replica.layers, replica.floors_s, strict=True)
            ]
        )
        if remembered is not None:
            remembered.layers[rows, everywhere] = found
    return found


def of_side(operators: Sequence[LinearOperator], side: Side) -> Sequence[LinearOperator]:
    """A layer's operators that belong there."""
    if side == "all":
        return operators
    return [operator for operator in operators if (operator.experts > 0) == (side == "experts")]


def layer_kernels(
    replica: GpuReplica,
    layer: Layer,
    operators: Sequence[LinearOperator],
    floor_s: float,
    rows: int,
    everywhere: int,
    side: Side = "all",
) -> tuple[KernelTime, ...]:
    """Kernels of one layer without attention: its multiplications, and all that is small.

    Args:
        floor_s: seconds that its small kernels take at least.
        rows: tokens of one attention-parallel group, which dense operators see.
        everywhere: tokens of all groups, which experts see.
    """
    precision, device, constants = replica.deployment.precision, replica.device, replica.constants
    kernels = []
    for operator in operators:
        weight_bytes = bytes_per_weight(operator, precision.weights, replica.formats)
        read_bytes = weight_bytes if weight_bytes == ACTIVATION_BYTES else weight_bytes * replica.integers
        kernels.append(
            gemm(
                operator,
                everywhere if operator.experts else rows,
                device,
                constants,
                weight_bytes=read_bytes,
                compute=replica.half if weight_bytes == ACTIVATION_BYTES else replica.compute,
                converted=replica.converted,
                blocks=replica.blocks and weight_bytes == PRECISION_BYTES["fp8"],
            )
        )
    # A norm reads its input and the residual and writes the residual and the next input; the activation reads two
    # halves and writes one. What the next multiplication reads has its format. The outputs of a token's experts are
    # read again to be summed.
    narrow = min(ACTIVATION_BYTES, PRECISION_BYTES[replica.compute])
    own = rows if side != "experts" else 0
    passed = own * blocks(layer) * replica.architecture.hidden * (3 * ACTIVATION_BYTES + narrow) + sum(
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
    kernels.append(elementwise(floor_s if side != "experts" else 0.0, passed, device, constants))
    return tuple(kernels)


def norms_over_all(layer: Layer) -> bool:
    """Whether attention norms queries and keys over all heads, which tensor-parallel GPUs have to sum up together."""
    return isinstance(layer.attention, GroupedAttention) and layer.attention.wide_qk_norm


def layer_network_s(
    replica: GpuReplica, has_experts: bool, rows: int, everywhere: int, side: Side = "all", blocks: int = 2
) -> float:
    """Collectives of one layer: an all-reduce after attention and one after the feed-forward, or after its one block.

    With data-parallel attention, experts exchange tokens instead: dispatch and combine by all-to-all where whole
    experts are dealt out, else everybody's tokens are summed over all GPUs.
    """
    deployment, hidden = replica.deployment, replica.architecture.hidden
    tensor, groups = deployment.tensor_parallel, deployment.data_parallel
    span, summed = tensor * groups, has_experts and groups > 1 and deployment.expert_parallel == 1
    if side == "experts":
        return summed_s(replica, everywhere * hidden * ACTIVATION_BYTES, span) if summed else 0.0
    reduce_s = summed_s(replica, rows * hidden * ACTIVATION_BYTES, tensor)
    if not has_experts or groups == 1:
        return blocks * reduce_s
    if not summed:
        top_k = max(
            layer.feed_forward.top_k
            for layer, _ in replica.architecture.distinct_layers
            if isinstance(layer.feed_forward, ExpertFeedForward)
        )
        copies, link = rows / tensor * hidden * gpus_sent_to(span, top_k), replica.link(span)
        late = replica.blocks and span <= top_k  # gathered first, scaled by blocks then
        narrow = ACTIVATION_BYTES if late else min(ACTIVATION_BYTES, PRECISION_BYTES[replica.compute])
        sent = copies * narrow, copies * ACTIVATION_BYTES
        return reduce_s + sum(all_to_all_s(payload, span, *link, replica.constants) for payload in sent)
    others_s = summed_s(replica, everywhere * hidden * ACTIVATION_BYTES, span) if side == "all" else 0.0
    return reduce_s + others_s


def summed_s(replica: GpuReplica, payload: float, gpus: int) -> float:
    """Seconds in which `gpus` GPUs sum `payload` bytes held by each: inside each system, and then the sums, an equal
    part for each of its GPUs, over the network (Cho et al., BlueConnect, 2019).
    """
    if gpus == 1:
        return 0.0
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
