"""Step models simple enough to predict on paper."""

from __future__ import annotations

from dataclasses import dataclass

from infermodel.cost.block_pool import KvMemory, WindowGroups
from infermodel.cost.least_step import LeastStep
from infermodel.cost.step import Batch, Ramp, StepCost


@dataclass(frozen=True)
class AffineModel:
    """A step takes a base, so much per sequence, token of context and of prompt and patch of an image, and a part
    quadratic in the prompt."""

    base_s: float = 0.01
    per_sequence_s: float = 0.0
    per_context_s: float = 0.0
    per_prompt_token_s: float = 0.0
    per_prompt_pair_s: float = 0.0
    per_patch_s: float = 0.0
    per_windowed_s: float = 0.0
    per_longest_s: float = 0.0
    kv_tokens: int = 16 * 100_000
    block_tokens: int = 16
    ranks: int = 1
    windows: tuple[int, ...] = ()
    whole: int = 1
    pooled: tuple[WindowGroups, ...] = ()
    slots: int = 1 << 40
    most_steps: int = 1 << 40
    idle_w: float = 100.0
    peak_flops: float = 1e15
    peak_bandwidth: float = 1e12
    devices: int = 1

    @property
    def kv_memory(self) -> KvMemory:
        blocks = self.kv_tokens // self.block_tokens
        return KvMemory(
            self.kv_tokens,
            self.block_tokens,
            1.0,
            0.0,
            pool=blocks,
            whole=self.whole,
            windows=self.pooled,
            ranks=self.ranks,
        )

    def full_batch(self, running: int, prompt_tokens: int) -> tuple[int, int]:
        return running, 1

    def least_laws(self) -> tuple[LeastStep, ...]:
        return ()

    def prompt_tokens_per_step(self, sequences: int, longest_context: int) -> int:
        return self.slots

    def step(self, batch: Batch) -> StepCost:
        """Of ranks, the slowest one's: nothing is shared."""
        if batch.ranks:
            return max((self.step(rank) for rank in batch.ranks), key=lambda cost: cost.latency_s)
        seconds = (
            self.base_s
            + self.per_sequence_s * batch.sequences
            + self.per_context_s * batch.context_tokens
            + self.per_longest_s * batch.longest_context
            + self.per_windowed_s * sum(w.context_tokens for w in batch.windowed)
            + sum(c.new * (self.per_prompt_token_s + self.per_prompt_pair_s * c.before) for c in batch.chunks)
            + self.per_patch_s * sum(seen.pieces * seen.patches for seen in batch.images)
        )
        return StepCost(seconds, 2 * seconds, 3 * seconds, 5 * seconds, "memory")

    def decode_line(self, sequences: int, context_tokens: int) -> None:
        return None

    def ramp(self, batch: Batch) -> Ramp:
        if batch.ranks:
            ramps = sorted((self.ramp(rank) for rank in batch.ranks), key=lambda ramp: -ramp.first_s)
            slowest = ramps[0]
            for ramp in ramps[1:]:  # until it is overtaken, or for a step
                if ramp.slope_s > slowest.slope_s:
                    slowest.steps = max(
                        1, min(slowest.steps, int((slowest.first_s - ramp.first_s) / (ramp.slope_s - slowest.slope_s)))
                    )
            return slowest
        first = self.step(batch).latency_s
        slope = (
            self.per_context_s * batch.sequences
            + self.per_longest_s * (batch.sequences > 0)
            + self.per_windowed_s * sum(w.growing for w in batch.windowed)
            + sum(c.new * self.per_prompt_pair_s * c.new for c in batch.chunks)
        )
        return Ramp(
            self.most_steps, first, slope, 2 * first, 2 * slope, 3 * first, 3 * slope, 5 * first, 5 * slope, "memory"
        )
