"""How a router chooses among pools that each do all of a request, as a scenario writes it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from infermodel.scenario.schema.types import Tokens
from infermodel.scenario.schema.values import Block, refusal, refuse_below


class ByPromptLength(Block):
    """Each pool has prompts up to its bound, the last one all longer ones."""

    bounds: tuple[Tokens, ...] = Field(
        min_length=1, description="ascending, one fewer than there are pools: longest prompts of all but the last"
    )

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        for place, (low, high) in enumerate(pairwise(self.bounds), 1):
            if low >= high:
                refuse_below([(("bounds", place), refusal("is not above the bound before it"))])
        return self


class ByTenant(Block):
    """Each tenant of `rate_limits` has a pool."""

    pools: dict[str, str] = Field(description="name of each tenant, and of its pool")


class Lightest(Block):
    """The pool with the fewest unfinished requests for each of its replicas that are up."""


class InTurn(Block):
    """Each pool in turn."""


FIRST_ROUTERS: Mapping[str, type[Block]] = {
    "in_turn": InTurn,
    "least_outstanding": Lightest,
    "prompt_length": ByPromptLength,
    "tenant": ByTenant,
}
