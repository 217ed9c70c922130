"""What no step of a replica beats: laws below the cost engine's, simple enough to add up over whole runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from infermodel.cost.attention import attention_rates
from infermodel.cost.dataflow import Ring
from infermodel.cost.fixed import fixed_part
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.replica import GpuReplica
from infermodel.cost.step import StepModel

PerWindow = Mapping[int | None, float]
"""By attention window in tokens; None sees everything."""


@dataclass(frozen=True)
class LeastStep:
    """A lower limit of a step that puts out `n` tokens, one for each decoding sequence and for each prompt that ends in
    it, and computes `m` prompt tokens besides:

        seconds >= fixed_s(n, m) + sum over windows of token_s x contexts of those n tokens + pair_s x pairs of those m

    The context of a token is the number of tokens it attends to, itself included, as far as the window sees.

    Attributes:
        fixed_s: falls in neither argument.
        token_s, pair_s: seconds per token of context.
        alone_s: of a token's context: seconds of any step that puts it out.
    """

    fixed_s: Callable[[int, int], float]
    token_s: PerWindow
    pair_s: PerWindow
    alone_s: Callable[[int], float]


def least_steps(model: StepModel) -> tuple[LeastStep, ...]:
    """Laws that each hold for every step of the model; none where nothing is known, such as with drafts."""
    if isinstance(model, GpuStepModel):
        return (gpu_law(model.replica),)
    if isinstance(model, Ring):
        return (latency_law(model), *stage_laws(model))
    return ()


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


def latency_law(ring: Ring) -> LeastStep:
    """A round that puts out a token lasts as long as the token is in the ring."""
    empty_s = ring.token_latency_s(1, 0)
    return LeastStep(
        fixed_s=lambda n, m: empty_s + ring.host_sequence_s * (n - 1) if n else 0.0,
        token_s={},
        pair_s={},
        alone_s=lambda context: ring.token_latency_s(context, 0),
    )


def stage_laws(ring: Ring) -> tuple[LeastStep, ...]:
    """Each kind of stage works on one token at a time; a prompt's tokens pass `prompt_tokens_per_slot` at once."""
    prompt = 1.0 / ring.prompt_tokens_per_slot
    token = min(1.0, prompt)  # it may be the last of a prompt

    def busy_s(fixed_s: float, n: int, m: int) -> float:
        return fixed_s * (token * n + prompt * m)

    return tuple(
        LeastStep(
            fixed_s=partial(busy_s, stage.fixed_s),
            token_s={stage.window: token * stage.per_context_s},
            pair_s={stage.window: prompt * stage.per_context_s},
            alone_s=lambda context: 0.0,
        )
        for stage in ring.stages
    )


def seen_s(per_context_s: PerWindow, context: int) -> float:
    """Seconds of one token with a context.

    >>> seen_s({None: 2.0, 100: 1.0}, 300)
    700.0
    """
    return sum(s * (context if w is None else min(context, w)) for w, s in per_context_s.items())
