"""What contexts cost: attention over keys and values, linear in context tokens and in query-context pairs."""

from __future__ import annotations

from typing import ClassVar

from infermodel.architecture import Attention, CompressedAttention, GroupedAttention
from infermodel.cost.forever import FOREVER
from infermodel.cost.kernels import has_units
from infermodel.cost.record import Record
from infermodel.cost.replica import GpuReplica
from infermodel.cost.step import Chunk
from infermodel.cost.work import Shard, chunk_context, chunk_pairs, looks

SOFTMAX_CHANNELS = 64
"""Channels of a head whose multiplications take as long as the softmax of one score."""


class AttentionRate(Record):
    """Cost of contexts in all layers that share a window.

    Attributes:
        window: index into `Batch.windowed`; -1 for layers that see everything.
        decode_s, decode_flops, decode_bytes: per context token of a decoding sequence.
        pair_s, pair_flops: per query-context pair of a prompt chunk.
        read_s, read_bytes: per context token that a prompt chunk reads.
    """

    __match_args__: ClassVar = (
        "window", "window_tokens", "decode_s", "decode_flops", "decode_bytes", "pair_s", "pair_flops",
        "read_s", "read_bytes",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        window: int,
        window_tokens: int | None,
        decode_s: float,
        decode_flops: float,
        decode_bytes: float,
        pair_s: float,
        pair_flops: float,
        read_s: float,
        read_bytes: float,
    ) -> None:
        self.window = window
        self.window_tokens = window_tokens
        self.decode_s = decode_s
        self.decode_flops = decode_flops
        self.decode_bytes = decode_bytes
        self.pair_s = pair_s
        self.pair_flops = pair_flops
        self.read_s = read_s
        self.read_bytes = read_bytes


class PromptLoad(Record):
    """Seconds, FLOPs and bytes that contexts cost a step's prompt chunks, how much more in the next step, and for how
    many steps that is a line. Seconds are those of pairs, and of reading keys and values.
    """

    __match_args__: ClassVar = (
        "pairs_s", "more_pairs_s", "reads_s", "more_reads_s", "flops", "more_flops", "bytes", "more_bytes", "steps",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        pairs_s: float,
        more_pairs_s: float,
        reads_s: float,
        more_reads_s: float,
        flops: float,
        more_flops: float,
        bytes: float,
        more_bytes: float,
        steps: int,
    ) -> None:
        self.pairs_s = pairs_s
        self.more_pairs_s = more_pairs_s
        self.reads_s = reads_s
        self.more_reads_s = more_reads_s
        self.flops = flops
        self.more_flops = more_flops
        self.bytes = bytes
        self.more_bytes = more_bytes
        self.steps = steps


def attention_rates(replica: GpuReplica) -> tuple[AttentionRate, ...]:
    """Per distinct window the cost of a context token, summed over the layers that have it, per replica."""
    device, constants = replica.device, replica.constants
    wide = replica.kv_bytes >= 2
    reached = constants.decode_attention_efficiency_16bit if wide else constants.decode_attention_efficiency_8bit
    if not wide and not has_units("fp4", device):
        reached *= replica.engine.constants.get("narrow_cache_efficiency", 1.0)
    bandwidth = device.memory_bandwidth * reached
    units = device.peak_flops[replica.half]
    copies = float(replica.deployment.tensor_parallel)
    sums: dict[int | None, list[float]] = {}
    for layer, count in replica.architecture.distinct_layers:
        for look in looks(layer.attention, replica.shard):
            read = replica.kv_bytes * look.elements
            pair_work = look.pair_flops * softmax_factor(layer.attention)
            if isinstance(layer.attention, GroupedAttention) and layer.attention.sinks:
                pair_work /= constants.sink_attention_efficiency
            decode_s = max(read / bandwidth, look.decode_flops / (units * constants.gemm_efficiency_16bit))
            row = sums.setdefault(look.window, [0.0] * 7)
            for i, value in enumerate(
                (
                    decode_s,
                    look.decode_flops * copies,
                    read * copies,
                    pair_work / (units * constants.prefill_attention_efficiency),
                    look.pair_flops * copies,
                    read / bandwidth,
                    read * copies,
                )
            ):
                row[i] += count * value
    return tuple(
        AttentionRate(-1 if window is None else replica.architecture.windows.index(window), window, *row)
        for window, row in sums.items()
    )


