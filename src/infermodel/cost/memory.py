"""Room for keys and values on GPUs, counted as an engine counts it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from infermodel.architecture import (
    PRECISION_BYTES,
    ExpertFeedForward,
    GroupedAttention,
    Layer,
    ModelArchitecture,
)
from infermodel.cost.block_pool import STATE, KvMemory, WindowGroups, aligned_block, block_bytes, groups_of
from infermodel.cost.deployment import Deployment
from infermodel.cost.layers import layer_bytes, layer_operators, state_bytes
from infermodel.cost.layout import stage_layers
from infermodel.cost.step import DoesNotFit
from infermodel.cost.work import EXPERTS_ONLY, Formats, Shard, bytes_per_weight, head_operator, kept_elements
from infermodel.engine import Engine
from infermodel.hardware import GpuDevice

LARGEST_FLEET = 1024
"""GPUs up to which a fleet that fits is looked for."""


@dataclass(frozen=True, slots=True)
class StageMemory:
    """Bytes on one GPU of a pipeline stage, and the KV blocks that fit beside them (may be negative).

    Attributes:
        beside_bytes: what an engine that shares out the whole device needs beside weights and KV: activations, experts'
            workspaces, the runtime.
        kv_bytes_per_token: of all layers.
        block_bytes: of a block.
        blocks: of the replica, as far as this stage has room for them.
    """

    weights_bytes: float
    beside_bytes: float
    kv_bytes_per_token: float
    block_bytes: float
    blocks: float


def shard_of(deployment: Deployment) -> Shard:
    """How the deployment divides a layer."""
    return Shard(deployment.tensor_parallel, deployment.expert_parallel, deployment.data_parallel)


def formats_of(architecture: ModelArchitecture, deployment: Deployment) -> Formats:
    """Formats of the weights by part, where the deployment keeps them as published."""
    as_published = deployment.precision.weights == architecture.default_precision
    return architecture.formats if as_published else ()


def weights_bytes(
    layers: tuple[tuple[Layer, int], ...], architecture: ModelArchitecture, deployment: Deployment, tile: int = 1
) -> float:
    """Bytes of the layers' weights on one GPU, experts kept in 4-bit blocks padded to multiples of `tile`; with
    all scales, or as its files have them, where the model is served as published and that is known.
    """
    shard, precision = shard_of(deployment), deployment.precision.weights
    return stored_ratio(architecture, precision) * sum(
        count
        * (
            layer_bytes(layer, architecture.hidden, shard, precision, formats_of(architecture, deployment))
            + expert_padding_bytes(layer, architecture.hidden, shard, precision, tile)
        )
        for layer, count in layers
    )


def stored_ratio(architecture: ModelArchitecture, precision: str) -> float:
    """Bytes of the published layers over those of their weights alone; 1 where nobody says, or otherwise served."""
    if architecture.stored_bytes is None or precision != architecture.default_precision:
        return 1.0
    heads = 1 if architecture.tied_embeddings else 2
    beside = heads * architecture.embedding_parameters + architecture.tower_parameters + architecture.extra_parameters
    counted = sum(
        count * layer_bytes(layer, architecture.hidden, Shard(), precision, architecture.formats)
        for layer, count in architecture.distinct_layers
    )
    return (architecture.stored_bytes - 2.0 * beside) / counted


def integer_ratio(architecture: ModelArchitecture, deployment: Deployment) -> float:
    """Bytes of a weight kept in whole numbers over those of its format: files differ in bits (2 to 8) and in the groups
    that share a scale, which kernels read as well. 1 where nobody says, or for floats, whose formats hold their scales.

    Source: sizes by the file's lists, less what those leave in 16 bits.
    """
    precision, stored = deployment.precision.weights, architecture.stored_bytes
    if precision not in ("int4", "int8") or precision != architecture.default_precision or stored is None:
        return 1.0
    formats, hidden = dict(architecture.formats), architecture.hidden
    around = ("embedding",) if architecture.tied_embeddings else ("embedding", "head")
    kept: list[tuple[float, float]] = [
        (architecture.embedding_parameters, PRECISION_BYTES[formats.get(part, "bf16")]) for part in around
    ]
    kept.append((architecture.tower_parameters + architecture.extra_parameters + hidden, 2.0))
    for layer, count in architecture.distinct_layers:
        operators = layer_operators(layer, hidden, Shard())
        kept += [
            (count * each.parameters, bytes_per_weight(each, precision, architecture.formats)) for each in operators
        ]
        kept.append((count * (layer.parameters(hidden) - sum(each.parameters for each in operators)), 2.0))
    narrow, wide = (sum(weights * each for weights, each in kept if (each < 2) == small) for small in (True, False))
    return (stored - wide) / narrow


def expert_padding_bytes(layer: Layer, hidden: int, shard: Shard, precision: str, tile: int) -> float:
    """Bytes of zeros on one GPU where kernels want experts in mxfp4 in multiples of `tile` rows and columns.

    Source: vLLM 0.33.0, which rounds hidden and intermediate sizes up by kernel.

    >>> _padded(2880, 128), _padded(2880, 1)
    (2944, 2880)
    """
    experts = layer.feed_forward
    if not isinstance(experts, ExpertFeedForward) or precision not in EXPERTS_ONLY:
        return 0.0
    columns = experts.intermediate / shard.experts_divided_over
    more = _padded(hidden, tile) * _padded(columns, tile) - hidden * columns
    return 3 * more * experts.experts / shard.expert_parallel * PRECISION_BYTES[precision]


def _padded(size: float, tile: int) -> int:
    return ceil(size / tile) * tile


def embedding_bytes(architecture: ModelArchitecture, deployment: Deployment) -> float:
    """Bytes of an embedding or output head on one GPU. Engines keep both in 16 bits whatever the layers' precision."""
    return head_operator(architecture, shard_of(deployment)).parameters * 2.0


