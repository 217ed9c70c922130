"""What a CFO asks of a run: dollars a month and a year, what a unit costs, and whether to own, rent or buy tokens."""

from __future__ import annotations

from math import inf, isfinite

from infermodel.economics.band import Band
from infermodel.economics.fleet import HOUR_S, MONTH_H, YEAR_H
from infermodel.economics.tokens import blended_usd_per_mtok, break_even_tokens_per_day
from infermodel.experiment.pricing import rented_devices
from infermodel.experiment.result import Economics, ServiceResult
from infermodel.metrics.summary import Summary
from infermodel.report.findings import Findings
from infermodel.report.grid import Cell, Grid
from infermodel.report.human import NONE, about, number, usd
from infermodel.report.offers import TokenOffer, rental_offers, token_offers
from infermodel.workload.traffic import ClosedTraffic, profile_of

ENDS, TO_HIGH = ("low", "mid", "high"), ("middle", "high")


def money(findings: Findings) -> list[Grid]:
    """Tables on dollars of the services that have a price; none where no service has any."""
    priced = [each for each in findings.services if each.economics.hourly.total.high > 0]
    if not priced:
        return []
    bought = [row for each in priced for row in offers(findings, each)]
    tables = [bills(priced), units(findings, priced)]
    if bought:
        tables.append(
            Grid(
                title="Own, rent, or buy the tokens",
                lead="Against what the fleet costs at the offered load, at the middle of its prices. Break-even: "
                "tokens a day, at the run's own mix, from which this fleet is cheaper than that price; beyond what it "
                "holds at its objectives it never is. Paid back: by the rent saved, less running costs.",
                heads=("service", "offer", "USD/Mtok", "USD a month", "this fleet", "break-even at low", *TO_HIGH),
                rows=bought,
                words=frozenset({1}),
            )
        )
    return tables


def bills(priced: list[ServiceResult]) -> Grid:
    """Capital and running costs of a month and of a year, low and high side by side."""
    rows: list[list[Cell]] = []
    for each in priced:
        hourly = each.economics.hourly
        month, year = hourly.total * MONTH_H, hourly.total * YEAR_H
        rows.append(
            [
                each.summary.service,
                *(usd((part * MONTH_H).mid) if part.high else NONE for part in (hourly.owning, hourly.running)),
                *(usd(getattr(month, end)) for end in ENDS),
                *(usd(getattr(year, end)) for end in ENDS),
            ]
        )
    return Grid(
        title="What it costs to have",
        lead="Dollars of the whole fleet at the offered load, paid whether it is busy or not: capital is the systems, "
        "network and spares over their life, running costs are power or colocation, operations, rent. A month has "
        f"{MONTH_H} hours. Low and high: the ends of every uncertain price together."
        f"{' Replicas that start and stop are paid for as in this run.' if any(map(scales, priced)) else ''}",
        heads=(
            *("service", "capital a month", "running a month"),
            *("a month, low", *TO_HIGH),
            *("a year, low", *TO_HIGH),
        ),
        rows=rows,
    )


def units(findings: Findings, priced: list[ServiceResult]) -> Grid:
    """What a request, a user and a million tokens cost, over the run, at its busiest and at capacity."""
    rows: list[list[Cell]] = []
    for each in priced:
        holds = each.summary.price_holds
        rows.append(unit_row(each, "over the run", each.summary, each.economics, holds))
        peak = busiest_per_mean(each, findings.result.scenario.duration_s)
        if peak > 1 and not scales(each):
            hourly, summary = each.economics.hourly.total, each.summary
            band, reason = blended_usd_per_mtok(hourly, summary.tpm * peak), "" if holds else summary.price_reason
            rows.append(priced_row(each, "at the busiest step", summary.rpm * peak, hourly, band, inf, reason))
        capacity = findings.capacities.get(each.summary.service)
        if capacity is not None and capacity.summary is not None and capacity.economics is not None:
            rows.append(unit_row(each, "at capacity", capacity.summary, capacity.economics, True))
    return Grid(
        title="What a unit costs",
        lead="Over the run counts its quiet hours, too: the price to budget with. At capacity is the least that this "
        "fleet can cost. A user is one that always has a request under way.",
        heads=(
            *("service", "load", "requests/min", "users", "a thousand requests", "a user a month"),
            *("USD/Mtok, low", *TO_HIGH),
        ),
        rows=rows,
        words=frozenset({1}),
    )


def unit_row(each: ServiceResult, load: str, summary: Summary, economics: Economics, holds: bool) -> list[Cell]:
    """At the load that a summary describes."""
    traffic = each.service.traffic
    users = traffic.users if isinstance(traffic, ClosedTraffic) and summary is each.summary else under_way(summary)
    reason = "" if holds else summary.price_reason
    band, hourly = economics.blended_usd_per_mtok, economics.hourly.total
    return priced_row(each, load, summary.rpm, hourly, band, users, reason)


