"""Prices of the schema to bands in SI."""

from __future__ import annotations

from typing import Any

from infermodel import catalog
from infermodel.catalog import CatalogError
from infermodel.economics.band import NOTHING, Band
from infermodel.hardware import System
from infermodel.scenario.document import KeyPath
from infermodel.scenario.resolved import ResolvedListPrice, ResolvedPrices
from infermodel.scenario.schema.money import ListPrice, Mix, Prices
from infermodel.scenario.schema.scenario import Service

YEAR_S = 365 * 86400.0

DEFAULTS = Prices.model_validate(
    {
        "electricity": "us-industrial-2024",
        "pue": "pue-liquid-colocation",
        "life": "4 year",
        "interest": "8 %",
        "network": "0 %",
        "spares": "0 %",
        "operations": {"low": "20 %", "mid": "27.5 %", "high": "35 %"},
        "price_mix": {"input": 3, "output": 1},
    }
)
"""What a scenario need not say. Life and interest are assumed; 20 to 35 % for network, storage and staff is what
cloud-price surveys add to a system (2026-09)."""


class PriceError(ValueError):
    """A price that does not belong where it is named.

    Attributes:
        path: of the key, below the service or scenario.
        suggestion: prices that do; may be empty.
    """

    def __init__(self, path: KeyPath, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.suggestion = suggestion


def merged_prices(scenario: Prices, service: Prices) -> Prices:
    """The service's keys over the scenario's over the defaults; colocation takes electricity's and PUE's place."""
    found: dict[str, Any] = {}
    for block in (DEFAULTS, scenario, service):
        said = {key: value for key, value in block if value is not None}
        if "colocation" in said:
            found.pop("electricity", None)
            found.pop("pue", None)
        elif "electricity" in said or "pue" in said:
            if "colocation" in found:
                found["electricity"], found["pue"] = DEFAULTS.electricity, DEFAULTS.pue
            found.pop("colocation", None)
        found |= said
    return Prices.model_construct(**found)


def resolve_prices(prices: Prices, service: Service, system: System, model: str) -> ResolvedPrices:
    """Bands in SI of what a service costs and is sold for.

    Args:
        prices: of `merged_prices`.
        model: name of the model, to find it in a price list.

    Raises:
        PriceError: a price of the catalog that is of another category, system, device or model.
    """
    mix = prices.price_mix or Mix()
    return ResolvedPrices(
        purchase_usd=_figure(service.price.purchase, ("price", "purchase"), "purchase", system.name),
        rental_usd_per_device_s=_figure(service.price.rental, ("price", "rental"), "rental", system.device.name),
        sold=_list_price(service.price.sold, model),
        electricity_usd_per_j=_figure(prices.electricity, ("prices", "electricity"), "electricity"),
        colocation_usd_per_w_s=_figure(prices.colocation, ("prices", "colocation"), "colocation"),
        pue=_figure(prices.pue, ("prices", "pue"), "pue") or Band.exactly(1.0),
        life_s=prices.life or 4 * YEAR_S,
        interest=prices.interest or 0.0,
        network_share=_figure(prices.network, ("prices", "network"), "") or NOTHING,
        spares_share=_figure(prices.spares, ("prices", "spares"), "") or NOTHING,
        operations_share=_figure(prices.operations, ("prices", "operations"), "") or NOTHING,
        price_mix=(mix.input, mix.output),
    )


def _figure(price: Band | str | None, path: KeyPath, category: str, of: str = "") -> Band | None:
    """The band of a price, looked up where it is a name."""
    if price is None or isinstance(price, Band):
        return price
    found = catalog.load_price(price)
    if found.category != category or found.figure is None:
        said = f"'{price}' is a price of the category {found.category}, not {category}"
        raise PriceError(path, said, _known(category, of))
    if of and found.of != of:
        raise PriceError(path, f"'{price}' is the {category} price of {found.of}, not of {of}", _known(category, of))
    return Band.of(found.figure)


def _known(category: str, of: str) -> str:
    """The catalog's prices of a category, of one thing where it is named, as a suggestion."""
    found = catalog.prices_in(category, of)
    return (
        f"one of {', '.join(price.name for price in found)}"
        if found
        else f"the catalog has none of {of}: write an amount"
    )


def _list_price(price: ListPrice | str | None, model: str) -> ResolvedListPrice | None:
    """The list price of a model, looked up where it is a name."""
    if price is None:
        return None
    if isinstance(price, ListPrice):
        return ResolvedListPrice(price.input, price.output, price.source, price.cached)
    found = catalog.load_price(price)
    if found.category != "list":
        raise PriceError(("price", "list"), f"'{price}' is a price of the category {found.category}, not list")
    try:
        tokens = found.tokens(model)
    except CatalogError as error:
        raise PriceError(("price", "list"), str(error)) from None
    dated = f"{tokens.input.source}, {tokens.input.date}" if tokens.input.date else tokens.input.source
    return ResolvedListPrice(tokens.input.value, tokens.output.value, dated)
