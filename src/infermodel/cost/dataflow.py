"""A ring of layer stages, shared by wafers and LPUs: sequences follow each other in slots, and cannot overtake.

One round of the ring gives every decoding sequence its next token. With sequences j in the ring

    round = max(T(longest context), sum over j of t_slot(context_j) + prompt tokens / g x t_slot)

the first because a sequence's next token cannot start before its last one is out, the second because each stage works
on one token at a time. Both are linear in the step number, so ramps are exact. `docs/dataflow.md` derives the law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor
from typing import NamedTuple

from infermodel.architecture import PRECISION_BYTES, Attention, ModelArchitecture
from infermodel.cost.deployment import Precision
from infermodel.cost.placement import Placement
from infermodel.cost.step import Batch, Bound, Chunk, KvMemory, Ramp, StepCost, Windowed
from infermodel.cost.work import Shard, attention_flops_per_pair, chunk_pairs

ENDLESS = 1 << 40
"""Steps of a ramp that nothing ends."""


class Stage(NamedTuple):
    """Layers of one kind, each a stage of the ring that holds a token for `fixed_s + per_context_s x context`.

    Attributes:
        layers: how many the model has.
        fixed_s: seconds that do not depend on context.
        per_context_s: seconds per token of context seen.
        window: tokens of context that these layers see at most.
    """

    layers: int
    fixed_s: float
    per_context_s: float
    window: int | None = None

    def token_s(self, context: float) -> float:
        """Seconds that one layer holds a token with this context (t_slot)."""
        return self.fixed_s + self.per_context_s * (context if self.window is None else min(context, self.window))


@dataclass(frozen=True)
class Work:
    """Useful operations and bytes per token, the numerators of mfu and mbu.

    Attributes:
        body_flops, head_flops: of one token through all layers, and of one sampled token through the head.
        body_bytes, head_bytes: weights read for it.
        token_kv_bytes: keys and values written for it.
        context_flops, context_bytes: per token of context seen, first for layers that see all of it and then for each
            window of the model, ascending.
    """

    body_flops: float
    head_flops: float
    body_bytes: float
    head_bytes: float
    token_kv_bytes: float
    context_flops: tuple[float, ...]
    context_bytes: tuple[float, ...]


def attention_multiply_adds(attention: Attention) -> float:
    """Multiply-adds of one layer per token and token of its context, latent attention absorbed.

    >>> from infermodel.architecture import GroupedAttention
    >>> attention_multiply_adds(GroupedAttention(heads=32, kv_heads=8, head_dim=128))
    8192.0
    """
    return attention_flops_per_pair(attention, Shard(), absorbed=True) / 2


def token_work(architecture: ModelArchitecture, precision: Precision) -> Work:
    """Useful work of `architecture` per token, at 2 operations a multiply-add."""
    weight, kv = PRECISION_BYTES[precision.weights], PRECISION_BYTES[precision.kv_cache]
    groups: list[int | None] = [None, *architecture.windows]
    flops, read = [0.0] * len(groups), [0.0] * len(groups)
    body = 0
    for layer, count in architecture.distinct_layers:
        group = groups.index(layer.attention.window)
        flops[group] += 2.0 * count * attention_multiply_adds(layer.attention)
        read[group] += count * kv * layer.attention.kv_elements
        body += count * layer.active_parameters(architecture.hidden)
    return Work(
        body_flops=2.0 * body,
        head_flops=2.0 * architecture.head_parameters,
        body_bytes=weight * body,
        head_bytes=weight * architecture.head_parameters,
        token_kv_bytes=architecture.kv_bytes_per_token(kv),
        context_flops=tuple(flops),
        context_bytes=tuple(read),
    )


class _Line(NamedTuple):
    """A time that the round cannot fall below: `first_s + i x slope_s` in step i."""

    first_s: float
    slope_s: float
    bound_by: Bound


@dataclass(frozen=True)
class Ring:
    """A replica on a dataflow device; a `StepModel` whose step is one round of the ring.

    Attributes:
        stages: the kinds of layers.
        turns: stage times in the whole latency T over those of the layers: (L + 1)/L where the output head takes as
            long as a layer, 1 where it takes none.
        hops_s: seconds between wafers, part of T.
        host_step_s, host_sequence_s: host gap of a round, and per sequence, part of T.
        prompt_tokens_per_slot: g.
        prefill_share: slots that prompts may take beyond the idle ones, as a share of the round's slots.
        power_w: drawn by the replica's devices whenever they are on.
        work: useful work per token.
        placement: layers on wafers, for those who want to look.
    """

    stages: tuple[Stage, ...]
    turns: float
    hops_s: float
    host_step_s: float
    host_sequence_s: float
    prompt_tokens_per_slot: float
    prefill_share: float
    power_w: float
    work: Work
    kv_memory: KvMemory
    windows: tuple[int, ...]
    devices: int
    peak_flops: float
    peak_bandwidth: float
    placement: Placement | None = None

    @property
    def idle_w(self) -> float:
        """Power while no step runs: the same as with one."""
        return self.power_w

    def token_latency_s(self, context: float, sequences: int = 1) -> float:
        """Seconds of one token with this context round the ring when nothing is in its way (T)."""
        layers = sum(stage.layers * stage.token_s(context) for stage in self.stages)
        return self.turns * layers + self.hops_s + self.host_step_s + self.host_sequence_s * sequences

    def slot_s(self, context: float) -> float:
        """Seconds after which the next token may follow one with this context: those of the slowest stage (t_slot)."""
        return max(stage.token_s(context) for stage in self.stages)

    def slots(self, context: float) -> int:
        """Tokens of this context that are in the ring at once when it is full.

        A time that differs from a whole number of slots by rounding alone counts as that number.
        """
        return floor(self.token_latency_s(context) / self.slot_s(context) + 1e-9)

    def busy_s(self, batch: Batch) -> float:
        """Seconds that the busiest stage works in a round: what the round takes when the ring is full."""
        return max(line.first_s for line in self._busy(batch, self._groups(batch)))

    def prompt_tokens_per_step(self, sequences: int, longest_context: int) -> int:
        """Prompt tokens of a round: those of its idle slots, and of a `prefill_share` of its slots beyond them."""
        slots = self.slots(longest_context)
        free = max(0, slots - sequences) + self.prefill_share * max(slots, sequences)
        return max(1, floor(self.prompt_tokens_per_slot * free + 1e-9))

    def step(self, batch: Batch) -> StepCost:
        """Cost of one round."""
        ramp = self.ramp(batch)
        return StepCost(ramp.first_s, ramp.first_joules, ramp.first_flops, ramp.first_bytes, ramp.bound_by)

    def ramp(self, batch: Batch) -> Ramp:
        """Cost of the next rounds of an unchanged batch, until another of the round's lower limits takes over."""
        sequences, context, longest, _, each, chunks, _ = batch
        if self._plain is None or chunks or each != 1 or not sequences:
            return self._any_ramp(batch)
        latency, latency_slope, gap, slot, slot_slope, power, bound, flops, c_flops, read, c_read = self._plain
        first_s = latency + latency_slope * longest + gap * sequences
        slope_s = latency_slope
        occupied, occupied_slope = slot * sequences + slot_slope * context, slot_slope * sequences
        steps = ENDLESS
        if occupied > first_s:
            if slope_s > occupied_slope:
                steps = int(min(ENDLESS, (occupied - first_s) / (slope_s - occupied_slope))) + 1
            first_s, slope_s, bound = occupied, occupied_slope, "compute"
        elif occupied_slope > slope_s:
            steps = int(min(ENDLESS, (first_s - occupied) / (occupied_slope - slope_s))) + 1
        return Ramp(
            steps, first_s, slope_s, power * first_s, power * slope_s,
            flops * sequences + c_flops * context, c_flops * sequences,
            read * sequences + c_read * context, c_read * sequences, bound,
        )  # fmt: skip

    @cached_property
    def _plain(self) -> tuple[float, float, float, float, float, float, Bound, float, float, float, float] | None:
        """Coefficients of plain decode for models whose layers are all alike; the same law as `_any_ramp`, faster."""
        if len(self.stages) > 1 or self.windows:
            return None
        (stage,), work, turned = self.stages, self.work, self.turns * self.stages[0].layers
        return (
            turned * stage.fixed_s + self.hops_s + self.host_step_s, turned * stage.per_context_s, self.host_sequence_s,
            stage.fixed_s, stage.per_context_s, self.power_w, self._latency_bound,
            work.body_flops + work.head_flops, work.context_flops[0],
            work.body_bytes + work.head_bytes + work.token_kv_bytes, work.context_bytes[0],
        )  # fmt: skip

    @cached_property
    def _latency_bound(self) -> Bound:
        return "network" if 2 * self.hops_s > self.token_latency_s(0) else "latency"

    def _any_ramp(self, batch: Batch) -> Ramp:
        by_window = self._groups(batch)
        groups, lines = by_window.values(), self._lines(batch, by_window)
        first_s, slope_s, bound = max(lines)
        steps = min(group.steps for group in groups)
        for line in lines:
            if line.slope_s > slope_s:
                steps = min(steps, int(min(ENDLESS, (first_s - line.first_s) / (line.slope_s - slope_s))) + 1)
        work, prompt_tokens = self.work, sum(chunk.new for chunk in batch.chunks)
        decoded = batch.sequences * batch.tokens_each
        sampled, read = decoded + batch.finishing_chunks, decoded + prompt_tokens / self.prompt_tokens_per_slot
        flops = work.body_flops * (decoded + prompt_tokens) + work.head_flops * sampled
        moved = work.body_bytes * read + work.head_bytes * sampled + work.token_kv_bytes * (decoded + prompt_tokens)
        slope_flops = slope_bytes = 0.0
        for group, c_flops, c_bytes in zip(groups, work.context_flops, work.context_bytes, strict=True):
            context, growth = group.slot_contexts(1.0)
            flops, slope_flops = flops + c_flops * context, slope_flops + c_flops * growth
            context, growth = group.slot_contexts(self.prompt_tokens_per_slot)
            moved, slope_bytes = moved + c_bytes * context, slope_bytes + c_bytes * growth
        return Ramp(
            steps, first_s, slope_s, self.power_w * first_s, self.power_w * slope_s,
            flops, slope_flops, moved, slope_bytes, bound,
        )  # fmt: skip

    def _groups(self, batch: Batch) -> dict[int | None, _Group]:
        """The batch as each window sees it, in the order of `Work.context_flops`."""
        windowed = batch.windowed if batch.sequences else (Windowed(0, 0),) * len(self.windows)
        seen = (Windowed(batch.context_tokens, batch.sequences), *windowed)
        return {
            window: _Group.of(window, sums, batch) for window, sums in zip((None, *self.windows), seen, strict=True)
        }

    def _busy(self, batch: Batch, groups: dict[int | None, _Group]) -> list[_Line]:
        """How long each kind of stage is busy with the tokens of a round."""
        slots = (
            batch.sequences * batch.tokens_each + sum(chunk.new for chunk in batch.chunks) / self.prompt_tokens_per_slot
        )
        busy = []
        for stage in self.stages:
            context, growth = groups[stage.window].slot_contexts(self.prompt_tokens_per_slot)
            first_s = stage.fixed_s * slots + stage.per_context_s * context
            busy.append(_Line(first_s, stage.per_context_s * growth, "compute"))
        return busy

    def _lines(self, batch: Batch, groups: dict[int | None, _Group]) -> list[_Line]:
        """Lower limits of the round: the latency of its longest sequence, and how long each kind of stage is busy."""
        busy = self._busy(batch, groups)
        if not batch.sequences and not batch.finishing_chunks:
            return busy  # nobody waits for these prompt tokens to come out: the next ones follow in the next slot
        total, total_slope = self.hops_s + self.host_step_s + self.host_sequence_s * batch.sequences, 0.0
        for stage in self.stages:
            group = groups[stage.window]
            total += self.turns * stage.layers * (stage.fixed_s + stage.per_context_s * group.last)
            total_slope += self.turns * stage.layers * stage.per_context_s * group.last_growth
        if not batch.sequences:  # the prompts' last token enters when all others have, and then needs T
            return [_Line(total + line.first_s, total_slope + line.slope_s, self._latency_bound) for line in busy]
        ahead = []
        for stage in self.stages:  # verified tokens of a sequence follow each other, one slot apart
            group, lead = groups[stage.window], batch.tokens_each - 1
            first_s = lead * stage.fixed_s + stage.per_context_s * group.lead
            slope_s = lead * stage.per_context_s * group.last_growth
            ahead.append(_Line(total + first_s, total_slope + slope_s, self._latency_bound))
        return ahead + busy


