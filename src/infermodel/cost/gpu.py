"""Step model of batch-synchronous devices: a roofline per operator group, collectives, floors and the host's gap.

A step's time has a part that depends only on how many tokens it works on, which is cached, and a part linear in the
contexts, so that the next steps of an unchanged batch follow a straight line until a window fills up.
"""

from __future__ import annotations

from math import inf
from typing import Final

from infermodel.architecture import ModelArchitecture
from infermodel.cost.attention import attention_rates
from infermodel.cost.block_pool import KvMemory
from infermodel.cost.contexts import Contexts, Load, before_crossing
from infermodel.cost.deployment import Deployment
from infermodel.cost.fixed import FixedPart, Kernels, fixed_part, prompts_dealt
from infermodel.cost.forever import FOREVER
from infermodel.cost.images import ImageKernels, with_images
from infermodel.cost.least_laws import gpu_law
from infermodel.cost.least_step import LeastStep
from infermodel.cost.memory import kv_memory
from infermodel.cost.ranks import RankSteps
from infermodel.cost.replica import gpu_replica
from infermodel.cost.step import Batch, Bound, DecodeLine, Ramp, StepCost
from infermodel.engine import Engine
from infermodel.hardware import System

MOST_FIXED_PARTS: Final = 1 << 14
"""Context-free parts that are remembered, some 8 MB; prompts of all lengths would make millions."""


