"""Rate limits of the schema to those of the simulation."""

from __future__ import annotations

from math import inf

from infermodel.metrics.objectives import Objective
from infermodel.scenario.schema import rate_limits as schema
from infermodel.workload.quotas import RateLimit, RateLimits, Tenant


def resolve_rate_limits(asked: schema.RateLimits) -> RateLimits:
    """Tenants and their limits; what is not limited is infinite."""
    tenants = tuple(
        Tenant(
            name=tenant.name,
            keys=tenant.keys,
            share=tenant.share,
            limits=tuple(
                RateLimit(limit.period, float(limit.requests or inf), float(limit.tokens or inf))
                for limit in tenant.limits
            ),
            priority=tenant.priority,
        )
        for tenant in asked.tenants
    )
    return RateLimits(tenants, asked.requested_output, asked.backs_off)


def promised_to_tenants(
    asked: schema.RateLimits | None, promised: tuple[Objective, ...]
) -> tuple[tuple[Objective, ...], ...]:
    """The objectives of each tenant, the service's where it has none of its own (gaps aside, which are no tenant's)."""
    common = tuple(each for each in promised if each.metric != "itl")
    tenants = () if asked is None else asked.tenants
    return tuple(common if tenant.objectives is None else tenant.objectives for tenant in tenants)
