"""The seam between simulation and hardware: what a step is, and what a cost model answers about it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, Literal, NamedTuple, Protocol

Bound = Literal["compute", "memory", "network", "latency", "host"]
BOUNDS: tuple[Bound, ...] = ("compute", "memory", "network", "latency", "host")


FOREVER: Final = 1 << 40
"""Steps of a straight line that nothing ends."""


class Chunk(NamedTuple):
    """A piece of a prompt: `new` tokens processed in the step, after `before` tokens already in the KV cache."""

    new: int
    before: int


class Windowed(NamedTuple):
    """Contexts as an attention window sees them: the sum over sequences of min(context, window), and how many
    sequences are still shorter than the window (the sum grows by that many in the next step)."""

    context_tokens: int
    growing: int


class Batch(NamedTuple):
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
    """

    sequences: int
    context_tokens: int
    longest_context: int
    windowed: tuple[Windowed, ...] = ()
    tokens_each: int = 1
    chunks: tuple[Chunk, ...] = ()
    finishing_chunks: int = 0


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


class Ramp(NamedTuple):
    """The next `steps` steps of a batch whose members do not change: every decoding sequence grows by `tokens_each`,
    every prompt chunk repeats with `before` grown by `new`. Step i (from 0) takes `first_s + i * slope_s`, and so for
    joules, flops and bytes. Exact for all its steps; the simulation asks again after them.
    """

    steps: int
    first_s: float
    slope_s: float
    first_joules: float
    slope_joules: float
    first_flops: float
    slope_flops: float
    first_bytes: float
    slope_bytes: float
    bound_by: Bound


class DecodeLine(NamedTuple):
    """Steps of so many decoding sequences and nothing else, where the sum of their contexts is below `until`: their
    cost at no context, more for each token of it, and more in each further step, in which every context has grown.

    Attributes:
        number: of this line among those of its model.
    """

    number: int
    until: float
    bound_by: Bound
    first_s: float
    more_s: float
    slope_s: float
    joules: float
    more_joules: float
    slope_joules: float
    flops: float
    more_flops: float
    slope_flops: float
    bytes: float
    more_bytes: float
    slope_bytes: float

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


@dataclass(frozen=True, slots=True)
class KvMemory:
    """Room for keys and values on one replica.

    Attributes:
        tokens: tokens of context that fit, whole blocks.
        block_tokens: tokens of a block.
        bytes_per_token: over all devices of the replica.
        weights_bytes: weights on all devices of the replica.
    """

    tokens: int
    block_tokens: int
    bytes_per_token: float
    weights_bytes: float


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
