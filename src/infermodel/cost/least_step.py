"""What no step of a replica beats: laws below the cost engine's, simple enough to add up over whole runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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


def seen_s(per_context_s: PerWindow, context: int) -> float:
    """Seconds of one token with a context.

    >>> seen_s({None: 2.0, 100: 1.0}, 300)
    700.0
    """
    return sum(s * (context if w is None else min(context, w)) for w, s in per_context_s.items())
