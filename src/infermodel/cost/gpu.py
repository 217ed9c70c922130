"""Step model of batch-synchronous devices: a roofline per operator group, collectives, floors and the host's gap.

A step's time has a part that depends only on how many tokens it works on, which is cached, and a part linear in the
contexts, so that the next steps of an unchanged batch follow a straight line until a window fills up.
"""

from __future__ import annotations

from math import inf
from typing import Final

from infermodel.architecture import ModelArchitecture
from infermodel.cost.attention import PromptLoad, attention_rates, prompt_load, steps_to_window
from infermodel.cost.deployment import Deployment
from infermodel.cost.fixed import FixedPart, Kernels, fixed_part, prompts_dealt
from infermodel.cost.memory import kv_memory
from infermodel.cost.replica import gpu_replica
from infermodel.cost.step import FOREVER, Batch, Bound, Chunk, DecodeLine, KvMemory, Ramp, StepCost
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
        self.replica = gpu_replica(architecture, system, deployment, engine)
        device, gpus = self.replica.device, self.replica.gpus
        self.kv_memory: KvMemory = kv_memory(architecture, device, deployment, engine)
        self.windows = architecture.windows
        self.idle_w = device.power_idle_w * gpus
        self.peak_flops = device.peak_flops[self.replica.compute] * gpus
        self.peak_bandwidth = device.memory_bandwidth * gpus
        self._dynamic_w = (device.power_max_w - device.power_idle_w) * gpus
        self._kernels: Kernels = {}
        self._fixed: dict[tuple[int, int, int, int], FixedPart] = {}
        self._decode: dict[int, tuple[DecodeLine, ...]] = {}
        self._lines = 0
        self._places = self.replica.places
        self._share = 1.0 / self._places
        self._rates = attention_rates(self.replica)
        self._windowed_rates = tuple(rate for rate in self._rates if rate.window >= 0)
        whole = next((rate for rate in self._rates if rate.window < 0), None)
        self._whole = (whole.decode_s, whole.decode_flops, whole.decode_bytes) if whole else (0.0, 0.0, 0.0)

    def prompt_tokens_per_step(self, sequences: int, longest_context: int) -> int:
        """No limit of the hardware's own."""
        return FOREVER

    def step(self, batch: Batch) -> StepCost:
        """Cost of one step."""
        ramp = self.ramp(batch)
        return StepCost(ramp.first_s, ramp.first_joules, ramp.first_flops, ramp.first_bytes, ramp.bound_by)

    def ramp(self, batch: Batch) -> Ramp:
        """Cost of the next steps of an unchanged batch, exact."""
        sequences, context, longest, windowed = (
            batch.sequences,
            batch.context_tokens,
            batch.longest_context,
            batch.windowed,
        )
        each, chunks, finishing = batch.tokens_each, batch.chunks, batch.finishing_chunks
        if sequences and each == 1 and not chunks and not self.windows:
            decode = self.decode_line(sequences, context)
            if decode is not None:
                return decode.ramp(sequences, context)
        grown = sequences * each
        prompt = largest = 0
        for chunk in chunks:
            prompt += chunk.new
            if chunk.new > largest:
                largest = chunk.new
        total_s, compute_s, memory_s, rest_bound, rest_s, flops, moved = self._fixed_part(
            grown, prompt, finishing, largest
        )
        second, operations, read = self._whole
        steps = FOREVER
        context_s, slope_s = second * context, second * grown
        flops += operations * context
        slope_flops = operations * grown
        moved += read * context
        slope_bytes = read * grown
        if windowed:
            for rate in self._windowed_rates:
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
            context_s, slope_s, steps = _busier(even, self._longest_s(longest, each), steps)
        pairs_s = slope_pairs_s = 0.0
        if chunks:
            load = prompt_load(self._rates, chunks)
            pairs_s, slope_pairs_s, reads_s, slope_reads_s, line = self._busiest_prompts(chunks, load)
            context_s += reads_s
            slope_s += slope_reads_s
            flops += load.flops
            slope_flops += load.more_flops
            moved += load.bytes
            slope_bytes += load.more_bytes
            steps = min(steps, line)
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
        if finishing:  # the end of a prompt does not repeat
            return Ramp(1, first_s, 0.0, joules, 0.0, flops, 0.0, moved, 0.0, bound)
        # The straight line also ends where another bound takes over, and where the busier of units and memory changes.
        if bound == "compute":
            steps = _before_crossing(steps, compute_s - memory_s, slope_s - slope_pairs_s)
        elif bound == "memory":
            steps = _before_crossing(steps, memory_s - compute_s, slope_pairs_s - slope_s)
        else:
            steps = _before_crossing(steps, rest_s - memory_s, slope_s)
            steps = _before_crossing(steps, rest_s - compute_s, slope_pairs_s)
        slope_s += slope_pairs_s
        slope_units_s, slope_read_s = slope_flops / self.peak_flops, slope_bytes / self.peak_bandwidth
        if units_s > read_s:
            slope_busy_s = slope_units_s
            steps = _before_crossing(steps, units_s - read_s, slope_read_s - slope_units_s)
        else:
            slope_busy_s = slope_read_s
            steps = _before_crossing(steps, read_s - units_s, slope_units_s - slope_read_s)
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

    def _busiest_prompts(self, chunks: tuple[Chunk, ...], load: PromptLoad) -> tuple[float, float, float, float, int]:
        """Seconds and growth of pairs and of reads where they take longest, and for how many steps these are lines:
        evenly shared, or a piece of one chunk, which reads all that is before it.
        """
        pairs_s, more_pairs_s, reads_s, more_reads_s = load[:4]
        if self._places == 1:
            return pairs_s, more_pairs_s, reads_s, more_reads_s, load.steps
        share, largest = self._share, self.replica.deployment.max_batched_tokens * self._share
        pieces = [max(share, min(1.0, largest / max(1, chunk.new))) for chunk in chunks]
        if len(chunks) == 1:
            return pieces[0] * pairs_s, pieces[0] * more_pairs_s, reads_s, more_reads_s, load.steps
        alone = [prompt_load(self._rates, (chunk,)) for chunk in chunks]
        pairs_s = max(share * pairs_s, *(piece * each.pairs_s for piece, each in zip(pieces, alone, strict=True)))
        return pairs_s, 0.0, max(share * reads_s, *(each.reads_s for each in alone)), 0.0, 1

    def _longest_s(self, longest: int, each: int) -> tuple[float, float]:
        """Seconds of the longest context alone, and by how much they grow in a step."""
        seconds, more = self._whole[0] * longest, self._whole[0] * each
        for rate in self._windowed_rates:
            window = rate.window_tokens or 0
            seconds += rate.decode_s * min(longest, window)
            more += rate.decode_s * each if longest < window else 0.0
        return seconds, more

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
        second, operations, read = self._whole
        units_ahead_s = flops / self.peak_flops - moved / self.peak_bandwidth
        catching_up_s = read / self.peak_bandwidth - operations / self.peak_flops
        memory_binds = (max(compute_s, rest_s) - memory_s) / second
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


def _before_crossing(steps: int, gap: float, closing: float) -> int:
    """Steps, at most `steps`, before a line that closes `gap` at `closing` a step has overtaken; at least one.

    >>> _before_crossing(FOREVER, 10.0, 4.0)  # gaps 10, 6, 2, then -2
    3
    """
    if closing <= 0.0 or gap >= steps * closing:
        return steps
    return min(steps, int(gap / closing) + 1)


def _busier(one: tuple[float, float], other: tuple[float, float], steps: int) -> tuple[float, float, int]:
    """The larger of two lines (value, slope), and for how many of `steps` steps it stays so.

    >>> _busier((10.0, 1.0), (4.0, 3.0), FOREVER)  # 10, 11, 12, 13 against 4, 7, 10, 13, then 14 against 16
    (10.0, 1.0, 4)
    """
    more, less = max(one, other), min(one, other)
    return *more, _before_crossing(steps, more[0] - less[0], less[1] - more[1])