class GpuStepModel:
    """A replica of `tensor_parallel x pipeline_parallel x data_parallel` GPUs. Implements `cost.step.StepModel`.

    Pipeline parallel: a step is one round of `pipeline_parallel` micro-batches, each with its share of sequences,
    prompt tokens and contexts, so that `latency_s` is the time between two tokens of a sequence.

    Raises:
        DoesNotFit: the weights leave no room for keys and values, or the layout is impossible.
        ValueError: the device has no peak for the precision or any wider one.
    """

    def __init__(self, architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine) -> None:
        self._made_of = architecture, system, deployment, engine
        self.replica = gpu_replica(architecture, system, deployment, engine)
        device, gpus = self.replica.device, self.replica.gpus
        self.kv_memory: KvMemory = kv_memory(architecture, device, deployment, engine)
        self.windows, self.devices = architecture.windows, gpus
        self.idle_w = device.power_idle_w * gpus
        self.peak_flops = device.peak_flops[self.replica.compute] * gpus
        self.peak_bandwidth = device.memory_bandwidth * gpus
        self._dynamic_w = (device.power_max_w - device.power_idle_w) * gpus
        self._kernels, self._image_kernels = Kernels(), ImageKernels(self.replica)
        self._fixed: dict[tuple[int, int, int, int], FixedPart] = {}
        self._decode: dict[int, tuple[DecodeLine, ...]] = {}
        self._lines = 0
        self._places = self.replica.places
        largest = deployment.max_batched_tokens * deployment.data_parallel * (1.0 / self._places)
        self._contexts = Contexts(attention_rates(self.replica), self._places, largest)
        self._ranks = RankSteps(self.replica) if deployment.data_parallel > 1 else None

    def __reduce__(self) -> tuple[type[GpuStepModel], tuple[ModelArchitecture, System, Deployment, Engine]]:
        """To another process goes what it is made of, not what it remembers; compiled there is no other way."""
        return GpuStepModel, self._made_of

    def full_batch(self, running: int, prompt_tokens: int) -> tuple[int, int]:
        """What runs, and one prompt."""
        return running, 1

    def least_laws(self) -> tuple[LeastStep, ...]:
        """That of kernels, contexts and prompts."""
        return (gpu_law(self.replica),)

    def prompt_tokens_per_step(self, sequences: int, longest_context: int) -> int:
        """No limit of the hardware's own."""
        return FOREVER

    def step(self, batch: Batch) -> StepCost:
        """Cost of one step."""
        return self.ramp(batch).first()

    def ramp(self, batch: Batch) -> Ramp:
        """Cost of the next steps of an unchanged batch, exact."""
        if batch.ranks and self._ranks is not None:
            fixed, load = self._ranks.slowest(batch)
            return self._line(fixed, load, repeats=not (batch.finishing_chunks or batch.images))
        sequences, each, chunks = batch.sequences, batch.tokens_each, batch.chunks
        if sequences and each == 1 and not chunks and not self.windows:
            decode = self.decode_line(sequences, batch.context_tokens)
            if decode is not None:
                return decode.ramp(sequences, batch.context_tokens)
        prompt = largest = 0
        for chunk in chunks:
            prompt += chunk.new
            if chunk.new > largest:
                largest = chunk.new
        fixed = self._fixed_part(sequences * each, prompt, batch.finishing_chunks, largest)
        if batch.images:
            fixed = with_images(fixed, *self._image_kernels.work(batch.images))
        load = self._contexts.load(batch, fixed.flops, fixed.bytes)
        return self._line(fixed, load, repeats=not (batch.finishing_chunks or batch.images))

    def _line(self, fixed: FixedPart, load: Load, *, repeats: bool) -> Ramp:
        """Seconds, joules, FLOPs and bytes of steps with these parts.

        Args:
            repeats: whether there is a step after the first like it.
        """
        total_s, compute_s, memory_s, rest_bound, rest_s = fixed[:5]
        context_s, slope_s, pairs_s, slope_pairs_s = load.context_s, load.slope_s, load.pairs_s, load.slope_pairs_s
        flops, slope_flops, moved, slope_bytes = load.flops, load.slope_flops, load.bytes, load.slope_bytes
        steps = load.steps
        first_s = total_s + context_s + pairs_s
        compute_s += pairs_s
        memory_s += context_s
        if rest_s >= compute_s and rest_s >= memory_s:
            bound = rest_bound
        else:
            bound = "compute" if compute_s >= memory_s else "memory"
        units_s, read_s = flops / self.peak_flops, moved / self.peak_bandwidth
        busy_s = units_s if units_s > read_s else read_s
        joules = self.idle_w * first_s + self._dynamic_w * busy_s
        if not repeats:  # the end of a prompt does not repeat
            return Ramp(1, first_s, 0.0, joules, 0.0, flops, 0.0, moved, 0.0, bound)
        # The straight line also ends where another bound takes over, and where the busier of units and memory changes.
        if bound == "compute":
            steps = before_crossing(steps, compute_s - memory_s, slope_s - slope_pairs_s)
        elif bound == "memory":
            steps = before_crossing(steps, memory_s - compute_s, slope_pairs_s - slope_s)
        else:
            steps = before_crossing(steps, rest_s - memory_s, slope_s)
            steps = before_crossing(steps, rest_s - compute_s, slope_pairs_s)
        slope_s += slope_pairs_s
        slope_units_s, slope_read_s = slope_flops / self.peak_flops, slope_bytes / self.peak_bandwidth
        if units_s > read_s:
            slope_busy_s = slope_units_s
            steps = before_crossing(steps, units_s - read_s, slope_read_s - slope_units_s)
        else:
            slope_busy_s = slope_read_s
            steps = before_crossing(steps, read_s - units_s, slope_units_s - slope_read_s)
        more_joules = self.idle_w * slope_s + self._dynamic_w * slope_busy_s
        return Ramp(steps, first_s, slope_s, joules, more_joules, flops, slope_flops, moved, slope_bytes, bound)

    def decode_line(self, sequences: int, context_tokens: int) -> DecodeLine | None:
        """The line that plain decoding follows at these contexts; None where their sum alone does not decide: in models
        with windows, and where micro-batches or attention groups share the sequences out.
        """
        if not self.windows and self._places == 1:
            for line in self._decode.get(sequences) or self._decode_lines(sequences):
                if context_tokens < line.until:
                    return line
        return None

    def _fixed_part(self, grown: int, prompt: int = 0, finishing: int = 0, largest: int = 0) -> FixedPart:
        """The context-free part of such steps, remembered from now on."""
        dealt = prompts_dealt(self.replica, prompt, largest) if self._places > 1 else prompt
        fixed = self._fixed.get((grown, prompt, dealt, finishing))
        if fixed is None:
            if len(self._fixed) >= MOST_FIXED_PARTS:
                self._fixed.clear()
            fixed = fixed_part(self.replica, grown, prompt, dealt, finishing, self._kernels)
            self._fixed[grown, prompt, dealt, finishing] = fixed
        return fixed

    def _decode_lines(self, sequences: int) -> tuple[DecodeLine, ...]:
        """Plain decode of so many sequences in a model without windows, by ascending context: a line ends where another
        bound takes over, or where memory becomes busier than the units.
        """
        total_s, compute_s, memory_s, rest_bound, rest_s, flops, moved = self._fixed_part(sequences)
        second, operations, read = self._contexts.whole
        units_ahead_s = flops / self.peak_flops - moved / self.peak_bandwidth
        catching_up_s = read / self.peak_bandwidth - operations / self.peak_flops
        ahead_s = max(compute_s, rest_s) - memory_s
        memory_binds = ahead_s / second if second else inf if ahead_s > 0 else 0.0  # states alone grow with no context
        memory_busier = units_ahead_s / catching_up_s if catching_up_s else 0.0
        begin, lines = 0.0, []
        for end in sorted({end for end in (memory_binds, memory_busier) if end > 0} | {inf}):
            inside = begin + 1.0 if end == inf else (begin + end) / 2
            if units_ahead_s > catching_up_s * inside:
                busy_s, more_busy_s = flops / self.peak_flops, operations / self.peak_flops
            else:
                busy_s, more_busy_s = moved / self.peak_bandwidth, read / self.peak_bandwidth
            bound: Bound = "memory" if inside > memory_binds else rest_bound if rest_s >= compute_s else "compute"
            joules = self.idle_w * total_s + self._dynamic_w * busy_s
            more_joules = self.idle_w * second + self._dynamic_w * more_busy_s
            each = (total_s, second), (joules, more_joules), (flops, operations), (moved, read)
            costs = [value for first, more in each for value in (first, more, more * sequences)]
            lines.append(DecodeLine(self._lines, end, bound, *costs))
            self._lines += 1
            begin = end
        self._decode[sequences] = found = tuple(lines)
        return found
