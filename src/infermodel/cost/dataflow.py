"""A ring of layer stages, shared by wafers and LPUs: sequences follow each other in slots, and cannot overtake.

One round of the ring gives every decoding sequence its next token. With sequences j in the ring

    round = max(T(longest context), sum over j of t_slot(context_j) + prompt tokens / g x t_slot)

the first because a sequence's next token cannot start before its last one is out, the second because each stage works
on one token at a time. Both are linear in the step number, so ramps are exact. `docs/dataflow.md` derives the law.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import floor
from typing import NamedTuple

from infermodel.cost.block_pool import KvMemory
from infermodel.cost.forever import FOREVER
from infermodel.cost.least_laws import latency_law, stage_law
from infermodel.cost.least_step import LeastStep
from infermodel.cost.placement import Placement
from infermodel.cost.stages import Stage, Work
from infermodel.cost.step import Batch, Bound, Chunk, DecodeLine, Ramp, StepCost, Windowed
from infermodel.cost.work import chunk_pairs

FULL_RING = 4096
"""Tokens that fill the slots of any ring many times over: there a token is priced by its slot."""


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

    def __reduce__(self) -> tuple[type[Ring], tuple[object, ...]]:
        """To another process go its fields; compiled there is no other way."""
        return Ring, tuple([getattr(self, name) for name in self.__match_args__])

    @property
    def idle_w(self) -> float:
        """Power while no step runs: the same as with one."""
        return self.power_w

    def full_batch(self, running: int, prompt_tokens: int) -> tuple[int, int]:
        """Those that fill the ring, so that a token costs the slots that it takes."""
        return FULL_RING, -(-FULL_RING // prompt_tokens)

    def least_laws(self) -> tuple[LeastStep, ...]:
        """What a token takes round the ring, and what each kind of stage does in turn."""
        stages = [(stage.fixed_s, stage.per_context_s, stage.window) for stage in self.stages]
        laws = [stage_law(*stage, prompt_tokens_per_slot=self.prompt_tokens_per_slot) for stage in stages]
        return latency_law(self.token_latency_s, self.host_sequence_s), *laws

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
        return self.ramp(batch).first()

    def ramp(self, batch: Batch) -> Ramp:
        """Cost of the next rounds of an unchanged batch, until another of the round's lower limits takes over."""
        sequences, context, longest = batch.sequences, batch.context_tokens, batch.longest_context
        if self._plain is None or batch.chunks or batch.tokens_each != 1 or not sequences:
            return self._any_ramp(batch)
        latency, latency_slope, gap, slot, slot_slope, power, bound, flops, c_flops, read, c_read = self._plain
        first_s = latency + latency_slope * longest + gap * sequences
        slope_s = latency_slope
        occupied, occupied_slope = slot * sequences + slot_slope * context, slot_slope * sequences
        steps = FOREVER
        if occupied > first_s:
            if slope_s > occupied_slope:
                steps = int(min(FOREVER, (occupied - first_s) / (slope_s - occupied_slope))) + 1
            first_s, slope_s, bound = occupied, occupied_slope, "compute"
        elif occupied_slope > slope_s:
            steps = int(min(FOREVER, (first_s - occupied) / (occupied_slope - slope_s))) + 1
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
        steps = FOREVER
        for other_s, other_slope_s, _ in lines:
            if other_slope_s > slope_s:
                steps = min(steps, int(min(FOREVER, (first_s - other_s) / (other_slope_s - slope_s))) + 1)
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
    limit = FOREVER if window is None else window
    steps = FOREVER if window is None else _growing_steps(window, contexts, growing, batch)
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
        return FOREVER
    return max(1, (window - chunk.before) // chunk.new)


def _growing_steps(window: int, contexts: int, growing: int, batch: Batch) -> int:
    """Steps until a decoding sequence may reach the window, from what the sums say of the longest one below it."""
    if not growing:
        return FOREVER
    if batch.longest_context < window:
        longest = batch.longest_context
    else:
        together = contexts - (batch.sequences - growing) * window
        longest = min(window - 1, together - (growing - 1))
    if batch.tokens_each == 1:
        return window - longest + 1
    return (window - 1 - longest) // batch.tokens_each + 1
