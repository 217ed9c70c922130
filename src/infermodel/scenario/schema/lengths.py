"""Laws of lengths as a scenario writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from infermodel.scenario.schema.types import Spread, Tokens, Weights
from infermodel.scenario.schema.values import Block, ByKind, Quantity, refusal, refuse_below


class Fixed(Block):
    """Always the same."""

    tokens: Tokens = Field(description="tokens of each")


class Uniform(Block):
    """Equally likely between two bounds."""

    low: Tokens = Field(description="least")
    high: Tokens = Field(description="greatest")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.high < self.low:
            refuse_below([(("high",), refusal(f"must be at least 'low', which is {self.low}"))])
        return self


class Lognormal(Block):
    """Lognormal, rounded to whole tokens; what lies outside the bounds is moved onto them."""

    mean: Annotated[float, Quantity("tokens", above=0.0, at_most=1e9)] = Field(description="mean before cutting")
    cv: Spread = Field(description="standard deviation over mean, before cutting")
    least: Tokens = Field(default=1, alias="min", description="lower bound")
    greatest: Tokens | None = Field(default=None, alias="max", description="upper bound; none if omitted")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.greatest is not None and self.greatest < self.least:
            refuse_below([(("max",), refusal(f"must be at least 'min', which is {self.least}"))])
        return self


class Table(Block):
    """An empirical law."""

    tokens: tuple[Tokens, ...] = Field(min_length=1, description="the lengths")
    weights: Weights | None = Field(default=None, description="how often each comes; equally if omitted")

    @model_validator(mode="after")
    def _one_weight_a_length(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.tokens):
            said = refusal(f"{len(self.weights)} weights for {len(self.tokens)} lengths; give one each")
            refuse_below([(("weights",), said)])
        if self.weights is not None and not sum(self.weights):
            refuse_below([(("weights",), refusal("all weights are zero"))])
        return self


class FromTrace(Block):
    """The trace's own; only with arrivals of kind trace, where it is the default."""


LENGTHS: Mapping[str, type[Block]] = {
    "fixed": Fixed,
    "uniform": Uniform,
    "lognormal": Lognormal,
    "table": Table,
    "trace": FromTrace,
}

Lengths = Fixed | Uniform | Lognormal | Table | FromTrace
LengthsField = Annotated[Lengths, ByKind("lengths", LENGTHS)]
