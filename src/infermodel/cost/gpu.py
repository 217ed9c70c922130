"""Step model of batch-synchronous devices: a roofline per operator group, collectives, floors and the host's gap.

A step's time has a part that depends only on how many tokens it works on, which is cached, and a part linear in the
contexts, so that the next steps of an unchanged batch follow a straight line until a window fills up.
"""

from __future__ import annotations

from math import inf
from typing import Final

from infermodel.architecture import ModelArchitecture
from infermodel.cost.attention import attention_rates, chunk_growth, steps_to_window
from infermodel.cost.deployment import Deployment
from infermodel.cost.fixed import FixedPart, Kernels, fixed_part
from infermodel.cost.memory import kv_memory
from infermodel.cost.replica import gpu_replica
from infermodel.cost.step import FOREVER, Batch, Bound, DecodeLine, KvMemory, Ramp, StepCost
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
        self._fixed: dict[tuple[int, int, int, int, int], FixedPart] = {}
        self._decode: dict[int, tuple[DecodeLine, ...]] = {}
        self._lines = 0
        self._rates = attention_rates(self.replica)
        self._windowed_rates = tuple(rate for rate in self._rates if rate.window >= 0)
        whole = next((rate for rate in self._rates if rate.window < 0), None)
        self._whole = (whole.decode_s, whole.decode_flops, whole.decode_bytes) if whole else (0.0, 0.0, 0.0)
        rate = self._rates[0]
        self._prompt = (rate.pair_s, rate.pair_flops, rate.read_s, rate.read_bytes)

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
        prompt = 0
        for chunk in chunks:
            prompt += chunk.new
        fixed = self._fixed.get((sequences, grown, prompt, finishing, len(chunks)))
        if fixed is None:
            fixed = self._fixed_part(sequences, grown, prompt, finishing, len(chunks))
        total_s, compute_s, memory_s, rest_bound, rest_s, flops, moved, share, prompt_share = fixed
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
        context_s *= share
        slope_s *= share
        pairs_s = slope_pairs_s = 0.0
        if chunks and not self.windows:
            pairs = more_pairs = reads = 0.0
            for chunk in chunks:
                new, before = chunk.new, chunk.before
                pairs += new * before + new * (new + 1) / 2
                more_pairs += new * new
                reads += before + new
            pair_s, pair_flops, read_s, read_bytes = self._prompt
            pairs_s, slope_pairs_s = pair_s * pairs * prompt_share, pair_s * more_pairs * prompt_share
            context_s += read_s * reads * prompt_share
            slope_s += read_s * prompt * prompt_share
            flops += pair_flops * pairs
            slope_flops += pair_flops * more_pairs
            moved += read_bytes * reads
            slope_bytes += read_bytes * prompt
        elif chunks:
            for rate in self._rates:
                for chunk in chunks:
                    pairs, more_pairs, reads, more_reads, line = chunk_growth(chunk, rate.window_tokens)
                    steps = min(steps, line)
                    pairs_s += rate.pair_s * pairs
                    slope_pairs_s += rate.pair_s * more_pairs
                    context_s += rate.read_s * reads * prompt_share
                    slope_s += rate.read_s * more_reads * prompt_share
                    flops += rate.pair_flops * pairs
                    slope_flops += rate.pair_flops * more_pairs
                    moved += rate.read_bytes * reads
                    slope_bytes += rate.read_bytes * more_reads
            pairs_s *= prompt_share
            slope_pairs_s *= prompt_share
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
        """The line that plain decoding follows at these contexts; None for models with windows."""
        if not self.windows:
            for line in self._decode.get(sequences) or self._decode_lines(sequences):
                if context_tokens < line.until:
                    return line
        return None

    def _fixed_part(
        self, sequences: int, grown: int, prompt: int = 0, finishing: int = 0, chunks: int = 0
    ) -> FixedPart:
        """The context-free part of such steps, remembered from now on."""
        if len(self._fixed) >= MOST_FIXED_PARTS:
            self._fixed.clear()
        fixed = fixed_part(self.replica, sequences, grown, prompt, chunks, finishing, self._kernels)
        self._fixed[sequences, grown, prompt, finishing, chunks] = fixed
        return fixed

    def _decode_lines(self, sequences: int) -> tuple[DecodeLine, ...]:
        """Plain decode of so many sequences in a model without windows, by ascending context: a line ends where another
        bound takes over, or where memory becomes busier than the units.
        """
        total_s, compute_s, memory_s, rest_bound, rest_s, flops, moved, share, _ = self._fixed_part(
            sequences, sequences
        )
        second, operations, read = self._whole
        second *= share
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
