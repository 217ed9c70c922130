"""Speculative decoding as a scenario writes it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from infermodel import catalog
from infermodel.scenario.schema.values import Block, Choice, Kind, Quantity, Whole, refusal, refuse, refuse_below

NGRAM = "ngram"
"""Drafts looked up in the text so far; no model, no cost."""

_SHARE = Quantity("share", at_most=1.0)


class Acceptance(Kind):
    """One share for all drafts of a round, or one for each in order."""

    def read(self, value: Any) -> float | tuple[float, ...]:
        """The share or shares."""
        if not isinstance(value, list):
            return _SHARE.read(value)
        if not value:
            refuse("the list is empty; give a share for each draft")
        return tuple(_SHARE.read(each) for each in value)

    def write(self, value: float | tuple[float, ...]) -> Any:
        """The same."""
        return list(value) if isinstance(value, tuple) else value

    def unit(self) -> str:
        """For the reference table."""
        return f"{_SHARE.unit()}, or a list of them"


class Speculation(Block):
    """Drafts that the model verifies several at a time."""

    draft: Annotated[str, Choice("draft", lambda: (NGRAM, *catalog.names("models")))] = Field(
        description="a model of the catalog, or `ngram` for drafts that cost nothing"
    )
    tokens: Annotated[int, Whole(at_most=64)] = Field(description="drafted for each sequence in a round")
    acceptance: Annotated[float | tuple[float, ...], Acceptance()] = Field(
        description="probability that a draft is right where all before it were"
    )
    mode: Annotated[str, Choice("mode", ("expected", "sampled"))] = Field(
        default="expected", description="every round yields its mean, or what is drawn for it"
    )

    @model_validator(mode="after")
    def _one_share_a_draft(self) -> Self:
        if isinstance(self.acceptance, tuple) and len(self.acceptance) != self.tokens:
            said = refusal(f"{len(self.acceptance)} shares for {self.tokens} drafts; give one each")
            refuse_below([(("acceptance",), said)])
        return self
