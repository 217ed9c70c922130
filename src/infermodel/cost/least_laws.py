"""Laws of the least step of GPUs and of dataflow devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infermodel.cost.attention import attention_rates
from infermodel.cost.fixed import fixed_part
from infermodel.cost.least_step import LeastStep, seen_s
from infermodel.cost.replica import GpuReplica


def gpu_law(replica: GpuReplica) -> LeastStep:
    """GPUs, on which more tokens never take less time.

    Micro-batches and ranks of attention are taken to share contexts and prompts evenly, and ranks to pad nothing: what
    they are padded to depends on how many tokens each has. A prompt's last chunk reads its
    whole context, so a token put out costs the smaller of reading and attending to it, whether it is decoded or
    recomputed.
    """
    shared = 1.0 / replica.places
    if replica.deployment.data_parallel > 1:
        replica = replace(replica, engine=replace(replica.engine, graph_sizes=()))
    rates = attention_rates(replica)
    token_s = {each.window_tokens: shared * min(each.decode_s, each.read_s) for each in rates}

    def fixed_s(n: int, m: int) -> float:
        return fixed_part(replica, n, m, m, 0).total_s

    one_s = fixed_s(1, 0)
    return LeastStep(
        fixed_s=fixed_s,
        token_s=token_s,
        pair_s={each.window_tokens: shared * each.pair_s for each in rates},
        alone_s=lambda context: one_s + seen_s(token_s, context),
    )


def latency_law(token_latency_s: Callable[[float, int], float], host_sequence_s: float) -> LeastStep:
    """A round that puts out a token lasts as long as the token is in the ring.

    Args:
        token_latency_s: of a token with a context in a ring of so many sequences.
        host_sequence_s: of the host, for each further sequence.
    """
    empty_s = token_latency_s(1, 0)
    return LeastStep(
        fixed_s=lambda n, m: empty_s + host_sequence_s * (n - 1) if n else 0.0,
        token_s={},
        pair_s={},
        alone_s=lambda context: token_latency_s(context, 0),
    )


def stage_law(fixed_s: float, per_context_s: float, window: int | None, *, prompt_tokens_per_slot: float) -> LeastStep:
    """A kind of stage works on one token at a time; a prompt's tokens pass `prompt_tokens_per_slot` at once.

    Args:
        fixed_s, per_context_s: that it holds a token, and further seconds for each token of context.
        window: tokens of context that it sees at most.
    """
    prompt = 1.0 / prompt_tokens_per_slot
    token = min(1.0, prompt)  # it may be the last of a prompt
    return LeastStep(
        fixed_s=lambda n, m: fixed_s * (token * n + prompt * m),
        token_s={window: token * per_context_s},
        pair_s={window: prompt * per_context_s},
        alone_s=lambda context: 0.0,
    )
