"""From a pool that reads prompts to one that decodes: what of it is said beforehand, data only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

from infermodel.engine import FirstToken, Overlap, Reserved

Role = Literal["both", "prefill", "decode"]
"""What a pool does with a request: all of it, its prompt and the first token, or the tokens after the first."""


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """What keys, values and states cross between two pools, and the habits of the engines at both ends.

    A transfer passes the network cards of the replica that sends, what all transfers share, and the cards of the
    replica that receives, cut through: each passes one transfer after the other at its own rate.

    Attributes:
        out_bytes_per_s: of all network cards of a prefilling replica together.
        in_bytes_per_s: of those of a decoding replica.
        shared_bytes_per_s: of what all transfers pass, such as a line between halls; infinite: there is no such thing.
        latency_s: of each transfer beside its bytes: asking for it, the way, and the notice that all has come.
        hop_s: from the end of the prompt until the decoding pool has the request: the router's way between the two.
        reserved: when blocks are reserved at the destination.
        overlap: what crosses while the prompt is still being read; it needs blocks that were reserved before.
        layers: of the model, for `overlap: layers`.
        first_token: who gives it out.
        kept_free_tokens: of KV memory, for each request that a decoding replica has, which no reservation takes (SGLang
            0.5.23: 512).

    Raises:
        ValueError: a rate is not positive, a time is negative, or the parts contradict each other.
    """

    out_bytes_per_s: float
    in_bytes_per_s: float
    shared_bytes_per_s: float = inf
    latency_s: float = 0.0
    hop_s: float = 0.0
    reserved: Reserved = "after_prefill"
    overlap: Overlap = "none"
    layers: int = 1
    first_token: FirstToken = "decode"
    kept_free_tokens: int = 0

    def __post_init__(self) -> None:
        if not all(rate > 0 for rate in (self.out_bytes_per_s, self.in_bytes_per_s, self.shared_bytes_per_s)):
            raise ValueError("a link without bandwidth: nothing would ever cross it")
        if not (min(self.latency_s, self.hop_s) >= 0 and self.kept_free_tokens >= 0 and self.layers >= 1):
            raise ValueError("a link's latency, hop and tokens kept free are 0 or more, a model's layers 1 or more")
        if self.overlap != "none" and self.reserved != "before_prefill":
            raise ValueError(f"overlap {self.overlap!r} needs blocks that are reserved before the prompt is read")


@dataclass(frozen=True, slots=True)
class ByPromptLength:
    """A first router among pools that do all of a request: the first pool gets prompts of up to `bounds[0]` tokens, the
    next those of up to `bounds[1]`, and so on; the last one gets all longer ones.

    Raises:
        ValueError: the bounds do not ascend.

    >>> [ByPromptLength((1000, 8000)).pool_of(prompt) for prompt in (1000, 1001, 9000)]
    [0, 1, 2]
    """

    bounds: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(low >= high for low, high in zip((0, *self.bounds), self.bounds, strict=False)):
            raise ValueError(f"bounds of prompts {self.bounds}: from 1 token on, and each above the one before")

    def pool_of(self, prompt_tokens: int) -> int:
        """The number of the pool that gets such a prompt."""
        return bisect_left(self.bounds, prompt_tokens)


@dataclass(frozen=True, slots=True)
class ByTenant:
    """A first router that sends each key to a pool of its own.

    Attributes:
        pools: number of the pool of each key.
    """

    pools: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lightest:
    """A first router that takes the pool with the fewest unfinished requests for each of its replicas that are up, the
    first of equals.
    """


FirstRule = ByPromptLength | ByTenant | Lightest
"""How a first router chooses among pools that do all of a request."""


class RolePool(Protocol):
    """Of a pool, what says where it stands on a request's way."""

    @property
    def role(self) -> Role:
        """What it does with a request."""
        ...

    @property
    def router(self) -> str:
        """How its replicas get requests."""
        ...


def knows(rule: FirstRule, pools: int) -> bool:
    """Whether a first router is one for so many pools."""
    if isinstance(rule, ByPromptLength):
        return len(rule.bounds) + 1 == pools
    return isinstance(rule, Lightest) or set(rule.pools) <= set(range(pools))


def known_pools(rule: FirstRule) -> str:
    """Of how many pools a first router knows, in words.

    >>> known_pools(ByPromptLength((1000,))), known_pools(ByTenant((0, 2, 0))), known_pools(Lightest())
    ('2 pools', '3 or more pools', 'pools')
    """
    if isinstance(rule, ByPromptLength):
        return f"{len(rule.bounds) + 1} pools"
    return "pools" if isinstance(rule, Lightest) else f"{max(rule.pools, default=0) + 1} or more pools"


def check_way(
    service: str, pools: Sequence[RolePool], link: LinkSpec | None, first_router: FirstRule | None = None
) -> None:
    """Hold the pools of a service to the ways that are played: some that each do all, or one that prefills and then one
    that decodes, with a link between them.

    Raises:
        ValueError: another number or order of pools, no link between two, one that leads nowhere, or a first router
            that knows of another number of pools.
    """
    roles = tuple(pool.role for pool in pools)
    if first_router is not None and (not knows(first_router, len(pools)) or set(roles) != {"both"}):
        raise ValueError(
            f"service {service!r} has a first router for {known_pools(first_router)} of role both, and pools of the "
            f"roles {', '.join(roles) or 'none'}"
        )
    if set(roles) == {"both"}:
        if link is not None:
            raise ValueError(f"service {service!r} has pools that each do all, and a link that leads nowhere")
        return
    if roles != ("prefill", "decode"):
        said = ", ".join(roles) or "none"
        raise ValueError(
            f"service {service!r} has pools of the roles {said}; requests go through one of some of role both, or "
            "through one of role prefill and then one of role decode"
        )
    if link is None:
        raise ValueError(f"service {service!r} prefills in one pool and decodes in another: it needs a link")
    if pools[1].router == "shared_queue":
        raise ValueError(
            f"service {service!r}: a decoding pool without a queue for each replica is not played: choose a router"
        )