def activation_bytes(architecture: ModelArchitecture, deployment: Deployment) -> float:
    """Largest activations of a step on one GPU, as an engine finds them that tries its largest step before it starts.

    Either one layer's feed-forward of a full token budget (residual, its normalised copy, two halves and their product)
    or, with the last hidden states alone, the logits of every sequence over the whole vocabulary in 16 and in 32 bits:
    the first is freed before the second begins. Experts' workspaces (of each expert that a token visits the wider of
    input and columns, twice) stay. All but the logits 2 bytes a number.

    Source: vLLM 0.33.0, its dummy run and the workspaces of its grouped multiplications.
    """
    hidden, tokens = architecture.hidden, deployment.max_batched_tokens
    widest = workspace = 0.0
    for layer, _ in architecture.distinct_layers:
        feed_forward = layer.feed_forward
        if isinstance(feed_forward, ExpertFeedForward):
            columns = feed_forward.intermediate / shard_of(deployment).experts_divided_over
            workspace = max(workspace, feed_forward.top_k * (max(columns, hidden) + max(2 * columns, hidden)))
            widest = max(widest, feed_forward.shared_intermediate / deployment.tensor_parallel)
        else:
            widest = max(widest, feed_forward.intermediate / deployment.tensor_parallel)
    layer_bytes = tokens * 2.0 * (2 * hidden + 3 * widest)
    logits_bytes = tokens * 2.0 * hidden + deployment.max_sequences * architecture.vocabulary * 6.0
    return tokens * 2.0 * workspace + max(layer_bytes, logits_bytes)


def beside_bytes(architecture: ModelArchitecture, deployment: Deployment, engine: Engine) -> float:
    """What one GPU holds beside weights and KV, within the share of memory that is given out."""
    if engine.memory_share == "static":
        return engine.memory_reserve_bytes
    experts = any(isinstance(layer.feed_forward, ExpertFeedForward) for layer, _ in architecture.distinct_layers)
    reserve = engine.memory_reserve_bytes + experts * engine.constants.get("expert_reserve_bytes", 0.0)
    return activation_bytes(architecture, deployment) + reserve


def stage_memory(
    stage: int, architecture: ModelArchitecture, device: GpuDevice, deployment: Deployment, engine: Engine
) -> StageMemory:
    """Memory of one GPU of pipeline stage `stage`."""
    stages = deployment.pipeline_parallel
    layers = stage_layers(architecture, stages)[stage]
    weights = weights_bytes(layers, architecture, deployment, int(engine.constants.get("expert_tile", 1)))
    if stage == 0:
        beside_layers = architecture.tower_parameters + architecture.extra_parameters
        weights += embedding_bytes(architecture, deployment) + 2.0 * beside_layers / deployment.tensor_parallel
    if stage == stages - 1 and not (architecture.tied_embeddings and stages == 1):
        weights += embedding_bytes(architecture, deployment)
    beside = beside_bytes(architecture, deployment, engine)
    if engine.memory_share == "free":
        free = (device.memory_capacity_bytes - weights - beside) * deployment.memory_utilisation
    else:
        free = device.memory_capacity_bytes * deployment.memory_utilisation - weights - beside
    counts, per_token = kv_by_window(layers, deployment, architecture)
    tokens = block_tokens(architecture, deployment)
    if _pools_apart(architecture, engine):
        share = engine.constants["window_token_share"]
        block = tokens * sum(each * (1.0 if window is None else share) for window, each in per_token.items())
    else:
        block = block_bytes(counts, per_token, pool_groups(architecture, deployment), tokens)
    blocks = free / block * deployment.data_parallel
    kept = sum(each for window, each in per_token.items() if window != STATE)
    return StageMemory(weights, beside, kept, block, blocks)