def softmax_factor(attention: Attention) -> float:
    """Time of prompt attention against that of its multiplications: the softmax of a score takes as long as
    `SOFTMAX_CHANNELS` channels, which weighs more the narrower the heads.
    """
    if isinstance(attention, GroupedAttention):
        return 1.0 + 2 * SOFTMAX_CHANNELS / (attention.head_dim + attention.value_head_dim)
    if isinstance(attention, CompressedAttention):
        return 1.0 + SOFTMAX_CHANNELS / attention.head_dim
    return 1.0 + 2 * SOFTMAX_CHANNELS / (attention.nope_dim + attention.rope_dim + attention.value_dim)


def kv_heads(attention: Attention, shard: Shard) -> float:
    """KV heads of one GPU; a latent serves its heads as one."""
    if isinstance(attention, GroupedAttention):
        return max(1.0, attention.kv_heads / shard.tensor_parallel)
    return 1.0


def attention_width(attention: Attention, shard: Shard) -> float:
    """Numbers that enter and leave attention per new token: queries, outputs, keys and values of one GPU."""
    heads = attention.heads / shard.tensor_parallel
    if isinstance(attention, GroupedAttention):
        return (heads + kv_heads(attention, shard)) * (attention.head_dim + attention.value_head_dim)
    if isinstance(attention, CompressedAttention):
        return 2 * (heads + 1) * attention.head_dim
    return heads * 2 * (attention.nope_dim + attention.rope_dim + attention.value_dim)


def steps_to_window(window: int, longest: int, growing: int, each: int) -> int:
    """Steps over which a windowed sum of contexts stays on its straight line.

    Nothing grows: for ever. All sequences are shorter: until the longest fills the window. A mixture says nothing about
    who fills up next, so two steps are sure.
    """
    if growing == 0:
        return FOREVER
    if longest < window:
        return (window - longest) // each + 1
    return 2 if each == 1 else 1


def chunk_growth(chunk: Chunk, window: int | None) -> tuple[float, float, float, float, int]:
    """Pairs and context read of a chunk, how much they grow when it repeats, and for how many steps that is a line."""
    new, before = chunk.new, chunk.before
    pairs = chunk_pairs(chunk, window)
    if window is None:
        return pairs, new * new, before + new, new, FOREVER
    read = chunk_context(chunk, window)
    if before >= window:
        return pairs, 0, read, 0, FOREVER
    if before + new <= window:
        return pairs, new * new, read, new, (window - before - new) // new + 1
    return pairs, 0, read, 0, 1


def prompt_load(rates: tuple[AttentionRate, ...], chunks: tuple[Chunk, ...]) -> PromptLoad:
    """What contexts cost prompt chunks that one place computes."""
    pairs_s = more_pairs_s = reads_s = more_reads_s = flops = more_flops = moved = more_bytes = 0.0
    steps = FOREVER
    for rate in rates:
        pairs = more_pairs = reads = more_reads = 0.0
        for chunk in chunks:
            of_pairs, by_pairs, of_reads, by_reads, line = chunk_growth(chunk, rate.window_tokens)
            pairs += of_pairs
            more_pairs += by_pairs
            reads += of_reads
            more_reads += by_reads
            if line < steps:
                steps = line
        pairs_s += rate.pair_s * pairs
        more_pairs_s += rate.pair_s * more_pairs
        reads_s += rate.read_s * reads
        more_reads_s += rate.read_s * more_reads
        flops += rate.pair_flops * pairs
        more_flops += rate.pair_flops * more_pairs
        moved += rate.read_bytes * reads
        more_bytes += rate.read_bytes * more_reads
    return PromptLoad(pairs_s, more_pairs_s, reads_s, more_reads_s, flops, more_flops, moved, more_bytes, steps)
