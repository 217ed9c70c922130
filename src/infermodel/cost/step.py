"""The seam between simulation and hardware: what a step is, and what a cost model answers about it."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import ClassVar, Literal, NamedTuple, Protocol

from infermodel.architecture import Seen
from infermodel.cost.block_pool import KvMemory
from infermodel.cost.forever import FOREVER
from infermodel.cost.least_step import LeastStep
from infermodel.cost.record import Record

Bound = Literal["compute", "memory", "network", "latency", "host"]
BOUNDS: tuple[Bound, ...] = ("compute", "memory", "network", "latency", "host")


class Chunk(Record):
    """A piece of a prompt: `new` tokens processed in the step, after `before` tokens already in the KV cache."""

    __match_args__: ClassVar = ("new", "before")
    __slots__ = __match_args__

    def __init__(self, new: int, before: int) -> None:
        self.new = new
        self.before = before


class Windowed(NamedTuple):
    """Contexts as an attention window sees them: the sum over sequences of min(context, window), and how many
    sequences are still shorter than the window (the sum grows by that many in the next step)."""

    context_tokens: int
    growing: int


class Batch(Record):
    """What one engine step works on.

    The context of a decoding sequence is the number of tokens its new token attends to, itself included: the first
    decode step after a prompt of P tokens has context P + 1.

    Attributes:
        sequences: decoding sequences, n.
        context_tokens: sum of their contexts.
        longest_context: the longest of them, 0 if none.
        windowed: per distinct window of the model (`ModelArchitecture.windows`), the same sum seen through it.
        tokens_each: tokens that each decoding sequence adds (1; k + 1 when verifying k drafts).
        chunks: prompt pieces prefilled in the same step.
        finishing_chunks: how many of the chunks end their prompt, so that the step samples a token for them.
        ranks: what each rank of data-parallel attention that has work does of it; none: all an equal share.
        images: that are encoded in the step, before its chunks are read; such a step is like no other.
    """

    __match_args__: ClassVar = (
        "sequences", "context_tokens", "longest_context", "windowed", "tokens_each", "chunks", "finishing_chunks",
        "ranks", "images",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        sequences: int,
        context_tokens: int,
        longest_context: int,
        windowed: tuple[Windowed, ...] = (),
        tokens_each: int = 1,
        chunks: tuple[Chunk, ...] = (),
        finishing_chunks: int = 0,
        ranks: tuple[Batch, ...] = (),
        images: tuple[Seen, ...] = (),
    ) -> None:
        self.sequences = sequences
        self.context_tokens = context_tokens
        self.longest_context = longest_context
        self.windowed = windowed
        self.tokens_each = tokens_each
        self.chunks = chunks
        self.finishing_chunks = finishing_chunks
        self.ranks = ranks
        self.images = images

    @staticmethod
    def alike(
        windows: Sequence[int],
        sequences: int,
        context: int,
        chunks: tuple[Chunk, ...] = (),
        finishing_chunks: int = 0,
    ) -> Batch:
        """So many decoding sequences with one context, perhaps none, beside prompts.

        Args:
            windows: of the model.

        >>> Batch.alike((100,), 3, 40).windowed, Batch.alike((100,), 3, 140).windowed
        ((Windowed(context_tokens=120, growing=3),), (Windowed(context_tokens=300, growing=0),))
        """
        windowed = tuple([Windowed(sequences * min(context, w), sequences * (context < w)) for w in windows])
        longest = context if sequences else 0
        return Batch(sequences, sequences * context, longest, windowed, 1, chunks, finishing_chunks)

    def changed(
        self,
        *,
        windowed: tuple[Windowed, ...] | None = None,
        tokens_each: int | None = None,
        chunks: tuple[Chunk, ...] | None = None,
        finishing_chunks: int | None = None,
        images: tuple[Seen, ...] | None = None,
    ) -> Batch:
        """The same decoding sequences, otherwise seen, verified, or beside other prompts and images."""
        return Batch(
            self.sequences,
            self.context_tokens,
            self.longest_context,
            self.windowed if windowed is None else windowed,
            self.tokens_each if tokens_each is None else tokens_each,
            self.chunks if chunks is None else chunks,
            self.finishing_chunks if finishing_chunks is None else finishing_chunks,
            tuple(
                [
                    rank.changed(
                        windowed=windowed,
                        tokens_each=tokens_each,
                        chunks=chunks,
                        finishing_chunks=finishing_chunks,
                        images=images,
                    )
                    for rank in self.ranks
                ]
            ),
            self.images if images is None else images,
        )


class StepCost(NamedTuple):
    """What a step costs one replica.

    Attributes:
        latency_s: until the step's tokens are out and the replica can start its next step.
        joules: energy of the replica's devices during the step.
        flops: useful floating-point operations.
        bytes: useful bytes moved to and from device memory.
        bound_by: what the step spends most of its time on.
    """

    latency_s: float
    joules: float
    flops: float
    bytes: float
    bound_by: Bound


class Ramp(Record):
    """The next `steps` steps of a batch whose members do not change: every decoding sequence grows by `tokens_each`,
    every prompt chunk repeats with `before` grown by `new`. Step i (from 0) takes `first_s + i * slope_s`, and so for
    joules, flops and bytes. Exact for all its steps; the simulation asks again after them.
    """

    __match_args__: ClassVar = (
        "steps", "first_s", "slope_s", "first_joules", "slope_joules", "first_flops", "slope_flops", "first_bytes",
        "slope_bytes", "bound_by",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        steps: int,
        first_s: float,
        slope_s: float,
        first_joules: float,
        slope_joules: float,
        first_flops: float,
        slope_flops: float,
        first_bytes: float,
        slope_bytes: float,
        bound_by: Bound,
    ) -> None:
        self.steps = steps
        self.first_s = first_s
        self.slope_s = slope_s
        self.first_joules = first_joules
        self.slope_joules = slope_joules
        self.first_flops = first_flops
        self.slope_flops = slope_flops
        self.first_bytes = first_bytes
        self.slope_bytes = slope_bytes
        self.bound_by = bound_by

    def first(self) -> StepCost:
        """Cost of the first step."""
        return StepCost(self.first_s, self.first_joules, self.first_flops, self.first_bytes, self.bound_by)


class DecodeLine(Record):
    """Steps of so many decoding sequences and nothing else, where the sum of their contexts is below `until`: their
    cost at no context, more for each token of it, and more in each further step, in which every context has grown.

    Attributes:
        number: of this line among those of its model.
    """

    __match_args__: ClassVar = (
        "number", "until", "bound_by", "first_s", "more_s", "slope_s", "joules", "more_joules", "slope_joules",
        "flops", "more_flops", "slope_flops", "bytes", "more_bytes", "slope_bytes",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        number: int,
        until: float,
        bound_by: Bound,
        first_s: float,
        more_s: float,
        slope_s: float,
        joules: float,
        more_joules: float,
        slope_joules: float,
        flops: float,
        more_flops: float,
        slope_flops: float,
        bytes: float,
        more_bytes: float,
        slope_bytes: float,
    ) -> None:
        self.number = number
        self.until = until
        self.bound_by = bound_by
        self.first_s = first_s
        self.more_s = more_s
        self.slope_s = slope_s
        self.joules = joules
        self.more_joules = more_joules
        self.slope_joules = slope_joules
        self.flops = flops
        self.more_flops = more_flops
        self.slope_flops = slope_flops
        self.bytes = bytes
        self.more_bytes = more_bytes
        self.slope_bytes = slope_bytes

    def ramp(self, sequences: int, context_tokens: int) -> Ramp:
        """The line from contexts of `context_tokens` together."""
        steps = FOREVER if self.until == inf else int((self.until - context_tokens) / sequences) + 1
        return Ramp(
            steps,
            self.first_s + self.more_s * context_tokens,
            self.slope_s,
            self.joules + self.more_joules * context_tokens,
            self.slope_joules,
            self.flops + self.more_flops * context_tokens,
            self.slope_flops,
            self.bytes + self.more_bytes * context_tokens,
            self.slope_bytes,
            self.bound_by,
        )

    def costs(self) -> tuple[float, ...]:
        """Of seconds, joules, FLOPs and bytes in turn: at no context, for each token, and in each further step."""
        return (
            self.first_s, self.more_s, self.slope_s, self.joules, self.more_joules, self.slope_joules,
            self.flops, self.more_flops, self.slope_flops, self.bytes, self.more_bytes, self.slope_bytes,
        )  # fmt: skip


class StepModel(Protocol):
    """A replica's hardware, engine and model, as the simulation sees them. Pure: the same batch, the same answer."""

    @property
    def kv_memory(self) -> KvMemory:
        """Room for keys and values."""
        ...

    @property
    def windows(self) -> tuple[int, ...]:
        """Attention windows that `Batch.windowed` must report, ascending."""
        ...

    @property
    def idle_w(self) -> float:
        """Power of the replica's devices while no step runs."""
        ...

    @property
    def peak_flops(self) -> float:
        """Of all the replica's devices at the compute precision, the denominator of mfu."""
        ...

    @property
    def peak_bandwidth(self) -> float:
        """Of all the replica's devices, bytes/s, the denominator of mbu."""
        ...

    @property
    def devices(self) -> int:
        """How many the replica is spread over."""
        ...

    def full_batch(self, running: int, prompt_tokens: int) -> tuple[int, int]:
        """Sequences of a step by which an output token is priced, and such prompts of one by which input is.

        Args:
            running: decoding sequences of a busy replica, at least 1.
        """
        ...

    def least_laws(self) -> tuple[LeastStep, ...]:
        """Laws that each hold for every step; none where nothing is known."""
        ...

    def prompt_tokens_per_step(self, sequences: int, longest_context: int) -> int:
        """Prompt tokens that the hardware can take in a step beside `sequences` decoding ones; at least 1.

        Dataflow devices have idle slots; GPUs have no such limit of their own and return `FOREVER` beside whatever
        decodes (the engine's token budget binds).
        """
        ...

    def step(self, batch: Batch) -> StepCost:
        """Cost of one step."""
        ...

    def ramp(self, batch: Batch) -> Ramp:
        """Cost of the next steps of an unchanged batch, exact; `ramp(b).first_s == step(b).latency_s`."""
        ...

    def decode_line(self, sequences: int, context_tokens: int) -> DecodeLine | None:
        """The line that plain decoding follows at these contexts, where they alone decide; None: ask for a ramp."""
        ...


class DoesNotFit(ValueError):
    """Model and hardware do not go together: the message says why and what would do."""
