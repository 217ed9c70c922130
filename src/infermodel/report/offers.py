"""What others ask for the same tokens, or for the same devices by the hour: prices of the catalog, the newest first."""

from __future__ import annotations

from dataclasses import dataclass

from infermodel import catalog
from infermodel.economics.band import Band
from infermodel.scenario.resolved import ResolvedPool, ResolvedService

OWN_LIST = "list price of the scenario"
MOST_NAMED = 2
"""Prices of the catalog that are named where a service has none."""

MOST_OFFERS = 4


@dataclass(frozen=True)
class TokenOffer:
    """A list price of the service's model, USD per token.

    Attributes:
        name: in the catalog, or that the scenario names it.
        source: where it was published, and when.
    """

    name: str
    input_usd: float
    output_usd: float
    source: str

    def usd_per_token(self, input_share: float) -> float:
        """At a mix of input and output."""
        return self.input_usd * input_share + self.output_usd * (1 - input_share)


@dataclass(frozen=True)
class RentalOffer:
    """What a device of a pool is rented for, USD/s."""

    name: str
    usd_per_device_s: Band
    source: str


def token_offers(service: ResolvedService) -> list[TokenOffer]:
    """The scenario's list price, then each provider's newest that names the model, the cheapest first."""
    found, model = [], service.architecture.name
    newest = {}
    for price in catalog.prices_in("list"):  # names end with their date, so that the last of a provider is its newest
        if model in price.models:
            newest[price.of] = (price.name, price.models[model])
    for name, tokens in newest.values():
        source = f"{tokens.input.source}, {tokens.input.date}" if tokens.input.date else tokens.input.source
        found.append(TokenOffer(name, tokens.input.value, tokens.output.value, source))
    found.sort(key=lambda offer: (offer.input_usd + offer.output_usd, offer.name))
    sold = service.prices.sold
    own = [] if sold is None else [TokenOffer(OWN_LIST, sold.input_usd, sold.output_usd, sold.source)]
    return [*own, *found][:MOST_OFFERS]


def rental_offers(pool: ResolvedPool) -> list[RentalOffer]:
    """Rental prices of the pool's device as of the newest date that the catalog has, the cheapest first."""
    offers = [
        (price.figure.date, RentalOffer(price.name, Band.of(price.figure), price.figure.source))
        for price in catalog.prices_in("rental", pool.system.device.name)
        if price.figure is not None
    ]
    newest = max((date for date, _ in offers), default="")
    kept = [offer for date, offer in offers if date == newest]
    return sorted(kept, key=lambda offer: offer.usd_per_device_s.mid)[:MOST_OFFERS]


def unpriced(service: ResolvedService) -> str:
    """What to say where a service has no price: the catalog's for its systems, or that somebody must name one."""
    pools = service.pools
    found = [price.name for pool in pools for price in catalog.prices_of(pool.system.name, pool.system.device.name)]
    if found:
        return f"no price given; the catalog has {' and '.join(dict.fromkeys(found[:MOST_NAMED]))}"
    titles = " and ".join(dict.fromkeys(pool.system.title for pool in pools))
    return f"no price given, and none found of {titles}: name one under price, a rental or a purchase"
