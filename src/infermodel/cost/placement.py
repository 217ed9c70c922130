"""Which layers live on which wafer: cut at layer boundaries so that the fullest wafer has the most room for KV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from infermodel.architecture import PRECISION_BYTES, ModelArchitecture
from infermodel.cost.deployment import Precision
from infermodel.cost.step import DoesNotFit

UNBOUNDED = 1 << 50
"""Tokens on a wafer whose layers all have windows, for which room is set aside."""


@dataclass(frozen=True, slots=True)
class WaferLoad:
    """What one wafer holds.

    Attributes:
        first_layer, layers: the run of layers, counted from 0.
        weights_bytes: weights of those layers, and of draft models on this wafer.
        edge_bytes: input embedding, output head and final norm, where this wafer is the first or the last.
        reserve_bytes: buffers.
        window_bytes: set aside for attention windows, full ones of every sequence.
        usable_bytes: SRAM that all of it shares with KV.
        kv_bytes_per_token: keys and values of one further token in the wafer's layers.
    """

    first_layer: int
    layers: int
    weights_bytes: float
    edge_bytes: float
    reserve_bytes: float
    window_bytes: float
    usable_bytes: float
    kv_bytes_per_token: float

    @property
    def kv_bytes(self) -> float:
        """Room for keys and values; negative where the weights alone are too many."""
        return self.usable_bytes - self.weights_bytes - self.edge_bytes - self.reserve_bytes - self.window_bytes

    @property
    def kv_tokens(self) -> int:
        """Tokens of context that this wafer could hold; negative where the weights alone are too many."""
        if not self.kv_bytes_per_token:
            return UNBOUNDED if self.kv_bytes >= 0 else -1
        return int(self.kv_bytes // self.kv_bytes_per_token)


@dataclass(frozen=True)
class Placement:
    """A model on a chain of wafers; printing it shows a table."""

    title: str
    wafers: tuple[WaferLoad, ...]

    @property
    def kv_tokens(self) -> int:
        """Tokens of context of the replica: every token needs room on each wafer, so the fullest one binds."""
        return max(0, min(load.kv_tokens for load in self.wafers))

    @property
    def weights_bytes(self) -> float:
        """All weights, embedding and head included."""
        return sum(load.weights_bytes + load.edge_bytes for load in self.wafers)

    def __str__(self) -> str:
        lines = [
            f"{self.title}: {self.kv_tokens:,} KV tokens",
            "wafer  layers      weights GB  embedding, head GB  buffers, windows GB  room for KV GB  KV tokens",
        ]
        for number, load in enumerate(self.wafers):
            span = f"{load.first_layer}-{load.first_layer + load.layers - 1}"
            lines.append(
                f"{number:5d}  {span:10s}  {load.weights_bytes / 1e9:10.2f}  {load.edge_bytes / 1e9:18.2f}"
                f"  {(load.reserve_bytes + load.window_bytes) / 1e9:19.2f}  {load.kv_bytes / 1e9:14.2f}"
                f"  {load.kv_tokens:9,d}"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Sizes:
    """Bytes of a model's parts at one precision; `of` computes them.

    Attributes:
        layer_bytes, kv_bytes: per layer, in order: its weights, and one further token's keys and values.
        window_bytes: per layer: set aside for the windows of all sequences.
        embedding_bytes: on the first wafer.
        head_bytes: output head and final norm, on the last wafer.
        shared_bytes: stored once instead of twice where first and last wafer are the same (tied embeddings).
        draft_blocks: of the entries of `layer_bytes`, how many at its beginning are draft models.
    """

    title: str
    layer_bytes: tuple[float, ...]
    kv_bytes: tuple[float, ...]
    window_bytes: tuple[float, ...]
    embedding_bytes: float
    head_bytes: float
    shared_bytes: float
    draft_blocks: int = 0

    @classmethod
    def of(cls, architecture: ModelArchitecture, precision: Precision, windows_of: int | None = None) -> Sizes:
        """Sizes of `architecture`.

        Args:
            architecture: the model.
            precision: of weights and KV cache.
            windows_of: set aside the full attention windows of so many sequences, after which a token costs nothing
                in windowed layers. None: count every token in all layers.
        """
        weight, kv = PRECISION_BYTES[precision.weights], PRECISION_BYTES[precision.kv_cache]
        attentions = [layer.attention for layer in architecture.layers]
        aside = [windows_of is not None and attention.window is not None for attention in attentions]
        embedding = weight * architecture.embedding_parameters
        return cls(
            title=f"{architecture.title}, {precision.weights} weights",
            layer_bytes=tuple(weight * layer.parameters(architecture.hidden) for layer in architecture.layers),
            kv_bytes=tuple(
                0.0 if held else kv * attention.kv_elements for attention, held in zip(attentions, aside, strict=True)
            ),
            window_bytes=tuple(
                kv * attention.kv_elements * (attention.window or 0) * (windows_of or 0) if held else 0.0
                for attention, held in zip(attentions, aside, strict=True)
            ),
            embedding_bytes=embedding,
            head_bytes=weight * (architecture.head_parameters + architecture.hidden),
            shared_bytes=embedding if architecture.tied_embeddings else 0.0,
        )

    @property
    def weights_bytes(self) -> float:
        """Of the whole model on one wafer."""
        return sum(self.layer_bytes) + self.embedding_bytes + self.head_bytes - self.shared_bytes


def with_draft(sizes: Sizes, draft: Sizes) -> Sizes:
    """Sizes of a model with a whole draft model, weights and KV, ahead of its first layer and on the same wafer."""
    return replace(
        sizes,
        title=f"{sizes.title}, with a draft of {draft.weights_bytes / 1e9:.1f} GB",
        layer_bytes=(draft.weights_bytes, *sizes.layer_bytes),
        kv_bytes=(sum(draft.kv_bytes), *sizes.kv_bytes),
        window_bytes=(sum(draft.window_bytes), *sizes.window_bytes),
        draft_blocks=sizes.draft_blocks + 1,
    )


def place(sizes: Sizes, counts: Sequence[int], usable_bytes: float, reserve_bytes: float = 0.0) -> Placement:
    """The placement that puts `counts[w]` layers on wafer w, in order, whether or not it fits.

    Args:
        sizes: bytes of the model's parts.
        counts: layers of each wafer, each at least 1; they add up to the model's layers (and draft models).
        usable_bytes: SRAM of one wafer that weights, KV and the rest may use.
        reserve_bytes: buffers of one wafer.
    """
    loads, first = [], 0
    for wafer, count in enumerate(counts):
        run = slice(first, first + count)
        edge = _edge_bytes(sizes, wafer, len(counts))
        weights, windows, kv = sum(sizes.layer_bytes[run]), sum(sizes.window_bytes[run]), sum(sizes.kv_bytes[run])
        drafts = max(0, sizes.draft_blocks - first)
        begin = max(0, first - sizes.draft_blocks)
        loads.append(WaferLoad(begin, count - drafts, weights, edge, reserve_bytes, windows, usable_bytes, kv))
        first += count
    wafers = f"{len(counts)} wafer" + ("s" if len(counts) > 1 else "")
    return Placement(f"{sizes.title} on {wafers}", tuple(loads))


def even_cut(sizes: Sizes, wafers: int, usable_bytes: float) -> Placement:
    """The same number of layers on each wafer, the first ones taking what is over."""
    share, over = divmod(len(sizes.layer_bytes), wafers)
    counts = [share + 1] * over + [share] * (wafers - over)
    return place(sizes, counts, usable_bytes)


def best_cut(sizes: Sizes, wafers: int, usable_bytes: float, reserve_bytes: float = 0.0) -> Placement | None:
    """The cut whose fullest wafer has room for the most KV tokens; None where not even the weights fit.

    Exact: for a given number of tokens the need of a run of layers is a sum of non-negative terms, so filling each
    wafer as far as it goes leaves the least for the last; the largest number of tokens for which that works is found
    by bisection over the integers.
    """
    layers = len(sizes.layer_bytes)
    if wafers > layers:
        return None
    fixed = [weights + windows for weights, windows in zip(sizes.layer_bytes, sizes.window_bytes, strict=True)]

    def cut(tokens: int) -> list[int] | None:
        counts, at = [], 0
        for wafer in range(wafers):
            room = usable_bytes - reserve_bytes - _edge_bytes(sizes, wafer, wafers)
            start, last = at, layers - (wafers - 1 - wafer)  # the wafers to come take one layer each at least
            held = kv = 0.0
            while at < last:
                held, kv = held + fixed[at], kv + sizes.kv_bytes[at]
                if held + kv * tokens > room:
                    break
                at += 1
            if at == start:
                return None
            counts.append(at - start)
        return counts if at == layers else None

    counts = cut(0)
    if counts is None:
        return None
    fits, too_many = 0, int(usable_bytes / min(kv for kv in sizes.kv_bytes if kv)) + 1
    while too_many - fits > 1:
        tokens = (fits + too_many) // 2
        attempt = cut(tokens)
        if attempt is None:
            too_many = tokens
        else:
            fits, counts = tokens, attempt
    return place(sizes, counts, usable_bytes, reserve_bytes)


def roomiest(
    architecture: ModelArchitecture, precision: Precision, wafers: int, usable_bytes: float, reserve_bytes: float,
    sequences: int,
) -> Placement | None:  # fmt: skip
    """The best cut, with windows of `sequences` sequences set aside where that leaves more room than counting every
    token in all layers; None where not even the weights fit."""
    cuts = [best_cut(Sizes.of(architecture, precision), wafers, usable_bytes, reserve_bytes)]
    if architecture.windows and any(layer.attention.window is None for layer in architecture.layers):
        cuts.append(best_cut(Sizes.of(architecture, precision, sequences), wafers, usable_bytes, reserve_bytes))
    found = [cut for cut in cuts if cut is not None]
    return max(found, key=lambda cut: cut.kv_tokens) if found else None


def _edge_bytes(sizes: Sizes, wafer: int, wafers: int) -> float:
    first, last = wafer == 0, wafer == wafers - 1
    both = sizes.shared_bytes if first and last else 0.0
    return first * sizes.embedding_bytes + last * sizes.head_bytes - both


def fewest(tokens: int, at_least: int, at_most: int, kv_tokens: Callable[[int], int]) -> int | None:
    """The smallest number of devices from `at_least` to `at_most` that holds `tokens` of context; None if none does.

    `kv_tokens(devices)` must not fall as devices are added.

    >>> fewest(100, 1, 1000, lambda devices: 7 * devices)
    15
    """
    low, high = at_least - 1, at_most
    if high <= low or kv_tokens(high) < tokens:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if kv_tokens(middle) >= tokens:
            high = middle
        else:
            low = middle
    return high


def choose_devices(
    title: str, device_title: str, asked: int, block_tokens: int, max_context: int, at_most: int,
    kv_tokens: Callable[[int], int],
) -> int:  # fmt: skip
    """The number of devices of a replica: the number asked for, or the fewest that hold one longest sequence.

    Args:
        title: the model and its precision, for the message.
        device_title: what the devices are called.
        asked: 0 leaves the choice to this function.
        block_tokens: a replica needs room for one KV block at least.
        max_context: longest sequence served.
        at_most: more devices than this cannot be used.
        kv_tokens: tokens of context on so many devices; 0 where the weights do not fit.

    Raises:
        DoesNotFit: the model does not fit; the message names the smallest number that would do.
    """
    if asked and asked <= at_most and kv_tokens(asked) >= block_tokens:
        return asked
    wanted = block_tokens if asked else max(block_tokens, max_context)
    enough = fewest(wanted, 1, at_most, kv_tokens)
    if enough is None:
        raise DoesNotFit(
            f"{title} does not fit: {wanted:,} tokens of context need more than {at_most:,} {device_title}"
        )
    if not asked:
        return enough
    if asked > at_most:
        raise DoesNotFit(f"{title} can be cut over at most {at_most:,} {device_title}, not {asked:,}")
    raise DoesNotFit(
        f"{title} does not fit on {asked:,} {device_title}: weights and one block of KV need at least {enough:,}"
    )
