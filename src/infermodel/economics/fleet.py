"""Dollars per hour of a fleet: owned or rented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, log1p

from infermodel.economics.band import NOTHING, Band

HOUR_S = 3600.0
YEAR_H, MONTH_H = 8760, 730
YEAR_S = YEAR_H * HOUR_S  # prices are per calendar year of 8,760 h, and month of 730 h


@dataclass(frozen=True, slots=True)
class HourlyCost:
    """What a fleet costs an hour, in parts; bands in USD/h.

    Attributes:
        capital: annuity of the systems.
        network: annuity of switches and cables between them.
        spares: annuity of the spare systems.
        power: electricity, cooling included.
        colocation: space with power, instead of `power`.
        operations: people and maintenance.
        rental: instead of all others.
    """

    capital: Band = NOTHING
    network: Band = NOTHING
    spares: Band = NOTHING
    power: Band = NOTHING
    colocation: Band = NOTHING
    operations: Band = NOTHING
    rental: Band = NOTHING

    @property
    def parts(self) -> dict[str, Band]:
        """Name of each part to its USD/h."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def owning(self) -> Band:
        """USD/h of what was bought: systems, network, spares."""
        return self.capital + self.network + self.spares

    @property
    def running(self) -> Band:
        """USD/h of what is paid as time goes by: power or colocation, operations, rent."""
        return self.power + self.colocation + self.operations + self.rental

    @property
    def total(self) -> Band:
        """USD/h of all parts."""
        return sum(self.parts.values(), NOTHING)


def all_of(costs: Sequence[HourlyCost]) -> HourlyCost:
    """What several fleets cost together, part by part.

    >>> all_of([HourlyCost(rental=Band.exactly(2)), HourlyCost(power=Band.exactly(1))]).total.mid
    3.0
    """
    return HourlyCost(*(sum(each, NOTHING) for each in zip(*(cost.parts.values() for cost in costs), strict=True)))


def annuity(interest: float, periods: float) -> float:
    """Share of a purchase to pay each period so that it is paid off after `periods`; payments at each period's end.

    r / (1 - (1 + r)^-n), and 1/n without interest (straight line).

    Args:
        interest: per period, 0.08 for 8 %.
        periods: of the life, need not be whole.

    Raises:
        ValueError: no life, or interest of -100 % and below.

    >>> round(annuity(0.10, 5), 4)  # capital recovery factor A/P of any engineering-economics table
    0.2638
    """
    if periods <= 0 or interest <= -1:
        raise ValueError(f"an annuity needs a life and interest above -1, got {periods:g} periods at {interest:g}")
    if abs(interest) < 1e-12:
        return 1 / periods
    return -interest / expm1(-periods * log1p(interest))


def capital_usd_per_h(purchase_usd: Band, life_s: float, interest: float = 0.0) -> Band:
    """Annuity of a purchase by the hour, every hour of the year paid for, used or not.

    Args:
        purchase_usd: price paid once.
        life_s: seconds until it is worth nothing.
        interest: a year, 0.08 for 8 %.

    >>> round(capital_usd_per_h(Band.exactly(450_000), 4 * YEAR_S).mid, 2)  # 450,000 / 35,040 h
    12.84
    """
    return purchase_usd * (annuity(interest, life_s / YEAR_S) / (YEAR_S / HOUR_S))


def power_usd_per_h(power_w: float, pue: Band, usd_per_j: Band) -> Band:
    """Electricity of an hour at a mean power of the machines, with the site's overhead.

    Args:
        power_w: of the machines, mean over time.
        pue: site energy / machine energy, 1 or more.
        usd_per_j: price of energy (0.0867 USD/kWh is 2.41e-8).

    Raises:
        ValueError: a PUE below 1.
    """
    if pue.low < 1:
        raise ValueError(f"a PUE is at least 1, got {pue.low:g}")
    return pue * usd_per_j * (power_w * HOUR_S)


def colocation_usd_per_h(rated_w: float, usd_per_w_s: Band) -> Band:
    """Rent of space and power by the hour: paid for the rated power, whatever is drawn.

    Args:
        rated_w: power reserved.
        usd_per_w_s: 180 USD/kW-month is 180 / (1000 x 730 x 3600).
    """
    return usd_per_w_s * (rated_w * HOUR_S)


def owned(
    *,
    purchase_usd: Band,
    life_s: float,
    interest: float = 0.0,
    network_share: Band = NOTHING,
    spares_share: Band = NOTHING,
    operations_share: Band = NOTHING,
    power: Band = NOTHING,
    colocation: Band = NOTHING,
) -> HourlyCost:
    """USD/h of a fleet that one buys.

    Args:
        purchase_usd: of all systems of the fleet.
        life_s, interest: as in `capital_usd_per_h`; network and spares live as long.
        network_share: price of the network / price of the systems.
        spares_share: price of the spares / price of the systems.
        operations_share: people and maintenance / all other dollars.
        power: `power_usd_per_h`, or
        colocation: `colocation_usd_per_h`, which includes the power.

    Raises:
        ValueError: both power and colocation.
    """
    if power.high > 0 and colocation.high > 0:
        raise ValueError("colocation includes the power: give one of the two")
    capital = capital_usd_per_h(purchase_usd, life_s, interest)
    network, spares = capital * network_share, capital * spares_share
    rest = capital + network + spares + power + colocation
    return HourlyCost(capital, network, spares, power, colocation, operations=rest * operations_share)


def rented(devices: float, usd_per_device_s: Band) -> HourlyCost:
    """USD/h of a fleet that one rents by the device and second, power and operations included."""
    return HourlyCost(rental=usd_per_device_s * (devices * HOUR_S))