def kv_by_window(
    layers: tuple[tuple[Layer, int], ...], deployment: Deployment, architecture: ModelArchitecture
) -> tuple[dict[int | None, int], dict[int | None, float]]:
    """Layers, and bytes of keys and values of a token on one GPU, by the window that layers see; None: everything.

    Layers with a state stand under `STATE`, each with as many bytes as a block shared out over its tokens.
    """
    number, shard = PRECISION_BYTES[deployment.precision.kv_cache], shard_of(deployment)
    counts: dict[int | None, int] = {}
    per_token: dict[int | None, float] = {}
    token, state = _largest(architecture, deployment)
    padded_bytes = token or state / deployment.kv_block_tokens
    for layer, count in layers:
        kept: list[tuple[int | None, float]] = [
            (window, number * elements) for window, elements in kept_elements(layer.attention, shard)
        ]
        if layer.state_elements:
            kept.append((STATE, padded_bytes))
        for window, bytes_each in kept:
            counts[window] = counts.get(window, 0) + count
            per_token[window] = per_token.get(window, 0.0) + count * bytes_each
    return counts, per_token


def _largest(architecture: ModelArchitecture, deployment: Deployment) -> tuple[float, float]:
    """The most bytes on one GPU of a layer's token and of a layer's state."""
    number, shard = PRECISION_BYTES[deployment.precision.kv_cache], shard_of(deployment)
    layers = [layer for layer, _ in architecture.distinct_layers]
    tokens = [number * each for layer in layers for _, each in kept_elements(layer.attention, shard)]
    states = [state_bytes(layer, architecture.state_number_bytes, shard) for layer in layers]
    return max(tokens, default=0.0), max(states)


def block_tokens(architecture: ModelArchitecture, deployment: Deployment) -> int:
    """Tokens of a block: the engine's own, or more where it has to hold a state too."""
    return aligned_block(deployment.kv_block_tokens, *_largest(architecture, deployment))


def pool_groups(architecture: ModelArchitecture, deployment: Deployment) -> dict[int | None, int]:
    """Groups of layers that share a pool of blocks, by what they see."""
    return groups_of(kv_by_window(tuple(architecture.distinct_layers), deployment, architecture)[1])


def _pools_apart(architecture: ModelArchitecture, engine: Engine) -> bool:
    """Whether layers with and without a window have pools of their own, of fixed sizes (SGLang 0.5.23).

    That of windows has `window_token_share` of the tokens of the other; since windows move on, it is never the one that
    is full first, and what is asked for is room in the other.
    """
    kinds = {layer.attention.window is None for layer, _ in architecture.distinct_layers}
    return len(kinds) > 1 and "window_token_share" in engine.constants


def fewest_that_fit(architecture: ModelArchitecture, device: GpuDevice, deployment: Deployment, engine: Engine) -> int:
    """Smallest power of two of tensor-parallel GPUs that leaves room for one sequence of `max_context`; 0 if none."""
    gpus = 1
    while gpus <= LARGEST_FLEET:
        if divides(architecture, gpus):
            trial = replace(deployment, tensor_parallel=gpus, pipeline_parallel=1, expert_parallel=1, data_parallel=1)
            if stage_memory(0, architecture, device, trial, engine).blocks >= 1:
                return gpus
        gpus *= 2
    return 0


def divides(architecture: ModelArchitecture, gpus: int) -> bool:
    """Whether every layer's heads can be dealt evenly to `gpus` GPUs."""
    return all(layer.attention.heads % gpus == 0 for layer, _ in architecture.distinct_layers)


