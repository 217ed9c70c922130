"""Published claims held against the model."""

from infermodel.claims.answer_claims import answer_claims, check_claims, services_at_capacity
from infermodel.claims.evidence import BadClaim

__all__ = ["BadClaim", "answer_claims", "check_claims", "services_at_capacity"]
