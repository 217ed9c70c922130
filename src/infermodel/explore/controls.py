"""What of a scenario a planner turns: the keys of its file that the page shows, with their values and ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import Any

from infermodel.answers.scenario import Scenario
from infermodel.architecture.precision import PRECISION_BYTES
from infermodel.catalog import load_system, names, prices_in
from infermodel.economics.band import Band
from infermodel.hardware import System
from infermodel.scenario.resolved import ResolvedPool, ResolvedService
from infermodel.scenario.schema.values import is_name
from infermodel.units import UnitError, parse, scale

Tree = Mapping[str, Any]

ALL = "All services"
"""Group of the keys that every service shares."""

DEGREES = (1, 2, 4, 8, 16, 32, 64, 72)

MEANS: Mapping[str, str] = {"lognormal": "mean", "fixed": "tokens"}
"""Key of the mean of a law of lengths, by its kind."""


@dataclass(frozen=True)
class Control:
    """One of them.

    Attributes:
        path: as `--set` takes it.
        group: service that it belongs to, or `ALL`.
        label: what people call it.
        unit: that is written after the number; empty for counts and names.
        value: a number in that unit, or a name.
        low, high: ends of its slider; equal where there is none.
        whole: whether only whole numbers make sense.
        choices: names or numbers to pick from; empty for a slider.
        beside: of a choice, what else changes with it: values by path.
    """

    path: str
    group: str
    label: str
    unit: str
    value: float | str
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    choices: tuple[str, ...] = ()
    beside: Mapping[str, Tree] = field(default_factory=dict)


def controls(scenario: Scenario) -> tuple[Control, ...]:
    """Those of a scenario, the shared ones first. Keys that hold names, laws or traces are the file's own business."""
    tree, services = scenario.resolved.tree, scenario.resolved.services
    parts = tree["services"]
    found: list[Control] = []
    if any(not part.get("traffic") for part in parts):
        found += traffic_controls("", ALL, tree.get("traffic") or {})
    if any(part.get("objectives") is None for part in parts):
        found += objective_controls("", ALL, tree.get("objectives") or {})
    for number, (part, service) in enumerate(zip(parts, services, strict=True)):
        found += service_controls(f"services.{number}.", part, service)
    return tuple(found)


def service_controls(prefix: str, part: Tree, service: ResolvedService) -> Iterator[Control]:
    """What one service has to itself."""
    yield from traffic_controls(prefix, service.name, part.get("traffic") or {})
    pools = part["fleet"].get("pools")
    if pools:
        for number, (each, pool) in enumerate(zip(pools, service.pools, strict=True)):
            where, called = f"{prefix}fleet.pools.{number}.", f"{pool.name}: "
            yield system_control(where, where, service.name, pool, each.get("price") or part.get("price"), called)
            yield from fleet_controls(where, service.name, each, pool, called)
            yield from batch_controls(where, service.name, each, called)
            yield from price_controls(where, service.name, pool, called)
    else:
        yield system_control(f"{prefix}fleet.", prefix, service.name, service.pool, part.get("price"))
        yield from fleet_controls(f"{prefix}fleet.", service.name, part["fleet"], service.pool)
        yield from batch_controls(prefix, service.name, part)
        yield from price_controls(prefix, service.name, service.pool)
    yield from owner_controls(prefix, service.name, service.pools[0])
    yield from objective_controls(prefix, service.name, part.get("objectives") or {})


def traffic_controls(prefix: str, group: str, traffic: Tree) -> Iterator[Control]:
    """Arrivals or users, and mean lengths, where they are figures."""
    arrivals = traffic.get("arrivals") or {}
    rate = quantity(arrivals.get("rate"), "/min")
    if rate is not None:
        yield slider(f"{prefix}traffic.arrivals.rate", group, "Requests", "/min", rate)
    if "users" in arrivals:
        yield slider(f"{prefix}traffic.arrivals.users", group, "Users", "", arrivals["users"], whole=True)
    for which, label in (("prompt_tokens", "Prompt tokens, mean"), ("output_tokens", "Answer tokens, mean")):
        law = traffic.get(which)
        if isinstance(law, Mapping) and (key := MEANS.get(law.get("kind", ""))):
            yield slider(f"{prefix}traffic.{which}.{key}", group, label, "", law[key], whole=key == "tokens")


def objective_controls(prefix: str, group: str, objectives: Tree) -> Iterator[Control]:
    """The limits that users were promised."""
    for name, limit in objectives.items():
        metric = name.partition("_")[0]
        unit = {"ttft": "s", "e2e": "s", "queue": "s", "tpot": "ms", "itl": "ms", "output": "tok/s"}.get(metric, "")
        value = quantity(limit, unit)
        if value is not None:
            yield slider(f"{prefix}objectives.{name}", group, objective_label(name), unit, value)


def objective_label(name: str) -> str:
    """As people say it.

    >>> objective_label("ttft_p99"), objective_label("output_speed_p5")
    ('TTFT p99', 'Output speed p5')
    """
    metric, _, percentile = name.rpartition("_")
    known = metric.upper() if metric in ("ttft", "tpot", "itl", "e2e") else metric.replace("_", " ").capitalize()
    return f"{known} {percentile}" if metric else name


