"""The part of a GPU step that contexts decide, and how it grows while the batch stays the same."""

from __future__ import annotations

from typing import ClassVar, Final

from infermodel.cost.attention import AttentionRate, PromptLoad, prompt_load, steps_to_window
from infermodel.cost.forever import FOREVER
from infermodel.cost.record import Record
from infermodel.cost.step import Batch, Chunk

MOST_REMEMBERED: Final = 1 << 14
"""Loads of chunks that are remembered, some 3 MB; prompts of all lengths would make millions."""


class Load(Record):
    """What contexts cost the next `steps` steps: seconds of contexts, of pairs of prompts, and with what else there is
    FLOPs and bytes, each in the first step and by how much more in each after it.
    """

    __match_args__: ClassVar = (
        "steps", "context_s", "slope_s", "pairs_s", "slope_pairs_s", "flops", "slope_flops", "bytes", "slope_bytes",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        steps: int,
        context_s: float,
        slope_s: float,
        pairs_s: float,
        slope_pairs_s: float,
        flops: float,
        slope_flops: float,
        bytes: float,
        slope_bytes: float,
    ) -> None:
        self.steps = steps
        self.context_s = context_s
        self.slope_s = slope_s
        self.pairs_s = pairs_s
        self.slope_pairs_s = slope_pairs_s
        self.flops = flops
        self.slope_flops = slope_flops
        self.bytes = bytes
        self.slope_bytes = slope_bytes


class Contexts:
    """Contexts that so many places share: micro-batches of a pipeline, and where nothing says otherwise ranks of
    attention. A sequence, and a piece of a prompt, is in one of them only; the busiest sets the time.

    Args:
        rates: of the replica's layers.
        places: how many.
        largest_piece: of a prompt that one place computes in a step, tokens.
    """

    def __init__(self, rates: tuple[AttentionRate, ...], places: int, largest_piece: float) -> None:
        self._rates = rates
        self._windowed = tuple(rate for rate in rates if rate.window >= 0)
        whole = next((rate for rate in rates if rate.window < 0), None)
        self.whole = (whole.decode_s, whole.decode_flops, whole.decode_bytes) if whole else (0.0, 0.0, 0.0)
        self._places, self._share, self._largest = places, 1.0 / places, largest_piece
        self._alone: dict[tuple[int, int], PromptLoad] = {}

    def load(self, batch: Batch, flops: float, moved: float) -> Load:
        """Of the next steps of a batch, beside so many FLOPs and bytes that its contexts do not decide."""
        longest, windowed, each, chunks = (
            batch.longest_context,
            batch.windowed,
            batch.tokens_each,
            batch.chunks,
        )
        sequences, context = batch.sequences, batch.context_tokens
        grown = sequences * each
        second, operations, read = self.whole
        steps = FOREVER
        context_s, slope_s = second * context, second * grown
        flops += operations * context
        slope_flops = operations * grown
        moved += read * context
        slope_bytes = read * grown
        if windowed:
            for rate in self._windowed:
                seen, growing = windowed[rate.window]
                growth = growing * each
                context_s += rate.decode_s * seen
                slope_s += rate.decode_s * growth
                flops += rate.decode_flops * seen
                slope_flops += rate.decode_flops * growth
                moved += rate.decode_bytes * seen
                slope_bytes += rate.decode_bytes * growth
                steps = min(steps, steps_to_window(rate.window_tokens or 0, longest, growing, each))
        if self._places > 1 and sequences:
            even = context_s * self._share, slope_s * self._share
            context_s, slope_s, steps = busier(even, self._longest_s(longest, each), steps)
        pairs_s = slope_pairs_s = 0.0
        if chunks:
            load = prompt_load(self._rates, chunks) if len(chunks) > 1 else self._load_alone(chunks[0])
            if self._places > 1:
                load = self._busiest_prompts(chunks, load)
            pairs_s, slope_pairs_s = load.pairs_s, load.more_pairs_s
            context_s += load.reads_s
            slope_s += load.more_reads_s
            flops += load.flops
            slope_flops += load.more_flops
            moved += load.bytes
            slope_bytes += load.more_bytes
            if load.steps < steps:
                steps = load.steps
        return Load(steps, context_s, slope_s, pairs_s, slope_pairs_s, flops, slope_flops, moved, slope_bytes)

    def _load_alone(self, chunk: Chunk) -> PromptLoad:
        """What contexts cost the only chunk of a step, remembered from now on: prompts come in few lengths."""
        key = chunk.new, chunk.before
        load = self._alone.get(key)
        if load is None:
            if len(self._alone) >= MOST_REMEMBERED:
                self._alone.clear()
            self._alone[key] = load = prompt_load(self._rates, (chunk,))
        return load

    def _busiest_prompts(self, chunks: tuple[Chunk, ...], load: PromptLoad) -> PromptLoad:
        """The same with the seconds of pairs and of reads where they take longest: evenly shared, or a piece of one
        chunk, which reads all that is before it.
        """
        share, largest = self._share, self._largest
        pieces = [max(share, min(1.0, largest / max(1, chunk.new))) for chunk in chunks]
        pairs_s, more_pairs_s, reads_s, more_reads_s, steps = 0.0, 0.0, 0.0, 0.0, 1
        if len(chunks) == 1:
            pairs_s, more_pairs_s = pieces[0] * load.pairs_s, pieces[0] * load.more_pairs_s
            reads_s, more_reads_s, steps = load.reads_s, load.more_reads_s, load.steps
        else:
            alone = [self._load_alone(chunk) for chunk in chunks]
            longest = [piece * each.pairs_s for piece, each in zip(pieces, alone, strict=True)]
            pairs_s, reads_s = (
                max(share * load.pairs_s, *longest),
                max(share * load.reads_s, *[e.reads_s for e in alone]),
            )
        return PromptLoad(
            pairs_s,
            more_pairs_s,
            reads_s,
            more_reads_s,
            load.flops,
            load.more_flops,
            load.bytes,
            load.more_bytes,
            steps,
        )

    def _longest_s(self, longest: int, each: int) -> tuple[float, float]:
        """Seconds of the longest context alone, and by how much they grow in a step."""
        seconds, more = self.whole[0] * longest, self.whole[0] * each
        for rate in self._windowed:
            window = rate.window_tokens or 0
            seconds += rate.decode_s * min(longest, window)
            more += rate.decode_s * each if longest < window else 0.0
        return seconds, more


def before_crossing(steps: int, gap: float, closing: float) -> int:
    """Steps, at most `steps`, before a line that closes `gap` at `closing` a step has overtaken; at least one.

    >>> before_crossing(FOREVER, 10.0, 4.0)  # gaps 10, 6, 2, then -2
    3
    """
    if closing <= 0.0 or gap >= steps * closing:
        return steps
    return min(steps, int(gap / closing) + 1)


def busier(one: tuple[float, float], other: tuple[float, float], steps: int) -> tuple[float, float, int]:
    """The larger of two lines (value, slope), and for how many of `steps` steps it stays so.

    >>> busier((10.0, 1.0), (4.0, 3.0), FOREVER)  # 10, 11, 12, 13 against 4, 7, 10, 13, then 14 against 16
    (10.0, 1.0, 4)
    """
    more, less = max(one, other), min(one, other)
    return *more, before_crossing(steps, more[0] - less[0], less[1] - more[1])
