"""Speculative decoding as a scenario writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from infermodel import catalog
from infermodel.scenario.schema.types import ModelChoice
from infermodel.scenario.schema.values import Block, Choice, Kind, Quantity, Whole, refusal, refuse, refuse_below

NGRAM = "ngram"
"""Drafts looked up in the text so far; no model, no cost."""
MTP = "mtp"
"""Drafts by layers of the model itself."""
EAGLE3 = "eagle3"
"""Drafts by a layer that was trained to follow the model."""

_SHARE = Quantity("share", at_most=1.0)

Shares = float | tuple[float, ...]
"""One share for all drafts of a round, or one for each in order."""


@dataclass(frozen=True)
class AcceptanceRange:
    """Acceptances that are known only within a range, draft by draft low <= mid <= high."""

    low: Shares
    mid: Shares
    high: Shares


def of_each(shares: Shares, drafts: int) -> tuple[float, ...]:
    """A share for each of so many drafts.

    >>> of_each(0.8, 3), of_each((0.8, 0.6), 2)
    ((0.8, 0.8, 0.8), (0.8, 0.6))
    """
    return shares if isinstance(shares, tuple) else (shares,) * drafts


class Acceptance(Kind):
    """One share for all drafts of a round, one for each in order, or a range of either."""

    def read(self, value: Any) -> Shares | AcceptanceRange:
        """The share or shares, or their range."""
        if not isinstance(value, dict):
            return self._shares(value)
        if set(value) != {"low", "mid", "high"}:
            refuse(f"expected shares or {{low, mid, high}}, got the keys {', '.join(value) or 'of nothing'}")
        low, mid, high = (self._shares(value[key]) for key in ("low", "mid", "high"))
        drafts = max(len(each) if isinstance(each, tuple) else 1 for each in (low, mid, high))
        ends = [of_each(each, drafts) for each in (low, mid, high)]
        if not all(a <= b <= c for a, b, c in zip(*ends, strict=False)):
            refuse("a range is low <= mid <= high, for each draft")
        return AcceptanceRange(low, mid, high)

    def _shares(self, value: Any) -> Shares:
        if not isinstance(value, list):
            return _SHARE.read(value)
        if not value:
            refuse("the list is empty; give a share for each draft")
        return tuple(_SHARE.read(each) for each in value)

    def write(self, value: Shares | AcceptanceRange) -> Any:
        """The same as a tree."""
        if isinstance(value, AcceptanceRange):
            return {key: self.write(getattr(value, key)) for key in ("low", "mid", "high")}
        return list(value) if isinstance(value, tuple) else value

    def unit(self) -> str:
        """For the reference table."""
        return f"{_SHARE.unit()}, a list of them, or {{low, mid, high}} of either"


class Speculation(Block):
    """Drafts that the model verifies several at a time."""

    draft: Annotated[str, ModelChoice("draft", lambda: (NGRAM, MTP, EAGLE3, *catalog.names("models")))] = Field(
        description="a model of the catalog; `mtp`, the model's own layers that draft; `eagle3`, a layer trained to"
        " follow it; `ngram`, drafts that cost nothing"
    )
    parameters: Annotated[float, Quantity("count", above=0.0, at_most=1e12)] | None = Field(
        default=None, description="of an `eagle3` draft; as wide as the model's own layers if omitted"
    )
    tokens: Annotated[int, Whole(at_most=64)] = Field(description="drafted for each sequence in a round")
    acceptance: Annotated[float | tuple[float, ...] | AcceptanceRange, Acceptance()] = Field(
        description="probability that a draft is right where all before it were; of a range `--draws` takes all of it"
    )
    mode: Annotated[str, Choice("mode", ("expected", "sampled"))] = Field(
        default="expected", description="every round yields its mean, or what is drawn for it"
    )

    @model_validator(mode="after")
    def _one_share_a_draft(self) -> Self:
        known = self.acceptance
        said = (known.low, known.mid, known.high) if isinstance(known, AcceptanceRange) else (known,)
        for each in said:
            if isinstance(each, tuple) and len(each) != self.tokens:
                wrong = refusal(f"{len(each)} shares for {self.tokens} drafts; give one each")
                refuse_below([(("acceptance",), wrong)])
        return self

    @model_validator(mode="after")
    def _size_of_what_has_one(self) -> Self:
        if self.parameters is not None and self.draft != EAGLE3:
            refuse_below([(("parameters",), refusal(f"are of an {EAGLE3!r} draft, and {self.draft!r} has its own"))])
        return self