def system_control(
    prefix: str, priced: str, group: str, pool: ResolvedPool, price: Tree | None, called: str = ""
) -> Control:
    """The system, to be chosen among those of its family, with the catalog's price of each where the file names one.

    Args:
        prefix: of the key `system`.
        priced: of the key `price`.
        price: of the file, of such a system.
    """
    own = pool.system
    known = (load_system(name) for name in names("systems"))
    alike = [each for each in known if each.device.family == own.device.family]
    beside = {
        each.name: {f"{priced}price.{key}": name for key, name in named_prices(price or {}, own, each).items()}
        for each in alike
        if each.name != own.name
    }
    choices = tuple(each.name for each in alike)
    return Control(f"{prefix}system", group, f"{called}System", "", own.name, choices=choices, beside=beside)


def named_prices(price: Tree, own: System, other: System) -> dict[str, str | None]:
    """What the catalog asks for another system, in place of the names that a price has: None where it knows none.

    >>> own, other = load_system("dgx-h100"), load_system("hgx-h200")
    >>> named_prices({"purchase": "dgx-h100"}, own, other), named_prices({"rental": "2 USD/h"}, own, other)
    ({'purchase': 'hgx-h200'}, {})
    >>> named_prices({"rental": "h100-sxm-neocloud-2026-09"}, own, other)
    {'rental': 'h200-sxm-neocloud-2026-09'}
    """
    found: dict[str, str | None] = {}
    for key, of, now in (("purchase", own.name, other.name), ("rental", own.device.name, other.device.name)):
        if is_name(name := price.get(key)):
            alike, known = name.replace(of, now), [price.name for price in prices_in(key, now)]
            found[key] = alike if alike in known else known[0] if known else None
    return found


def fleet_controls(prefix: str, group: str, fleet: Tree, pool: ResolvedPool, called: str = "") -> Iterator[Control]:
    """Number and layout of the systems."""
    yield slider(f"{prefix}systems", group, f"{called}Systems", "", fleet["systems"], whole=True)
    if pool.system.device.family == "gpu":
        most = pool.system.devices * fleet["systems"]
        degrees = tuple(str(each) for each in DEGREES if each <= max(most, fleet["tensor_parallel"]))
        label = f"{called}Tensor parallel"
        yield Control(f"{prefix}tensor_parallel", group, label, "", str(fleet["tensor_parallel"]), choices=degrees)
    elif fleet.get("devices_per_replica"):
        each = fleet["devices_per_replica"]
        yield slider(f"{prefix}devices_per_replica", group, f"{called}Devices a replica", "", each, whole=True)


def batch_controls(prefix: str, group: str, part: Tree, called: str = "") -> Iterator[Control]:
    """Limits of a step and of memory, number formats."""
    limits, precision = part.get("limits") or {}, part.get("precision") or {}
    for key, label in (("max_sequences", "Most sequences"), ("max_batched_tokens", "Most tokens a step")):
        if limits.get(key):
            yield slider(f"{prefix}limits.{key}", group, called + label, "", limits[key], whole=True)
    if precision.get("weights"):
        weights = precision["weights"]
        known = tuple(PRECISION_BYTES)
        yield Control(f"{prefix}precision.weights", group, f"{called}Weights", "", weights, choices=known)


def price_controls(prefix: str, group: str, pool: ResolvedPool, called: str = "") -> Iterator[Control]:
    """Dollars of a system or of a device's hour."""
    rental, purchase = pool.prices.rental_usd_per_device_s, pool.prices.purchase_usd
    if rental is not None:
        yield price(f"{prefix}price.rental", group, f"{called}Rent of a device", "USD/h", rental)
    if purchase is not None:
        yield price(f"{prefix}price.purchase", group, f"{called}Price of a system", "USD", purchase)


def owner_controls(prefix: str, group: str, pool: ResolvedPool) -> Iterator[Control]:
    """Life and power of what is bought, which a service's pools share."""
    prices = pool.prices
    if prices.purchase_usd is None:
        return
    years = prices.life_s / float(scale("year")[0])
    yield Control(f"{prefix}prices.life", group, "Life", "years", round(years, 3), 1.0, max(10.0, ceil(years)))
    if prices.electricity_usd_per_j is not None and prices.colocation_usd_per_w_s is None:
        power = prices.electricity_usd_per_j
        yield price(f"{prefix}prices.electricity", group, "Power price", "USD/kWh", power)


def price(path: str, group: str, label: str, unit: str, dollars: Band) -> Control:
    """A slider from the middle of a range; turned, it is a figure without a range."""
    return slider(path, group, label, unit, float(f"{dollars.mid / float(scale(unit)[0]):.6g}"))


def slider(path: str, group: str, label: str, unit: str, value: float, *, whole: bool = False) -> Control:
    """A control from a tenth of the value, or so, to ten times it."""
    low, high = ends(value)
    return Control(path, group, label, unit, value, max(1, low) if whole else low, high, whole)


def ends(value: float) -> tuple[float, float]:
    """Round figures about a tenth and ten times of a value; none around zero.

    >>> ends(120), ends(1), ends(0)
    ((10.0, 2000.0), (0.1, 10.0), (0.0, 0.0))
    """
    if value <= 0:
        return 0.0, 0.0
    below, above = value / 10, value * 10
    low, high = 10.0 ** floor(log10(below)), 10.0 ** floor(log10(above))
    return float(f"{low * floor(below / low + 1e-9):.12g}"), float(f"{high * ceil(above / high - 1e-9):.12g}")


def quantity(written: Any, unit: str) -> float | None:
    """A figure of the file in another unit; None for what is no single figure.

    >>> quantity("2.0 /s", "/min"), quantity(0.5, ""), quantity({"low": 1}, "s")
    (120.0, 0.5, None)
    """
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        return None
    try:
        return float(f"{parse(written) / float(scale(unit)[0]):.12g}")
    except UnitError:
        return None
