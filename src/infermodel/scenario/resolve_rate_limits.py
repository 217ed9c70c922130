"""Rate limits of the schema to those of the simulation."""

from __future__ import annotations

from math import inf

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
