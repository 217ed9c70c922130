"""Captured graphs of steps: which steps replay one, and the sizes to which they are padded."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from infermodel.cost.deployment import Deployment
from infermodel.cost.forever import FOREVER
from infermodel.engine import Engine

WIDE = 4
"""Tensor-parallel GPUs from which on SGLang captures larger decoding steps (0.5.23)."""

TWICE = 2
"""Captured tokens for each sequence that may run, at most (vLLM 0.10.2 to 0.33.0)."""


SEQUENCES = ("graph_sequences", "graph_sequences_wide")
"""Constants that count the sequences of the largest captured step."""


def captured_sequences(deployment: Deployment, engine: Engine) -> float:
    """The largest step of decoding alone that replays a graph of its own kind, in sequences; 0: no such kind."""
    return engine.constants.get(SEQUENCES[deployment.tensor_parallel >= WIDE], 0.0)


def largest_captured(deployment: Deployment, engine: Engine, *, prompts: bool) -> int:
    """Tokens of the largest step that replays a graph; endless for decoding where nobody says how large.

    Source: vLLM 0.33.0, at most twice `max_sequences` and no more than a step may have; SGLang 0.5.23, decoding alone.
    """
    tokens = engine.constants.get("graph_tokens")
    if tokens is not None:
        return int(min(tokens, TWICE * deployment.max_sequences, deployment.max_batched_tokens))
    if prompts:
        return 0
    return int(captured_sequences(deployment, engine)) or FOREVER


def of_rounds(engine: Engine, tokens_each: int) -> Engine:
    """An engine as it captures steps of so many tokens a sequence: one whose sizes are sequences (SGLang 0.5.23)
    captures as many of them as without drafts; one whose sizes are tokens (vLLM 0.33.0) keeps its sizes.
    """
    wider = {name: most * tokens_each for name, most in engine.constants.items() if name in SEQUENCES}
    if not wider:
        return engine
    sizes = tuple((first * tokens_each, step * tokens_each) for first, step in engine.graph_sizes)
    return replace(engine, constants={**engine.constants, **wider}, graph_sizes=sizes)


def padded(tokens: int, sizes: tuple[tuple[int, int], ...], largest: int) -> int:
    """Tokens that a step of so many is run with: the next captured size, itself where it replays no graph.

    Args:
        sizes: `Engine.graph_sizes`.
        largest: captured, in the series of sizes or not.

    >>> vllm = ((1, 1), (2, 2), (4, 4), (8, 8), (256, 16))
    >>> [padded(tokens, vllm, 512) for tokens in (1, 3, 5, 9, 249, 257, 512, 513)]
    [1, 4, 8, 16, 256, 272, 512, 513]
    """
    if not sizes or tokens > largest:
        return tokens
    for (first, step), (after, _) in zip(sizes, (*sizes[1:], (FOREVER, 0)), strict=True):
        if tokens < after:
            size = first + ceil(max(0, tokens - first) / step) * step
            return min(size, after, largest)
    return tokens


def graphs(sizes: tuple[tuple[int, int], ...], most: int) -> int:
    """How many captured sizes there are up to `most`.

    >>> graphs(((4, 4), (32, 16)), 64), graphs(((1, 1), (2, 2), (4, 4), (8, 8)), 16)
    (10, 5)
    """
    ends = (*(first for first, _ in sizes[1:]), most + 1)
    return sum(len(range(first, min(end, most + 1), step)) for (first, step), end in zip(sizes, ends, strict=True))
