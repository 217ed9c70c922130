"""A step of ranks of data-parallel attention: each works on its own tokens, experts on everybody's, layer by layer, so
the slowest rank sets the time.
"""

from __future__ import annotations

from math import ceil
from typing import Final, NamedTuple

from infermodel.cost.attention import attention_rates
from infermodel.cost.contexts import Contexts, Load, before_crossing
from infermodel.cost.fixed import FixedPart, Kernels, Rows, Work, step_work
from infermodel.cost.forever import FOREVER
from infermodel.cost.graphs import padded
from infermodel.cost.images import ImageKernels
from infermodel.cost.replica import GpuReplica
from infermodel.cost.step import Batch, Bound

MOST_PARTS: Final = 1 << 16
"""Parts of steps that are remembered, some 20 MB."""


class OwnTokens(NamedTuple):
    """Tokens of a rank in a step.

    Attributes:
        decoding: of sequences.
        prompts: of chunks.
        dealt: of chunks, had all its micro-batches as many as the busiest.
        finishing: chunks that end their prompt.
    """

    decoding: int
    prompts: int
    dealt: int
    finishing: int


class RankSteps:
    """Steps of a replica whose ranks have batches of their own.

    A rank that has nothing to do runs along with a token that nobody wants; it costs the others nothing.
    """

    def __init__(self, replica: GpuReplica) -> None:
        deployment = replica.deployment
        self._replica, self._ranks, self._stages = replica, deployment.data_parallel, deployment.pipeline_parallel
        self._contexts = Contexts(
            attention_rates(replica), self._stages, deployment.max_batched_tokens * (1.0 / self._stages)
        )
        self._launching_s = replica.launching_s
        self._own: dict[tuple[OwnTokens, int], Work] = {}
        self._experts: dict[tuple[int, int], Work] = {}
        self._own_kernels = Kernels()
        self._experts_kernels = Kernels()
        self._image_kernels = ImageKernels(replica)

    def slowest(self, batch: Batch) -> tuple[FixedPart, Load]:
        """The rank that sets the time of the next steps, with the FLOPs and bytes of all: what of it contexts do not
        decide, and what they do.
        """
        ranks = batch.ranks
        tokens = [self._tokens(rank) for rank in ranks]
        everywhere, least, replays = self._shared(tokens)
        experts = self._experts_part(everywhere, max(everywhere, least * self._ranks))
        engine, stages, experts_s = self._replica.engine, self._stages, experts.device_s
        flops, moved = experts.flops * self._ranks, experts.bytes * self._ranks
        lines: list[tuple[float, float]] = []
        loads: list[tuple[Work, float, Load]] = []
        slope_flops = slope_bytes = 0.0
        steps = FOREVER
        for rank, own in zip(ranks, tokens, strict=True):
            work = self._own_part(own, least)
            load = self._contexts.load(rank, work.flops, work.bytes)
            fixed_s = work.device_s + experts_s
            host_s = engine.host_step_s + engine.host_sequence_s * (own.decoding / stages + own.finishing)
            if not replays and self._launching_s > fixed_s:
                host_s += self._launching_s - fixed_s
            if rank.images:
                encoding, launching_s = self._image_kernels.work(rank.images)
                work, host_s = _in_turn(encoding, work), host_s + launching_s
                fixed_s += encoding.device_s
                flops += encoding.flops
                moved += encoding.bytes
            lines.append((fixed_s + host_s + load.context_s + load.pairs_s, load.slope_s + load.slope_pairs_s))
            loads.append((work, host_s, load))
            flops += load.flops
            moved += load.bytes
            slope_flops += load.slope_flops
            slope_bytes += load.slope_bytes
            if load.steps < steps:
                steps = load.steps
        first = max(lines)
        for line in lines:
            steps = before_crossing(steps, first[0] - line[0], line[1] - first[1])
        work, host_s, load = loads[lines.index(first)]
        load = Load(
            steps,
            load.context_s,
            load.slope_s,
            load.pairs_s,
            load.slope_pairs_s,
            flops,
            slope_flops,
            moved,
            slope_bytes,
        )
        return _together(work, experts, host_s), load

    def _tokens(self, rank: Batch) -> OwnTokens:
        prompt = largest = 0
        for chunk in rank.chunks:
            prompt += chunk.new
            if chunk.new > largest:
                largest = chunk.new
        dealt = prompt
        if self._stages > 1:
            dealt = max(prompt, min(largest * self._stages, self._replica.deployment.max_batched_tokens))
        return OwnTokens(rank.sequences * rank.tokens_each, prompt, dealt, rank.finishing_chunks)

    def _shared(self, tokens: list[OwnTokens]) -> tuple[int, int, bool]:
        """Tokens that experts see, those that every rank is run with at least, and whether the step replays a graph.

        Where it does, all ranks pad theirs to the captured size of the largest; where one is too large, none replays
        and each is run with its own (vLLM 0.33.0, `coordinate_batch_across_dp`). A prompt that joins never makes the
        step smaller.
        """
        stages, engine = self._stages, self._replica.engine
        decoding = prompts = dealt = most = rows = 0
        for own in tokens:
            decoding += own.decoding
            prompts += own.prompts
            dealt = max(dealt, own.dealt)
            most = max(most, own.decoding)
            rows = max(rows, own.decoding + own.dealt)
        everywhere, rows = ceil((decoding + max(prompts, dealt)) / stages), ceil(rows / stages)
        largest = self._replica.captured(prompts=prompts > 0)
        sizes, least = engine.graph_sizes, 0
        if sizes:
            least = padded(ceil(most / stages), sizes, self._replica.captured(prompts=False))
            if rows <= largest:
                least = max(least, padded(rows, sizes, largest))
        return everywhere, least, rows <= largest

    def _own_part(self, own: OwnTokens, least: int) -> Work:
        """What a rank does with its own tokens, run with so many at least."""
        work = self._own.get((own, least))
        if work is None:
            work = self._own_work(own, own.dealt, least)
            if own.dealt != own.prompts:
                even = self._own_work(own, own.prompts, least)
                work = work._replace(flops=even.flops, bytes=even.bytes)
            if len(self._own) >= MOST_PARTS:
                self._own.clear()
            self._own[own, least] = work
        return work

    def _own_work(self, own: OwnTokens, dealt: int, least: int) -> Work:
        stages = self._stages
        rows, sampled = ceil((own.decoding + dealt) / stages), ceil(max(1, own.decoding + own.finishing) / stages)
        asked = Rows(rows, 0, ceil(dealt / stages), sampled, ceil(own.decoding / stages))
        return step_work(self._replica, asked, (max(rows, least), 0), self._own_kernels, "own")

    def _experts_part(self, everywhere: int, run: int) -> Work:
        """What the experts of a rank's GPUs do with the tokens of all, and are run with so many."""
        work = self._experts.get((everywhere, run))
        if work is None:
            if len(self._experts) >= MOST_PARTS:
                self._experts.clear()
            work = step_work(self._replica, Rows(0, everywhere, 0, 0), (0, run), self._experts_kernels, "experts")
            self._experts[everywhere, run] = work
        return work


def _in_turn(first: Work, second: Work) -> Work:
    """One after the other."""
    return Work(*[a + b for a, b in zip(first, second, strict=True)])


def _together(own: Work, experts: Work, host_s: float) -> FixedPart:
    """What contexts do not decide of a rank's step; its FLOPs and bytes are told with those of contexts."""
    floor_s, network_s = own.floor_s + experts.floor_s, own.network_s + experts.network_s
    rest: tuple[tuple[Bound, float], ...] = (("network", network_s), ("latency", floor_s), ("host", host_s))
    rest_bound, rest_s = max(rest, key=lambda item: item[1])
    return FixedPart(
        total_s=own.device_s + experts.device_s + host_s,
        compute_s=own.compute_s + experts.compute_s,
        memory_s=own.memory_s + experts.memory_s,
        rest_bound=rest_bound,
        rest_s=rest_s,
        flops=0.0,
        bytes=0.0,
    )