def under_way(summary: Summary) -> float:
    """Requests under way on average, by Little's law; infinite where the time of an answer is withheld."""
    found = summary.rpm / 60 * summary.e2e_mean_s
    return found if found > 0 else inf


def priced_row(
    each: ServiceResult, load: str, rpm: float, hourly: Band, per_mtok: Band, users: float, reason: str
) -> list[Cell]:
    """A line; what does not hold is struck out, its reason beside the load."""
    requests = usd(hourly.mid / (60 * rpm) * 1000) if rpm else NONE
    told, user = (number(users), usd(hourly.mid * MONTH_H / users)) if isfinite(users) and users else (NONE, NONE)
    figures = [told, requests, user, *(usd(getattr(per_mtok, end)) for end in ENDS)]
    if reason:
        figures = [f"~~{figure}~~" for figure in figures]
    return [each.summary.service, (load, reason), number(rpm), *figures]


def scales(each: ServiceResult) -> bool:
    """Whether a rule starts and stops replicas, so that the bill follows the load."""
    return any(pool.scaling is not None for pool in each.service.pools)


def busiest_per_mean(each: ServiceResult, duration_s: float | None) -> float:
    """Rate of the busiest step that a run of a profile comes to, over that of the run; 1 without a profile."""
    profile = profile_of(each.service.traffic)
    if profile is None or not each.summary.rpm:
        return 1.0
    return 60 * profile.busiest_step(inf if duration_s is None else duration_s)[0] / each.summary.rpm


def offers(findings: Findings, each: ServiceResult) -> list[list[Cell]]:
    """Offers of others beside what this fleet costs; empty where the catalog has none."""
    if not each.summary.tpm:
        return []
    capacity = findings.capacities.get(each.summary.service)
    held = capacity.summary.tpm * 1440 if capacity is not None and capacity.summary is not None else inf
    return [rent_row(each, *rent) for rent in rents(each)] + [
        token_row(each, offer, held) for offer in token_offers(each.service)
    ]


def rents(each: ServiceResult) -> list[tuple[str, str, Band]]:
    """Name, source and USD/h of renting the devices of a service that owns its one pool."""
    if len(each.service.pools) > 1 or each.service.pool.prices.purchase_usd is None:
        return []
    pool = each.service.pool
    devices = rented_devices(pool) * HOUR_S
    return [(offer.name, offer.source, offer.usd_per_device_s * devices) for offer in rental_offers(pool)]


def rent_row(each: ServiceResult, name: str, source: str, rent: Band) -> list[Cell]:
    """Renting the same devices, and how many months of rent pay a purchase."""
    hourly, pool = each.economics.hourly, each.service.pool
    saved = (rent.mid - hourly.running.mid) * MONTH_H
    purchase = pool.prices.purchase_usd
    months = purchase.mid * pool.systems / saved if purchase is not None and saved > 0 else inf
    paid = f"paid back in {number(months, 2)} months" if isfinite(months) else "never paid back"
    return [
        each.summary.service,
        (f"rent: {name}", source),
        usd(rent.mid / (60 * each.summary.tpm) * 1e6),
        usd(rent.mid * MONTH_H),
        (usd(hourly.total.mid * MONTH_H), paid),
        NONE,
        NONE,
        NONE,
    ]


def token_row(each: ServiceResult, offer: TokenOffer, held: float) -> list[Cell]:
    """Buying the run's tokens, and the tokens a day from which the fleet is cheaper."""
    summary, hourly = each.summary, each.economics.hourly.total
    price = offer.usd_per_token(summary.itpm / summary.tpm)
    even = break_even_tokens_per_day(hourly, price)

    def tokens(value: float) -> Cell:
        return ("never", f"holds {counted(held)}") if value > held else counted(value)

    return [
        summary.service,
        (f"tokens: {offer.name}", offer.source),
        usd(price * 1e6),
        usd(price * summary.tpm * 60 * MONTH_H),
        usd(hourly.mid * MONTH_H),
        *(
            [(NONE, "the bill follows the load"), NONE, NONE]
            if scales(each)
            else [tokens(getattr(even, end)) for end in ENDS]
        ),
    ]


def counted(tokens: float) -> str:
    """Tokens in words that a budget has.

    >>> counted(8.26e8), counted(1.061e9), counted(2.5e12)
    ('826 million', '1.06 billion', '2,500 billion')
    """
    factor, word = (1e9, "billion") if tokens >= 1e9 else (1e6, "million")
    return f"{about(tokens / factor)} {word}"
