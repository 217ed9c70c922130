"""Rate limits as a scenario writes them."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from infermodel.scenario.errors import named
from infermodel.scenario.schema.objectives import Objectives
from infermodel.scenario.schema.types import Count, Degree, Flag, Index, Name, PositiveSeconds, Tokens, Weight
from infermodel.scenario.schema.values import Block, Refusals, refusal, refuse_below, weighed_alike

MOST_KEYS = 1_000_000
"""Of all tenants: each has a line of its own, some 700 bytes."""


class RateLimit(Block):
    """What a key may send in each period; the quota is full again when a period ends."""

    period: PositiveSeconds = Field(description="such as 1 min, 1 h or 24 h")
    requests: Count | None = Field(default=None, description="at most so many; no limit if omitted")
    tokens: Tokens | None = Field(default=None, description="prompt and requested output; no limit if omitted")


class Tenant(Block):
    """Keys that are alike."""

    name: Name = Field(description="unlike every other tenant's")
    keys: Degree = Field(
        default=1, description="how many, a million with those of the other tenants; each sends as much as the next"
    )
    share: Weight = Field(
        default=1.0, description="of the requests, against the other tenants' shares: numbers, or all in %"
    )
    limits: tuple[RateLimit, ...] = Field(default=(), description="of each key; none if omitted")
    priority: Index | None = Field(
        default=None, description="of its requests for the queues `priority` and `fair`; the traffic's if omitted"
    )
    objectives: Objectives | None = Field(default=None, description="promises to its users; the service's if omitted")

    @model_validator(mode="after")
    def _of_requests(self) -> Self:
        gaps = [each.name for each in self.objectives or () if each.metric == "itl"]
        if gaps:
            said = refusal("gaps between tokens are known of all tenants together", "write tpot instead")
            refuse_below([(("objectives", gaps[0]), said)])
        return self


class RateLimits(Block):
    """Keys, whose they are, and what each may send."""

    tenants: tuple[Tenant, ...] = Field(min_length=1, description="at least one")
    requested_output: Tokens | None = Field(
        default=None, description="output that each request asks for, and is charged; what it needs if omitted"
    )
    backs_off: Flag = Field(
        default=True, description="whether a refused client waits as it is told and tries again; else it gives up"
    )

    @field_validator("tenants", mode="before")
    @classmethod
    def _shares_alike(cls, tenants: object) -> object:
        if isinstance(tenants, list):
            said = {i: tenant for i, tenant in enumerate(tenants) if isinstance(tenant, dict)}
            weighed_alike(((i, "share"), tenant.get("share", "1, where none is given,")) for i, tenant in said.items())
        return tenants

    @model_validator(mode="after")
    def _names_differ_and_somebody_sends(self) -> Self:
        names = [tenant.name for tenant in self.tenants]
        said: Refusals = []
        for i, name in enumerate(names):
            if name in names[:i]:
                said.append((("tenants", i, "name"), refusal(f"another tenant has the name {named(name)} already")))
        if (keys := sum(tenant.keys for tenant in self.tenants)) > MOST_KEYS:
            said.append((("tenants",), refusal(f"{keys} keys in all, more than {MOST_KEYS}", "give tenants fewer")))
        if not any(tenant.share for tenant in self.tenants):
            said.append((("tenants", 0, "share"), refusal("all shares are zero")))
        if said:
            refuse_below(said)
        return self