class _Group(NamedTuple):
    """A batch as layers of one window see it.

    Attributes:
        decode, decode_growth: contexts of all decoded tokens together, and what a step adds to them.
        prompt, prompt_growth: the same of all prompt tokens.
        last, last_growth: context of the last token that the round waits for.
        lead: contexts, together, of the tokens that go ahead of it in the longest sequence.
        steps: how many steps all of this stays linear.
    """

    window: int | None
    decode: float
    decode_growth: float
    prompt: float
    prompt_growth: float
    last: float
    last_growth: float
    lead: float
    steps: int

    def slot_contexts(self, prompt_tokens_per_slot: float) -> tuple[float, float]:
        """Contexts of the tokens of a step, prompt tokens counted by slot, and what a step adds to them."""
        return (
            self.decode + self.prompt / prompt_tokens_per_slot,
            self.decode_growth + self.prompt_growth / prompt_tokens_per_slot,
        )

    @classmethod
    def of(cls, window: int | None, seen: Windowed, batch: Batch) -> _Group:
        each, limit = batch.tokens_each, ENDLESS if window is None else window
        decode = each * seen.context_tokens + seen.growing * each * (each - 1) / 2
        prompt = sum(chunk_pairs(chunk, window) for chunk in batch.chunks)
        steps = min([_growing_steps(window, seen, batch), *(_chunk_steps(chunk, window) for chunk in batch.chunks)])
        longest = batch.longest_context
        if batch.finishing_chunks:
            longest = max([longest, *(chunk.before + chunk.new for chunk in batch.chunks)])
            steps = 1  # the end of a prompt does not repeat
        last = min(longest + each - 1, limit)
        if window is not None and longest < limit and batch.sequences:
            steps = min(steps, (limit - longest - each + 1) // each + 1 if last < limit else 1)
        return cls(
            window=window,
            decode=decode,
            decode_growth=each * each * seen.growing,
            prompt=prompt,
            prompt_growth=sum(_chunk_growth(chunk, window) for chunk in batch.chunks),
            last=last,
            last_growth=each if last < limit else 0,
            lead=sum(min(longest + token, limit) for token in range(each - 1)),
            steps=steps,
        )


def _chunk_growth(chunk: Chunk, window: int | None) -> int:
    """What a chunk's contexts grow by when as many tokens again follow it, while that is linear."""
    return 0 if window is not None and chunk.before + chunk.new > window else chunk.new * chunk.new


def _chunk_steps(chunk: Chunk, window: int | None) -> int:
    if window is None or chunk.before + 1 >= window:
        return ENDLESS
    return max(1, (window - chunk.before) // chunk.new)


def _growing_steps(window: int | None, seen: Windowed, batch: Batch) -> int:
    """Steps until a decoding sequence may reach the window, from what the sums say of the longest one below it."""
    if window is None or not seen.growing:
        return ENDLESS
    if batch.longest_context < window:
        longest = batch.longest_context
    else:
        together = seen.context_tokens - (batch.sequences - seen.growing) * window
        longest = min(window - 1, together - (seen.growing - 1))
    if batch.tokens_each == 1:
        return window - longest + 1
    return (window - 1 - longest) // batch.tokens_each + 1


def peak(rates: Mapping[str, float], precision: str) -> float:
    """Peak rate at a precision: formats of one width stand for each other, and the slowest known one for all others.

    >>> peak({"fp16": 188e12, "int8": 750e12}, "bf16") / 1e12
    188.0
    """
    same = {"bf16": "fp16", "fp16": "bf16", "fp8": "int8", "int8": "fp8", "mxfp4": "fp4", "nvfp4": "fp4", "int4": "fp4"}
    for name in (precision, same.get(precision, precision)):
        if name in rates:
            return rates[name]
    return min(rates.values())
