"""What the uncertain constants of a device leave open: the device at the ends of their ranges, and bands from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import hypot, isnan, nan
from typing import Any, NamedTuple

from infermodel.cost.step import DoesNotFit
from infermodel.hardware import Device, System


class Ends(NamedTuple):
    """A device with one of its constants at either end of its range."""

    constant: str
    low: Device
    high: Device


class Contribution(NamedTuple):
    """What an answer becomes when one constant goes to either end of its range; NaN where the model no longer fits."""

    constant: str
    at_low: float
    at_high: float


class Band(NamedTuple):
    """An answer, how far below and above it the constants' ranges reach, and which of them does how much.

    Attributes:
        low, high: deviations of the single constants added in quadrature, as of independent errors.
        contributions: of the constants that matter at all, the widest first.
    """

    low: float
    mid: float
    high: float
    contributions: tuple[Contribution, ...]


def with_constant(device: Device, constant: str, value: float) -> Device:
    """The device with another value of `constant`, named as in its provenance (`clock_hz`, `peak_flops.bf16`)."""
    field, _, key = constant.partition(".")
    changed: dict[str, Any] = {field: {**getattr(device, field), key: value} if key else value}
    return replace(device, **changed)


def range_ends(device: Device) -> Iterator[Ends]:
    """One entry for each constant of the device whose catalog entry states a range."""
    for constant, quantity in device.provenance.items():
        if quantity.low is not None and quantity.high is not None:
            low, high = with_constant(device, constant, quantity.low), with_constant(device, constant, quantity.high)
            yield Ends(constant, low, high)


def band(answer: Callable[[System], float], system: System, refit: Callable[[System], System] | None = None) -> Band:
    """An answer with the band that the device's ranges put around it.

    Args:
        answer: computes the figure from a system.
        system: the catalog's.
        refit: fits the calibrated constant again after another one was moved, so that what was fitted stays true:
            speeds that a fit pins down then have no band from the constants that the fit makes up for.
    """
    system = refit(system) if refit else system
    mid, below, above = answer(system), 0.0, 0.0
    contributions = []
    for ends in range_ends(system.device):
        fitted = refit is None or system.device.provenance[ends.constant].kind == "calibrated"
        at_low, at_high = (
            _answer_if_it_fits(answer, replace(system, device=device), None if fitted else refit)
            for device in (ends.low, ends.high)
        )
        known = [mid, *(end for end in (at_low, at_high) if not isnan(end))]
        below, above = hypot(below, mid - min(known)), hypot(above, max(known) - mid)
        if max(abs(at_low - mid), abs(at_high - mid)) > 1e-9 * abs(mid) or len(known) < 3:
            contributions.append(Contribution(ends.constant, at_low, at_high))
    contributions.sort(key=lambda one: -_width(one))
    return Band(mid - below, mid, mid + above, tuple(contributions))


def _width(one: Contribution) -> float:
    width = abs(one.at_high - one.at_low)
    return 0.0 if isnan(width) else width


def _answer_if_it_fits(
    answer: Callable[[System], float], system: System, refit: Callable[[System], System] | None
) -> float:
    try:
        return answer(refit(system) if refit else system)
    except DoesNotFit:
        return nan
