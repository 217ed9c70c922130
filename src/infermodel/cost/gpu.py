"""Step model of batch-synchronous devices: a roofline per operator group, collectives, floors and the host's gap.

A step's time has a part that depends only on how many tokens it works on, which is cached, and a part linear in the
contexts, so that the next steps of an unchanged batch follow a straight line until a window fills up.
"""

from __future__ import annotations

from infermodel.architecture import ModelArchitecture
from infermodel.cost.attention import FOREVER, attention_rates, chunk_growth, steps_to_window
from infermodel.cost.deployment import Deployment
from infermodel.cost.fixed import FixedPart, fixed_part
from infermodel.cost.memory import kv_memory
from infermodel.cost.replica import gpu_replica
from infermodel.cost.step import Batch, Bound, KvMemory, Ramp, StepCost
from infermodel.engine import Engine
from infermodel.hardware import System


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
        self._fixed: dict[tuple[int, int, int, int], FixedPart] = {}
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
        sequences, context, longest, windowed, each, chunks, finishing = batch
        grown = sequences * each
        prompt = 0
        for chunk in chunks:
            prompt += chunk[0]
        key = (grown, prompt, finishing, len(chunks))
        fixed = self._fixed.get(key)
        if fixed is None:
            fixed = self._fixed[key] = fixed_part(self.replica, sequences, grown, prompt, len(chunks), finishing)
        total_s, compute_s, memory_s, rest_bound, rest_s, flops, moved, share = fixed
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
        if chunks:
            for rate in self._rates:
                for chunk in chunks:
                    pairs, more_pairs, reads, more_reads, line = chunk_growth(chunk, rate.window_tokens)
                    steps = min(steps, line)
                    pairs_s += rate.pair_s * pairs
                    slope_pairs_s += rate.pair_s * more_pairs
                    context_s += rate.read_s * reads * share
                    slope_s += rate.read_s * more_reads * share
                    flops += rate.pair_flops * pairs
                    slope_flops += rate.pair_flops * more_pairs
                    moved += rate.read_bytes * reads
                    slope_bytes += rate.read_bytes * more_reads
            pairs_s *= share
            slope_pairs_s *= share
        first_s = total_s + context_s + pairs_s
        compute_s += pairs_s
        memory_s += context_s
        # The straight line also ends where another bound takes over, and where the busier of units and memory changes.
        bound: Bound
        if rest_s >= compute_s and rest_s >= memory_s:
            bound = rest_bound
            steps = min(steps, _before_crossing(rest_s - memory_s, slope_s))
            steps = min(steps, _before_crossing(rest_s - compute_s, slope_pairs_s))
        elif compute_s >= memory_s:
            bound = "compute"
            steps = min(steps, _before_crossing(compute_s - memory_s, slope_s - slope_pairs_s))
        else:
            bound = "memory"
            steps = min(steps, _before_crossing(memory_s - compute_s, slope_pairs_s - slope_s))
        slope_s += slope_pairs_s
        units_s, slope_units_s = flops / self.peak_flops, slope_flops / self.peak_flops
        memory_s, slope_memory_s = moved / self.peak_bandwidth, slope_bytes / self.peak_bandwidth
        if units_s > memory_s:
            steps = min(steps, _before_crossing(units_s - memory_s, slope_memory_s - slope_units_s))
            busy_s, slope_busy_s = units_s, slope_units_s
        else:
            steps = min(steps, _before_crossing(memory_s - units_s, slope_units_s - slope_memory_s))
            busy_s, slope_busy_s = memory_s, slope_memory_s
        return Ramp(
            steps,
            first_s,
            slope_s,
            self.idle_w * first_s + self._dynamic_w * busy_s,
            self.idle_w * slope_s + self._dynamic_w * slope_busy_s,
            flops,
            slope_flops,
            moved,
            slope_bytes,
            bound,
        )


def _before_crossing(gap: float, closing: float) -> int:
    """Steps before a line that closes `gap` at `closing` a step has overtaken; at least one.

    >>> _before_crossing(10.0, 4.0)  # gaps 10, 6, 2, then -2
    3
    """
    if closing <= 0.0:
        return FOREVER
    return int(min(gap / closing, FOREVER)) + 1
