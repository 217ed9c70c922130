"""Over how long the users of a closed loop come: about as long as one of their cycles takes once all are there."""

from __future__ import annotations

from math import ceil

from infermodel.cost.step import Batch, Chunk
from infermodel.simulation.spec import ServiceSpec
from infermodel.workload.traffic import ClosedTraffic


def joining_s(spec: ServiceSpec) -> float:
    """Seconds from the first user's first request to the last one's: a cycle, see `cycle_s`.

    At once they would meet as they never do again: all their prompts in one queue, and their answers in step. Spread
    over a cycle they are where users of a running service are, each at another place in an answer. 0 where they are to
    start together, and in open loops.
    """
    traffic = spec.traffic
    if not isinstance(traffic, ClosedTraffic) or traffic.start == "together" or traffic.users == 1:
        return 0.0
    return cycle_s(spec, traffic)


def cycle_s(spec: ServiceSpec, traffic: ClosedTraffic) -> float:
    """Seconds of a mean answer and pause of a closed loop's user once all users are there, by the cost engine alone.

    The cycle is Little's for mean lengths: n of u users at a time are answered, `n (T(n) + pause) = u T(n)`, T(n) being
    the time of an answer beside n - 1 others; where fewer fit than are there, the others wait.
    """
    decodes = spec.pools[-1]
    replicas = sum(pool.replicas for pool in spec.pools if pool.role != "prefill")
    pause_s, users = traffic.think_time.mean_s, traffic.users / replicas
    prompt, output = traffic.mean_prompt_tokens, max(1.0, traffic.mean_output_tokens)
    memory = decodes.step_model.kv_memory
    seats, fit = decodes.limits.max_sequences * memory.ranks, int(memory.sequences(prompt + output))
    low, high = 1, max(1, min(seats, fit, ceil(users)))
    while low < high:
        middle = (low + high) // 2
        enough = middle * (1 + pause_s / answer_s(spec, middle, prompt, output)) >= users
        low, high = (low, middle) if enough else (middle + 1, high)
    takes_s = answer_s(spec, low, prompt, output)
    return max(takes_s + pause_s, users / low * takes_s)


def answer_s(spec: ServiceSpec, sequences: int, prompt: float, output: float) -> float:
    """Seconds of a mean answer in a replica that always holds so many sequences, one of the last pool's: steps of their
    decoding, and for each of them a share of the prompts that replace what finishes, computed beside it or in steps of
    their own; where another pool reads them, their own prompt alone.
    """
    context, pool = int(prompt + output / 2), spec.pools[-1]
    model, windows = pool.step_model, pool.step_model.windows
    way_s, each = spec.way_s(round(prompt)) + spec.egress_s, 1.0
    if pool.speculation is not None and pool.speculation.sampled:
        each = pool.speculation.tokens_per_round
    replaced = sequences / output  # prompts a step
    budget = pool.limits.max_batched_tokens * model.kv_memory.ranks
    chunk = round(min(prompt * max(1.0, replaced), max(1, budget - sequences)))
    decode_s = model.step(Batch.alike(windows, sequences, context)).latency_s
    if pool.role == "decode":
        reader = spec.pools[0].step_model
        alone = (Chunk(max(1, round(prompt)), 0),)
        return way_s + reader.step(Batch.alike(reader.windows, 0, 0, alone, 1)).latency_s + output * decode_s / each
    chunks = (Chunk(max(1, chunk), 0),)
    if pool.limits.mixes_prompts:
        chunk_s = model.step(Batch.alike(windows, sequences, context, chunks, 1)).latency_s - decode_s
    else:
        chunk_s = model.step(Batch.alike(windows, 0, 0, chunks, 1)).latency_s
    prefill_s = chunk_s * replaced * prompt / max(1, chunk)
    return way_s + output * (decode_s / each + prefill_s)
