"""Prices: what systems cost to buy, devices to rent, power to draw, and tokens to have served by others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from infermodel.catalog.documents import CatalogError, did_you_mean
from infermodel.catalog.quantities import check_keys, quantities, quantity
from infermodel.hardware import Provenance, Quantity

Category = Literal["purchase", "rental", "electricity", "colocation", "pue", "list"]

_DIMENSIONS: Mapping[str, str] = {
    "purchase": "money",
    "rental": "money_per_time",
    "electricity": "money_per_energy",
    "colocation": "money_per_power_time",
    "pue": "count",
}


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD per token that a provider bills, of one model."""

    input: Quantity
    output: Quantity


@dataclass(frozen=True)
class Price:
    """One price, or one provider's list of prices per token.

    Attributes:
        category: `purchase` (USD for `of`, a system), `rental` (USD/s for `of`, a device), `electricity` (USD/J),
            `colocation` (USD per watt and second of rated power), `pue` (facility power / IT power), `list`.
        of: the system bought, the device rented, or the provider whose list it is; empty otherwise.
        figure: the price, SI units, with low and high where it is uncertain; None for a list.
        models: prices per token by model name, for a list.
    """

    name: str
    title: str
    category: Category
    of: str
    figure: Quantity | None = None
    models: Mapping[str, TokenPrice] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The price in SI units.

        Raises:
            CatalogError: this is a list, which has a price for each model.
        """
        if self.figure is None:
            raise CatalogError(f"{self.name!r} is a price list: ask for the price of a model")
        return self.figure.value

    def tokens(self, model: str) -> TokenPrice:
        """What the provider bills per token of `model`.

        Raises:
            CatalogError: the list does not name the model.
        """
        if model not in self.models:
            raise CatalogError(f"price list {self.name!r} has no {model!r}{did_you_mean(model, self.models)}")
        return self.models[model]

    @property
    def provenance(self) -> Provenance:
        """Every figure by its name."""
        found: dict[str, Quantity] = {} if self.figure is None else {self.category: self.figure}
        for model, price in self.models.items():
            found |= {f"{model}.input": price.input, f"{model}.output": price.output}
        return found


def price(name: str, content: Mapping[str, Any], where: str) -> Price:
    """A price from its file.

    Raises:
        CatalogError: the file misses something or holds something unknown.
    """
    check_keys(content, ("title", "category", "of", "figure", "models"), where)
    category = str(content.get("category"))
    if category == "list":
        models = {
            str(model): TokenPrice(
                **quantities(
                    check_keys(entry, ("input", "output"), f"{where}: {model}"),
                    {"input": "money_per_token", "output": "money_per_token"},
                    f"{where}: {model}",
                )
            )
            for model, entry in content["models"].items()
        }
        return Price(name, str(content["title"]), "list", str(content["of"]), None, models)
    if category not in _DIMENSIONS:
        raise CatalogError(f"{where}: category {category!r} is none of {', '.join((*_DIMENSIONS, 'list'))}")
    figure = quantity(content.get("figure"), _DIMENSIONS[category], f"{where}: figure")
    return Price(name, str(content["title"]), cast(Category, category), str(content.get("of", "")), figure)
