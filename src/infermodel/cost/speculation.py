"""Speculative decoding: k tokens are drafted, the model verifies them in one round, and keeps the right beginning.

    tokens per round = (1 - a^(k+1)) / (1 - a)                        a: probability that a draft is accepted
    round            = k x t_draft + T + k x t_slot                   dataflow: drafts follow each other in the ring
    round            = k x t_draft + step with k + 1 tokens each      GPUs: drafts widen the batch

Source of the first: Leviathan, Kalman, Matias, "Fast inference from transformers via speculative decoding", 2023.
Nothing here draws random numbers; the closed forms are what sampled acceptance must average to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from infermodel.cost.block_pool import KvMemory
from infermodel.cost.dataflow import Ring
from infermodel.cost.step import Batch, StepModel


def expected_tokens(acceptance: float, drafted: int) -> float:
    """Mean tokens that a round yields: the accepted beginning of `drafted` drafts and one that the model adds itself.

    Args:
        acceptance: probability that a draft is accepted where all before it were, 0 to 1.
        drafted: k.

    >>> expected_tokens(0.5, 2)  # 1 + 1/2 + 1/4
    1.75
    >>> expected_tokens(1.0, 7), expected_tokens(0.0, 7)
    (8.0, 1.0)
    """
    if acceptance == 1.0:
        return float(drafted + 1)
    return (1.0 - acceptance ** (drafted + 1)) / (1.0 - acceptance)


def expected_tokens_by_position(acceptances: Iterable[float]) -> float:
    """The same where acceptance depends on the position: 1 + a1 + a1 a2 + ... + a1 a2 ... ak.

    >>> expected_tokens_by_position([0.8, 0.5])  # 1 + 0.8 + 0.4
    2.2
    """
    tokens = reached = 1.0
    for acceptance in acceptances:
        reached *= acceptance
        tokens += reached
    return tokens


def round_s(model: StepModel, batch: Batch, drafted: int, draft: StepModel | None = None) -> float:
    """Seconds of one round: all drafts of all sequences, and their verification.

    Args:
        model: verifies.
        batch: decoding sequences, as in a plain step.
        drafted: k for each of them.
        draft: drafts one token after another for the same sequences; None where drafts cost nothing (n-grams looked up
            in the prompt).

    In a ring, sequences draft while others verify, so that a round takes the longest of: one sequence's drafts and
    verification one after the other, the slots of all sequences in the model, and those in the draft model. On GPUs
    both models take turns on the same devices. A draft model must see the windows that the batch reports, if any.
    """
    verifying = batch.changed(tokens_each=drafted + 1)
    if draft is None:
        return model.step(verifying).latency_s
    if not (isinstance(model, Ring) and isinstance(draft, Ring)):
        return drafted * draft.step(batch).latency_s + model.step(verifying).latency_s
    longest = batch.longest_context
    drafting_s = drafted * draft.token_latency_s(longest)
    ahead_s = sum(model.slot_s(longest + position) for position in range(drafted))
    verifying_s = ahead_s + model.token_latency_s(longest + drafted, batch.sequences)
    return max(drafting_s + verifying_s, model.busy_s(verifying), drafted * draft.busy_s(batch))


def speed_tok_s(
    model: StepModel, batch: Batch, drafted: int, acceptance: float, draft: StepModel | None = None
) -> float:
    """Mean tokens per second that each sequence of the batch gets; `drafted` 0 is plain decoding."""
    return expected_tokens(acceptance, drafted) / round_s(model, batch, drafted, draft)


def speed_map(
    model: StepModel,
    batch: Batch,
    drafts: Sequence[int],
    acceptances: Sequence[float],
    draft: StepModel | None = None,
) -> tuple[tuple[float, ...], ...]:
    """Tokens per second by acceptance (rows) and drafted tokens (columns)."""
    rounds = [round_s(model, batch, drafted, draft) for drafted in drafts]
    return tuple(
        tuple(expected_tokens(a, drafted) / seconds for drafted, seconds in zip(drafts, rounds, strict=True))
        for a in acceptances
    )


def acceptance_needed(tokens: float, drafted: int) -> float | None:
    """The acceptance at which a round of `drafted` drafts yields `tokens` on average; None where none is enough.

    >>> round(acceptance_needed(1.75, 2), 9)
    0.5
    >>> acceptance_needed(3.5, 2) is None
    True
    """
    if tokens <= 1.0:
        return 0.0
    if tokens > drafted + 1:
        return None
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_tokens(middle, drafted) < tokens else (low, middle)
    return high


def kv_memory_beside(memory: KvMemory, draft_weights_bytes: float, draft_kv_bytes_per_token: float) -> KvMemory:
    """Room for keys and values that a draft model leaves where memory is pooled: on GPUs of one replica, or LPUs.

    The draft keeps KV of its own for every token. (On wafers a draft lies on one of them: `placement.with_draft`.)
    Beside layers with a window its layers join those that see everything, and all groups are padded to their number.
    """
    weights_bytes = memory.weights_bytes + draft_weights_bytes
    per_token, block = memory.bytes_per_token + draft_kv_bytes_per_token, memory.block_tokens
    if memory.windows:
        room = memory.pool * memory.block_bytes - draft_weights_bytes
        block_bytes = memory.block_bytes + block * draft_kv_bytes_per_token
        pool = max(0, int(room // block_bytes)) // memory.ranks * memory.ranks
        return replace(
            memory,
            tokens=memory.tokens * pool // memory.pool // block * block,
            bytes_per_token=per_token,
            weights_bytes=weights_bytes,
            longest=min(memory.longest, memory.alone_in(pool // memory.ranks)),
            pool=pool,
            block_bytes=block_bytes,
        )
    room = memory.tokens * memory.bytes_per_token - draft_weights_bytes
    of_ranks = block * memory.ranks
    tokens = max(0, int(room // per_token)) // of_ranks * of_ranks
    return KvMemory(tokens, block, per_token, weights_bytes, ranks=memory.ranks)
