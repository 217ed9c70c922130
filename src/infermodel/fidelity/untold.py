"""What a calibration would have found without some rows.

Nothing is fitted again by search: of each of its fits the constants without them follow in closed form, as in
`crossing`. One that the other rows hardly tell falls to what the model takes where nobody tells it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from infermodel.cost.constants import KernelConstants
from infermodel.fidelity.calibrate import FIRST, LINK_OF, SHARED_ROOT, Calibration, grouped
from infermodel.fidelity.devices import DeviceFit
from infermodel.fidelity.engines import (
    BLOCKS,
    CONVERTED,
    EXPERT_LAYER,
    GROUPED,
    HOST,
    INGRESS,
    LATENT_LAYER,
    LAUNCH,
    NARROW_EXPERTS,
    OWN_BLOCKS,
    SHARING,
    TOKENISE,
    EngineFit,
)
from infermodel.fidelity.fit import RIDGE
from infermodel.fidelity.rows import Row

SISTERS: Mapping[str, str] = {
    "h100-sxm": "a100-sxm-80gb",
    "a100-sxm-80gb": "h100-sxm",
    "l40s": "h100-sxm",
    "b200": "h100-sxm",
}
"""Devices with kernel tables, and whose constants each takes without its own: of the next generation, the earlier one
where there are two. What the sister has no units for stays as of an uncalibrated GPU."""

AS = {CONVERTED.name: GROUPED.name, NARROW_EXPERTS.name: CONVERTED.name, OWN_BLOCKS.name: BLOCKS.name}
"""Constants that are as others are where no row tells them."""

STARTS = {each.name: each.start for each in (*HOST, INGRESS, LAUNCH, TOKENISE, EXPERT_LAYER, LATENT_LAYER)}


def without(found: Calibration, left_out: Sequence[Row], devices: Collection[str] = ()) -> Calibration:
    """What a calibration would have found without some rows, and without the kernel tables of some devices."""
    ids = {row.id for row in left_out}
    tables = {fit.device: fit for fit in found.devices}
    left = Calibration(
        tuple(_as_sister(fit, tables[SISTERS[fit.device]]) if fit.device in devices else fit for fit in found.devices),
        {},
    )
    if FIRST in found.served:
        left = replace(left, served={FIRST: _fit_without(found.served[FIRST], ids, left)})
    for entry, fit in found.engines.items():
        left = replace(left, engines={**left.engines, entry: _fit_without(fit, ids, left)})
    for device, fit in found.served.items():
        if device != FIRST:
            left = replace(left, served={**left.served, device: _fit_without(fit, ids, left)})
    for some, fit in found.on_some.items():
        engine = left.engines[some.entry].fit.constants if some.entry in left.engines else {}
        left = replace(left, on_some={**left.on_some, some: _fit_without(fit, ids, left, engine)})
    return left


def _as_sister(own: DeviceFit, sister: DeviceFit) -> DeviceFit:
    """A device with the constants of its sister; links that only its own kind has as where nobody measured them."""
    untold = {name: float(getattr(KernelConstants(), name)) for name in (*own.values, *own.dropped)}
    shared = {SHARING.name: SHARED_ROOT} if own.device in LINK_OF.values() else {}
    values = {**untold, **sister.values, **dict.fromkeys(sister.dropped, 0.0), **shared}
    return replace(own, values=values, dropped={})


def _fit_without(
    fitted: EngineFit, ids: Collection[str], left: Calibration, engine: Mapping[str, float] = MappingProxyType({})
) -> EngineFit:
    """A fit without some rows: one step from the optimum, and by rule what they alone told.

    Args:
        left: what other fits found without them.
        engine: constants that hold on other devices.
    """
    mask = np.array([fitted.rows[each.row].id in ids for each in fitted.observations])
    if not mask.any():
        return fitted
    moved, _ = fitted.fit.without(mask)
    known = fitted.fit.known_without(mask)
    told = {name: value for name, value in moved.items() if known[name] >= RIDGE}
    beside = {**{name: value for name, (value, _, _) in grouped(left).items()}, **engine, **told}
    values = {name: told[name] if name in told else by_rule(name, beside) for name in moved}
    return replace(fitted, fit=replace(fitted.fit, values=values))


def by_rule(name: str, beside: Mapping[str, float]) -> float:
    """What the model takes for a constant that no row tells: as elsewhere, or as another constant, else what an
    uncalibrated GPU has, or where its first fit began, which is what the laws count where they count anything.

    Args:
        beside: constants that are told.

    >>> by_rule("expert_layer_s", {}), by_rule("narrow_expert_efficiency", {"grouped_efficiency": 0.7})
    (2.4e-05, 0.7)
    """
    as_another = name
    while as_another not in beside and as_another in AS:
        as_another = AS[as_another]
    if as_another in beside:
        return beside[as_another]
    return SHARED_ROOT if name == SHARING.name else STARTS.get(name, float(getattr(KernelConstants(), name, 1.0)))