def kv_memory(architecture: ModelArchitecture, device: GpuDevice, deployment: Deployment, engine: Engine) -> KvMemory:
    """Keys and values that fit on a replica, whole blocks of each rank, bound by its fullest pipeline stage.

    Raises:
        DoesNotFit: the weights leave no room, or heads or experts cannot be dealt evenly; says what would do.
    """
    check_layout(architecture, deployment)
    stages = [
        stage_memory(stage, architecture, device, deployment, engine) for stage in range(deployment.pipeline_parallel)
    ]
    tightest = min(stages, key=lambda memory: memory.blocks)
    block, context = block_tokens(architecture, deployment), deployment.max_context
    groups = {None: 1} if _pools_apart(architecture, engine) else pool_groups(architecture, deployment)
    in_flight = deployment.max_batched_tokens * (1 + engine.schedules_ahead)
    windows = tuple(
        WindowGroups.of(window, count, block, in_flight, int(engine.schedules_ahead))
        if window
        else WindowGroups.of_states(count, found_again=engine.prefix_caching)
        for window, count in groups.items()
        if window is not None
    )

    ranks = deployment.data_parallel
    pool = int(tightest.blocks / ranks) * ranks
    group = deployment.tensor_parallel * ranks
    room = KvMemory(
        tokens=pool * block,
        block_tokens=block,
        bytes_per_token=sum(memory.kv_bytes_per_token for memory in stages) * deployment.tensor_parallel,
        weights_bytes=sum(memory.weights_bytes for memory in stages) * group,
        longest=pool // ranks * block,
        pool=pool if windows else 0,
        block_bytes=sum(memory.block_bytes for memory in stages) * deployment.tensor_parallel,
        whole=groups.get(None, 0),
        windows=windows,
        ranks=ranks,
    )
    if pool // ranks < room.charged(1):
        raise DoesNotFit(_no_room(architecture, device, deployment, engine, tightest))
    if not windows:
        return room
    tokens = int(pool / room.charged(ceil(context / block)) * context) // block * block
    return replace(room, tokens=tokens, longest=room.fits_alone)


def check_layout(architecture: ModelArchitecture, deployment: Deployment) -> None:
    """Whether layers, heads and experts can be dealt to the GPUs.

    Raises:
        DoesNotFit: they cannot.
    """
    title, gpus = architecture.title, deployment.tensor_parallel
    if deployment.pipeline_parallel > len(architecture.layers):
        raise DoesNotFit(
            f"{title} has {len(architecture.layers)} layers,"
            f" fewer than pipeline_parallel {deployment.pipeline_parallel}"
        )
    for layer, _ in architecture.distinct_layers:
        attention, feed_forward = layer.attention, layer.feed_forward
        if attention.heads % gpus:
            raise DoesNotFit(
                f"the {attention.heads} attention heads of {title} cannot be dealt evenly to tensor_parallel {gpus}"
            )
        if isinstance(attention, GroupedAttention) and attention.kv_heads % gpus and gpus % attention.kv_heads:
            raise DoesNotFit(
                f"the {attention.kv_heads} KV heads of {title} can be neither dealt nor copied evenly"
                f" to tensor_parallel {gpus}"
            )
        experts = deployment.expert_parallel
        if experts > 1 and not isinstance(feed_forward, ExpertFeedForward):
            continue
        if isinstance(feed_forward, ExpertFeedForward) and feed_forward.experts % experts:
            raise DoesNotFit(
                f"the {feed_forward.experts} experts of {title} cannot be dealt evenly to expert_parallel {experts}"
            )
    if deployment.expert_parallel > 1 and gpus * deployment.data_parallel % deployment.expert_parallel:
        raise DoesNotFit(
            f"expert_parallel {deployment.expert_parallel} does not divide the"
            f" {gpus * deployment.data_parallel} GPUs of a pipeline stage"
        )


def _no_room(
    architecture: ModelArchitecture, device: GpuDevice, deployment: Deployment, engine: Engine, stage: StageMemory
) -> str:
    gpus = deployment.tensor_parallel * deployment.pipeline_parallel * deployment.data_parallel
    per_gpu = f"{stage.weights_bytes / 1e9:.0f} GB of weights" + (" on each GPU" if gpus > 1 else "")
    fleet = f"one {device.title}" if gpus == 1 else f"{gpus} {device.title}"
    usable = device.memory_capacity_bytes * (1.0 if engine.memory_share == "free" else deployment.memory_utilisation)
    enough = fewest_that_fit(architecture, device, deployment, engine)
    advice = (
        f"tensor_parallel {enough} would do" if enough else "no number of these GPUs that divides its heads would do"
    )
    return (
        f"{architecture.title} in {deployment.precision.weights} does not fit on {fleet}: {per_gpu} and"
        f" {stage.beside_bytes / 1e9:.0f} GB of activations and runtime leave no room for KV cache in the"
        f" {usable / 1e9:.0f} GB that the engine may use; {advice}"
    )
