"""What the cost engine alone says of a service's largest load: a first guess for searches, and a bound for pruning."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from infermodel.cost.step import Batch, Chunk
from infermodel.scenario.resolved import ResolvedService
from infermodel.workload.typical_calls import typical_calls


def rate_guess(service: ResolvedService) -> float:
    """Requests/s that the fleet could finish at mean lengths, every replica always at the largest batch that limits,
    memory and the objectives on TPOT and speed allow; and no more than it can read prompts of, one by one, where it has
    a pool for them.
    """
    if len(alike(service)) > 1:
        return sum(map(rate_guess, alike(service)))
    sequences = largest_batch(service)
    limit_s = tpot_limit_s(service)
    while sequences > 1 and tpot_s(service, sequences) > limit_s:
        sequences = max(1, int(sequences / 1.05))
    rate = service.decode_pool.replicas * replica_rate(service, sequences)
    return rate if reads_beside_decoding(service) else min(rate, service.prefill_pool.replicas / prefill_s(service))


def rate_of_calls(service: ResolvedService) -> float:
    """`rate_guess`; of calls with pauses between them no more than lets what was said stay in KV memory meanwhile, or
    than the fleet does without finding any of it, if that is more.
    """
    high = rate_guess(service)
    if service.sessions is None or texts_stay(service, high):
        return high
    low, without = 0.0, rate_guess(replace(service, sessions=None))
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if texts_stay(service, middle) else (low, middle)
    return max(low, without)


def texts_stay(service: ResolvedService, rate: float) -> bool:
    """Whether KV memory holds the calls that run at this rate and all those that come in a pause, each with its whole
    text: a fleet that has lost texts computes them again, which takes the memory of others until it finds none.
    """
    if service.sessions is None or not service.prefill_pool.limits.prefix_caching:
        return True
    typical, pool = typical_calls(service.sessions), service.prefill_pool
    pause_s = typical.waits_s / max(1.0, typical.in_a_row - 1)
    room = pool.replicas * pool.step_model.kv_memory.sequences(sum(mean_lengths(service)))
    return in_flight(service, rate) + rate * pause_s <= room


def reads_beside_decoding(service: ResolvedService) -> bool:
    """Whether the replicas that decode read prompts too."""
    return service.link is None


def alike(service: ResolvedService) -> tuple[ResolvedService, ...]:
    """A service for each of its pools that do all of a request; itself, where one reads prompts for another."""
    if service.link is not None:
        return (service,)
    return tuple(replace(service, pools=(pool,), first_router=None) for pool in service.pools)


def tpot_limit_s(service: ResolvedService) -> float:
    """The tightest promise on the time of an output token; infinite where there is none."""
    limits = [each.limit for each in service.objectives if each.metric in ("tpot", "itl")]
    limits += [1 / each.limit for each in service.objectives if each.metric == "output_speed"]
    return min(limits, default=inf)


def largest_batch(service: ResolvedService) -> int:
    """Sequences of a replica that limits and KV memory allow at mean lengths."""
    prompt, output = mean_lengths(service)
    pool, memory = service.decode_pool, service.decode_pool.step_model.kv_memory
    return max(1, min(pool.limits.max_sequences * memory.ranks, int(memory.sequences(prompt + output))))


def tpot_s(service: ResolvedService, sequences: int) -> float:
    """Time per output token of a replica that always holds this batch: its decode step, and its share of the prompts
    that replace what finishes, `n prefill / output`, where it reads them too.
    """
    _, output = mean_lengths(service)
    reading_s = sequences * prefill_s(service) / output if reads_beside_decoding(service) else 0.0
    return decode_s(service, sequences) + reading_s


def replica_rate(service: ResolvedService, sequences: int) -> float:
    """Requests/s of a replica that always holds this batch (Little's law over the time of the output)."""
    _, output = mean_lengths(service)
    return sequences / (output * tpot_s(service, sequences))


def in_flight(service: ResolvedService, load: float) -> float:
    """Requests of the whole fleet in decode at an arrival rate: the smallest batch that keeps up with it."""
    parts = alike(service)
    if len(parts) > 1:
        rates = list(map(rate_guess, parts))
        return sum(in_flight(part, load * rate / sum(rates)) for part, rate in zip(parts, rates, strict=True))
    low, high = 1, largest_batch(service)
    each = load / service.decode_pool.replicas
    if replica_rate(service, high) < each:
        return float(service.decode_pool.replicas * high)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if replica_rate(service, middle) >= each else (middle + 1, high)
    return float(service.decode_pool.replicas * low)


def zero_load_e2e_s(service: ResolvedService) -> float:
    """Seconds of a request alone, at mean lengths."""
    return prefill_s(service) + mean_lengths(service)[1] * decode_s(service, 1)


def decode_s(service: ResolvedService, sequences: int) -> float:
    """Seconds of a decode step of so many sequences, each half way through a mean output."""
    prompt, output = mean_lengths(service)
    context = int(prompt + output / 2)
    model = service.decode_pool.step_model
    return model.step(Batch.alike(model.windows, sequences, context)).latency_s


def prefill_s(service: ResolvedService) -> float:
    """Seconds of the step that computes a mean prompt alone; of a question's calls, what the cache does not hold."""
    model, prompt, cached = service.prefill_pool.step_model, max(1, round(mean_lengths(service)[0])), 0
    if service.sessions is not None and service.prefill_pool.limits.prefix_caching:
        cached = prompt - min(prompt, max(1, round(typical_calls(service.sessions).new_tokens)))
    return model.step(Batch.alike(model.windows, 0, 0, (Chunk(prompt - cached, cached),), 1)).latency_s


def mean_lengths(service: ResolvedService) -> tuple[float, float]:
    """Mean prompt and output tokens of the service's traffic."""
    return service.traffic.mean_prompt_tokens, service.traffic.mean_output_tokens
