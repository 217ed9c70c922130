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
from infermodel.cost.step import Batch, Bound, Chunk, DecodeLine, KvMemory, Ramp, StepCost, Windowed
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
        layers = 0.0
        for stage in self.stages:
            layers += stage.layers * stage.token_s(context)
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
        sequences, context, longest = batch.sequences, batch.context_tokens, batch.longest_context
        if self._plain is None or batch.chunks or batch.tokens_each != 1 or not sequences:
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

    def decode_line(self, sequences: int, context_tokens: int) -> DecodeLine | None:
        """None: the longest context matters too."""
        return None

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
        work, per_slot, prompt_tokens = self.work, self.prompt_tokens_per_slot, _prompt_tokens(batch)
        lines = self._lines(batch, by_window)
        first_s, slope_s, bound = max(lines)
        steps = ENDLESS
        for other_s, other_slope_s, _ in lines:
            if other_slope_s > slope_s:
                steps = min(steps, int(min(ENDLESS, (first_s - other_s) / (other_slope_s - slope_s))) + 1)
        decoded = batch.sequences * batch.tokens_each
        sampled, read = decoded + batch.finishing_chunks, decoded + prompt_tokens / per_slot
        flops = work.body_flops * (decoded + prompt_tokens) + work.head_flops * sampled
        moved = work.body_bytes * read + work.head_bytes * sampled + work.token_kv_bytes * (decoded + prompt_tokens)
        slope_flops = slope_bytes = 0.0
        for group, c_flops, c_bytes in zip(by_window.values(), work.context_flops, work.context_bytes, strict=True):
            steps = min(steps, group.steps)
            flops += c_flops * (group.decode + group.prompt)
            slope_flops += c_flops * (group.decode_growth + group.prompt_growth)
            moved += c_bytes * (group.decode + group.prompt / per_slot)
            slope_bytes += c_bytes * (group.decode_growth + group.prompt_growth / per_slot)
        return Ramp(
            steps, first_s, slope_s, self.power_w * first_s, self.power_w * slope_s,
            flops, slope_flops, moved, slope_bytes, bound,
        )  # fmt: skip

    def _groups(self, batch: Batch) -> dict[int | None, _Group]:
        """The batch as each window sees it, in the order of `Work.context_flops`."""
        groups: dict[int | None, _Group] = {None: _group(None, batch.context_tokens, batch.sequences, batch)}
        if self.windows:
            windowed = batch.windowed if batch.sequences else (Windowed(0, 0),) * len(self.windows)
            for window, (context, growing) in zip(self.windows, windowed, strict=True):
                groups[window] = _group(window, context, growing, batch)
        return groups

    def _busy(self, batch: Batch, groups: dict[int | None, _Group]) -> list[_Line]:
        """How long each kind of stage is busy with the tokens of a round."""
        per_slot = self.prompt_tokens_per_slot
        slots = batch.sequences * batch.tokens_each + _prompt_tokens(batch) / per_slot
        busy = []
        for stage in self.stages:
            group = groups[stage.window]
            first_s = stage.fixed_s * slots + stage.per_context_s * (group.decode + group.prompt / per_slot)
            slope_s = stage.per_context_s * (group.decode_growth + group.prompt_growth / per_slot)
            busy.append(_Line(first_s, slope_s, "compute"))
        return busy

    def _lines(self, batch: Batch, groups: dict[int | None, _Group]) -> list[_Line]:
        """Lower limits of the round: the latency of its longest sequence, and how long each kind of stage is busy."""
        busy, sequences, bound = self._busy(batch, groups), batch.sequences, self._latency_bound
        if not sequences and not batch.finishing_chunks:
            return busy  # nobody waits for these prompt tokens to come out: the next ones follow in the next slot
        total, total_slope = self.hops_s + self.host_step_s + self.host_sequence_s * sequences, 0.0
        for stage in self.stages:
            group = groups[stage.window]
            total += self.turns * stage.layers * (stage.fixed_s + stage.per_context_s * group.last)
            total_slope += self.turns * stage.layers * stage.per_context_s * group.last_growth
        if not sequences:  # the prompts' last token enters when all others have, and then needs T
            return [_Line(total + first_s, total_slope + slope_s, bound) for first_s, slope_s, _ in busy]
        lead = batch.tokens_each - 1
        ahead = []
        for stage in self.stages:  # verified tokens of a sequence follow each other, one slot apart
            group = groups[stage.window]
            first_s = lead * stage.fixed_s + stage.per_context_s * group.lead
            slope_s = lead * stage.per_context_s * group.last_growth
            ahead.append(_Line(total + first_s, total_slope + slope_s, bound))
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

    decode: float
    decode_growth: float
    prompt: float
    prompt_growth: float
    last: float
    last_growth: float
    lead: float
    steps: int


def _group(window: int | None, contexts: int, growing: int, batch: Batch) -> _Group:
    """What layers of one window see, given the sum of contexts as they see them and how many of these still grow."""
    sequences, longest, each, finishing = (
        batch.sequences,
        batch.longest_context,
        batch.tokens_each,
        batch.finishing_chunks,
    )
    limit = ENDLESS if window is None else window
    steps = ENDLESS if window is None else _growing_steps(window, contexts, growing, batch)
    prompt, prompt_growth = 0.0, 0
    for chunk in batch.chunks:
        prompt += chunk_pairs(chunk, window)
        prompt_growth += _chunk_growth(chunk, window)
        if window is not None:
            steps = min(steps, _chunk_steps(chunk, window))
        if finishing and chunk.new + chunk.before > longest:
            longest = chunk.new + chunk.before
    if finishing:
        steps = 1  # the end of a prompt does not repeat
    last, lead = min(longest + each - 1, limit), 0
    if window is not None and longest < limit and sequences:
        steps = min(steps, (limit - longest - each + 1) // each + 1 if last < limit else 1)
    for token in range(each - 1):
        lead += min(longest + token, limit)
    decode = each * contexts + growing * each * (each - 1) / 2
    last_growth = each if last < limit else 0
    return _Group(decode, each * each * growing, prompt, prompt_growth, last, last_growth, lead, steps)


def _prompt_tokens(batch: Batch) -> int:
    """Prompt tokens of a step."""
    tokens = 0
    for chunk in batch.chunks:
        tokens += chunk.new
    return tokens


def _chunk_growth(chunk: Chunk, window: int | None) -> int:
    """What a chunk's contexts grow by when as many tokens again follow it, while that is linear."""
    new, before = chunk.new, chunk.before
    return 0 if window is not None and before + new > window else new * new


def _chunk_steps(chunk: Chunk, window: int) -> int:
    if chunk.before + 1 >= window:
        return ENDLESS
    return max(1, (window - chunk.before) // chunk.new)


def _growing_steps(window: int, contexts: int, growing: int, batch: Batch) -> int:
    """Steps until a decoding sequence may reach the window, from what the sums say of the longest one below it."""
    if not growing:
        return ENDLESS
    if batch.longest_context < window:
        longest = batch.longest_context
    else:
        together = contexts - (batch.sequences - growing) * window
        longest = min(window - 1, together - (growing - 1))
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
