"""Prices as a scenario writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from infermodel import catalog
from infermodel.economics.band import Band
from infermodel.scenario.errors import named
from infermodel.scenario.schema.values import (
    Block,
    Choice,
    Kind,
    Quantity,
    Text,
    is_name,
    refusal,
    refuse,
    refuse_below,
)


def prices_of(*categories: str) -> Choice:
    """Names of the catalog's prices; all are known, another category than these is refused when resolved."""
    return Choice(f"price ({' or '.join(categories)})", lambda: catalog.names("prices"))


@dataclass(frozen=True, eq=False)
class BandOf(Kind):
    """A price or share: a figure, a range {low, mid, high}, or a name of the catalog's prices.

    Attributes:
        quantity: what one figure measures.
        category: of the catalog price that may be named; empty for none.
    """

    quantity: Quantity
    category: str = ""

    def read(self, value: Any) -> Band | str:
        """The name, or the figure as a band in SI."""
        if isinstance(value, dict):
            return self._range(value)
        if self.category and is_name(value):
            return prices_of(self.category).read(value)
        return Band.exactly(self.quantity.read(value))

    def _range(self, value: dict[str, Any]) -> Band:
        if set(value) != {"low", "mid", "high"}:
            refuse(f"expected a figure or {{low, mid, high}}, got the keys {', '.join(value) or 'of nothing'}")
        low, mid, high = (self.quantity.read(value[key]) for key in ("low", "mid", "high"))
        if not low <= mid <= high:
            refuse("a range is low <= mid <= high")
        return Band(low, mid, high)

    def write(self, value: Band | str) -> Any:
        """The name, the figure, or the range in SI."""
        if isinstance(value, str):
            return value
        if value.is_exact:
            return self.quantity.write(value.mid)
        return {case: self.quantity.write(getattr(value, case)) for case in ("low", "mid", "high")}

    def unit(self) -> str:
        """For the reference table."""
        return f"{'price of the catalog, or ' if self.category else ''}{self.quantity.unit()}, or {{low, mid, high}}"


_LARGEST_SHARE = 10.0
Electricity = Annotated[Band | str, BandOf(Quantity("money_per_energy", "USD/J", at_most=1.0), "electricity")]
Colocation = Annotated[Band | str, BandOf(Quantity("money_per_power_time", "USD/J", at_most=1.0), "colocation")]
Purchase = Annotated[Band | str, BandOf(Quantity("money", "USD", at_most=1e12), "purchase")]
Rental = Annotated[Band | str, BandOf(Quantity("money_per_time", "USD/s", at_most=1e6), "rental")]
Pue = Annotated[Band | str, BandOf(Quantity("count", at_least=1.0, at_most=10.0), "pue")]
ShareBand = Annotated[Band | str, BandOf(Quantity("share", at_most=_LARGEST_SHARE))]
TokenPrice = Annotated[float, Quantity("money_per_token", "USD/tok", at_most=1.0)]


class Mix(Block):
    """Input to output tokens that a quoted price supposes."""

    input: Annotated[float, Quantity("count", at_most=1e6)] = Field(default=3.0, description="parts of input")
    output: Annotated[float, Quantity("count", at_most=1e6)] = Field(default=1.0, description="parts of output")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.input + self.output:
            refuse("both parts are zero")
        return self


class Prices(Block):
    """What owning and running costs. A service's block changes the keys that it names."""

    electricity: Electricity | None = Field(default=None, description="us-industrial-2024 of the catalog if omitted")
    colocation: Colocation | None = Field(default=None, description="space with power, instead of electricity and pue")
    pue: Pue | None = Field(
        default=None, description="site energy over machine energy; pue-liquid-colocation of the catalog if omitted"
    )
    life: Annotated[float, Quantity("time", "s", above=0.0, at_most=3.2e9)] | None = Field(
        default=None, description="until a system is worth nothing; 4 years if omitted"
    )
    interest: Annotated[float, Quantity("share", at_most=_LARGEST_SHARE)] | None = Field(
        default=None, description="a year; 8 % if omitted"
    )
    network: ShareBand | None = Field(default=None, description="network over price of the systems; 0 if omitted")
    spares: ShareBand | None = Field(default=None, description="spare systems over price of the systems; 0 if omitted")
    operations: ShareBand | None = Field(
        default=None, description="people, storage, maintenance over all other dollars; 20 to 35 % if omitted"
    )
    price_mix: Mix | None = Field(default=None, description="mix of the quoted price; 3 to 1 if omitted")

    @model_validator(mode="after")
    def _power_is_paid_once(self) -> Self:
        if self.colocation is not None and self.electricity is not None:
            refuse_below([(("colocation",), refusal("includes the power", "give it or 'electricity', not both"))])
        return self


class ListPrice(Block):
    """What the service is sold for."""

    input: TokenPrice = Field(description="of a prompt token")
    output: TokenPrice = Field(description="of an answer's token")
    cached: TokenPrice | None = Field(
        default=None, description="of a prompt token found in the prefix cache; that of any prompt token if omitted"
    )
    source: Annotated[str, Text(may_be_empty=True)] = Field(default="", description="where the price was published")


class ListKind(Kind):
    """A price list of the catalog, or the prices themselves."""

    def read(self, value: Any) -> ListPrice | str:
        """The name or the prices."""
        if isinstance(value, dict):
            return ListPrice.model_validate(value)
        if isinstance(value, str):
            return prices_of("list").read(value)
        refuse(f"expected {{input, output, cached, source}} or a price list of the catalog, got {named(value)}")

    def write(self, value: ListPrice | str) -> Any:
        """The name or the prices as a tree."""
        return value if isinstance(value, str) else value.model_dump(by_alias=True, exclude_none=True)

    def unit(self) -> str:
        """For the reference table."""
        return "price of the catalog, or mapping"


class Price(Block):
    """What a service costs and is sold for."""

    sold: Annotated[ListPrice | str, ListKind()] | None = Field(default=None, alias="list", description="list price")
    purchase: Purchase | None = Field(default=None, description="of one system, bought")
    rental: Rental | None = Field(default=None, description="of one device, rented: power and operations included")

    @model_validator(mode="after")
    def _bought_or_rented(self) -> Self:
        if self.purchase is not None and self.rental is not None:
            refuse_below([(("rental",), refusal("a fleet is bought or rented", "remove one of 'purchase', 'rental'"))])
        return self
