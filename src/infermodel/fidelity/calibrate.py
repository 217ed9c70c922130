"""Calibration from end to end: kernel tables to devices, served rows to engines, both into the catalog's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from infermodel import catalog
from infermodel.fidelity import published
from infermodel.fidelity.by_device import ON_SOME, OnSome, anybody, has_experts, telling
from infermodel.fidelity.devices import DeviceFit, fit_device
from infermodel.fidelity.engines import (
    CONVERTED,
    DEVICE_CONSTANTS,
    FITTED,
    GROUPED,
    SHARING,
    SINKS,
    EngineFit,
    fit_engine,
    rows_of,
)
from infermodel.fidelity.fit import Parameter
from infermodel.fidelity.rows import Row
from infermodel.hardware import GpuDevice

KERNEL_FIT = "kernel-tables-2026"
SERVING_FIT = "served-rows-2026"

MEASURED: Mapping[str, str] = {
    "h100-sxm": "dgx-h100",
    "a100-sxm-80gb": "dgx-a100",
    "l40s": "l40s-8",
    "b200": "dgx-b200",
}
"""Devices with kernel tables, and the system whose links their collectives ran on."""

RELATED: Mapping[str, tuple[str, bool]] = {
    "h200-sxm": ("h100-sxm", True),
    "gh200": ("h100-sxm", True),
    "gb200": ("b200", True),
    "a100-pcie-80gb": ("a100-sxm-80gb", True),
    "rtx-4090": ("l40s", True),
    "rtx-pro-6000": ("l40s", False),
    "mi300x": ("h100-sxm", False),
    "h100-pcie": ("h100-sxm", True),
    "h100-nvl": ("h100-sxm", True),
    "b300": ("b200", True),
    "gb300": ("b200", True),
    "mi325x": ("h100-sxm", False),
    "mi355x": ("h100-sxm", False),
    "rubin": ("b200", False),
    "h20": ("h100-sxm", True),
    "h200-nvl": ("h100-sxm", True),
    "l4": ("l40s", True),
    "a10g": ("a100-sxm-80gb", False),
    "rtx-3090": ("a100-sxm-80gb", False),
    "rtx-5090": ("l40s", False),
    "gb10": ("l40s", False),
    "mi455x": ("h100-sxm", False),
    **dict.fromkeys(published.NO_KIN, ("h100-sxm", False)),
}
"""Devices without tables: whose constants they take with their own datasheet's peaks, and whether they share its
architecture. Those of `published.NO_KIN` take none: all they have is in `published.OWN`."""


HOPPER = frozenset({"h100-sxm", "h200-sxm", "gh200", "h100-pcie", "h100-nvl", "h20", "h200-nvl"})

LINK = (
    "all_reduce_floor_s",
    "all_reduce_gpu_s",
    "link_efficiency",
    "bulk_floor_s",
    "bulk_efficiency",
    "link_sharing",
)
"""Constants of collectives: they belong to how GPUs are joined."""

LINK_OF: Mapping[str, str] = dict.fromkeys(("a100-pcie-80gb", "h100-pcie", "h100-nvl", "a10g", "rtx-3090"), "l40s")
"""Devices that are joined otherwise than the one whose other constants they take: whose collectives are like theirs."""


MANY_USERS = 64
"""At most, of loads that tell how quick kernels of a device are: more take a calibration long, and tell no more."""


class Told(NamedTuple):
    """What served rows tell of a device: by whom served, on which GPUs, and what.

    Attributes:
        told: whether a row's model tells it.
    """

    entry: str
    gpus: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    told: Callable[[Row], bool] = anybody

    def rows(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Those that tell it; not those of ranks of attention, of which nobody says how they share out prompts, and of
        servers that may verify drafts."""
        there = [row for row in rows if row.gpu in self.gpus and row.attention_data_parallel <= 1]
        return telling(self.entry, [row for row in there if not row.concurrency > MANY_USERS], self.told)


SERVED: Mapping[str, Told] = {
    "h100-sxm": Told("tensorrt-llm-0.17", ("h100-sxm", "a100-sxm-80gb"), (GROUPED,), has_experts),
    "a100-sxm-80gb": Told("vllm-0.10", ("a100-sxm-80gb",), (replace(CONVERTED, start=0.3), SINKS)),
    "l40s": Told("tensorrt-llm-0.17", ("l40s",), (SHARING,)),
    "b200": Told("tensorrt-llm", ("b200",), (GROUPED,), has_experts),
}
"""Devices of which served rows tell constants that their kernel tables do not hold, or hold of one odd server only (the
eight L40S of the tables reach 2 GB/s). Mixtral tells how quick experts are on H100 and A100, gpt-oss and DeepSeek R1 on
Blackwell, where one kernel does all of them. Ampere's kernels widen experts as no others do, and attention with sinks
is a slower kernel there."""

FIRST = "h100-sxm"
"""Of these, the one that all fits of engines and other devices rest on."""

SHARED_ROOT = 0.5
"""`link_sharing` of GPUs joined by PCIe on servers that nobody measured: between switches, and one root complex for
all."""


def fit_devices(folder: Path) -> tuple[DeviceFit, ...]:
    """Fit every device that the kernel tables hold."""
    return tuple(fit_device(catalog.load_system(system), folder) for system in MEASURED.values())


@dataclass(frozen=True)
class Calibration:
    """Devices and engines fitted one after the other: each fit takes what those before it found for given.

    Attributes:
        served: by device, what rows told of it that are in `SERVED`.
        on_some: what rows told of engines on some devices.
    """

    devices: tuple[DeviceFit, ...]
    engines: Mapping[str, EngineFit]
    served: Mapping[str, EngineFit] = field(default_factory=dict)
    on_some: Mapping[OnSome, EngineFit] = field(default_factory=dict)


def calibration(
    rows: Sequence[Row],
    folder: Path,
    entries: Sequence[str],
    *,
    further: Sequence[Row] = (),
    kernels: bool,
    jobs: int = 1,
) -> Iterator[Calibration]:
    """What is known after each fit: all devices with kernel tables first, and what served rows tell of `FIRST`, then
    engine by engine as `FITTED` lists them, then the other devices as `SERVED` does, and engines on some devices as
    `ON_SOME` does.

    Args:
        further: rows that tell constants of devices, and of engines on some devices.
        folder: of the measurement file; tables lie in `kernels` below it.
        entries: engines to fit.
        kernels: whether to fit devices; else the catalog's constants stand.
        jobs: processes.
    """
    found = Calibration(fit_devices(folder / "kernels") if kernels else (), {})
    found = served(found, FIRST, further, folder, jobs)
    yield found
    for entry in (name for name in FITTED if name in entries):
        starts = from_catalog(FITTED[entry], known_of(entry, rows_of(entry, rows)))
        fit = fit_engine(entry, fitted_to(rows), folder, devices=device_values(found), parameters=starts, jobs=jobs)
        found = replace(found, engines={**found.engines, entry: fit})
        yield found
    for device in (name for name in SERVED if name != FIRST):
        found = served(found, device, further, folder, jobs)
        yield found
    for some in ON_SOME:
        tell = some.told_by((*rows, *further))
        if further and some.entry in entries and tell:
            given = given_to(some, found)
            starts = from_catalog(some.parameters, known_of(some.entry, tell))
            fit = fit_engine(
                some.entry, tell, folder, devices=device_values(found), given=given, parameters=starts, jobs=jobs
            )
            found = replace(found, on_some={**found.on_some, some: fit})
            yield found


def served(found: Calibration, device: str, further: Sequence[Row], folder: Path, jobs: int) -> Calibration:
    """What is known after rows told what they tell of a device; the same where there are none."""
    told = SERVED[device]
    rows = told.rows(further)
    if not rows:
        return found
    given = found.engines[told.entry].fit.constants if told.entry in found.engines else {}
    starts = from_catalog(told.parameters, known_of(told.entry, rows))
    fit = fit_engine(told.entry, rows, folder, devices=device_values(found), given=given, parameters=starts, jobs=jobs)
    return replace(found, served={**found.served, device: fit})


def given_to(some: OnSome, found: Calibration) -> dict[str, float]:
    """Constants of its engine that this calibration has found, as they hold on its first GPU."""
    given = dict(found.engines[some.entry].fit.constants) if some.entry in found.engines else {}
    for other, fit in found.on_some.items():
        if other.entry == some.entry and some.gpus[0].startswith(other.named):
            given |= fit.fit.constants
    return {name: value for name, value in given.items() if name not in {each.name for each in some.parameters}}


def known_of(entry: str, rows: Sequence[Row]) -> dict[str, float]:
    """Constants that the catalog holds of an engine and of the first row's device."""
    device = catalog.load_device(rows[0].gpu)
    engine = catalog.load_engine(entry).on(device)
    fields = {name: float(getattr(engine, name)) for name in ("host_step_s", "host_sequence_s", "ingress_s")}
    return fields | dict(engine.constants) | (dict(device.constants) if isinstance(device, GpuDevice) else {})


def from_catalog(parameters: Sequence[Parameter], known: Mapping[str, float]) -> tuple[Parameter, ...]:
    """Parameters that start where the last calibration ended, since every look at them plays all rows; those that the
    catalog does not hold, or holds at zero, where they say.

    >>> [each.start for each in from_catalog((CONVERTED, SINKS), {CONVERTED.name: 0.2, SINKS.name: 0.0})]
    [0.2, 0.4]
    """
    return tuple(replace(each, start=known.get(each.name) or each.start) for each in parameters)


def fitted_to(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows that constants of engines are fitted to: not those of a GPU that borrows another architecture's
    constants, which only say how far these carry, unless there are no others.
    """
    return [row for row in rows if RELATED.get(row.gpu, ("", True))[1]] or rows


def told_by_rows(name: str) -> frozenset[str]:
    """Constants of a device that its own served rows tell, or those of one of its architecture, links apart.

    >>> sorted(told_by_rows("a100-pcie-80gb")), sorted(told_by_rows("rtx-4090")), sorted(told_by_rows("l40s"))
    (['grouped_converted_efficiency', 'sink_attention_efficiency'], [], ['link_sharing'])
    """
    kin, alike = RELATED.get(name, ("", False))
    own = {each.name for each in SERVED[name].parameters} if name in SERVED else set()
    theirs = {each.name for each in SERVED[kin].parameters} - {*LINK} if alike and kin in SERVED else set()
    return frozenset(own | theirs)


def told_values(name: str, found: Calibration) -> dict[str, float]:
    """Their values: as rows told them in this calibration, else as the catalog holds them."""
    of = name if name in SERVED else RELATED.get(name, ("", False))[0]
    device = catalog.load_device(name)
    known = dict(device.constants) if isinstance(device, GpuDevice) else {}
    if of in found.served:
        known.update(found.served[of].fit.constants)
    return {constant: known[constant] for constant in sorted(told_by_rows(name)) if constant in known}


def device_values(found: Calibration) -> dict[str, dict[str, float]]:
    """Constants of every device as far as they are fitted, those that devices borrow included."""
    fitted = {fit.device: {**fit.values, **dict.fromkeys(fit.dropped, 0.0)} for fit in found.devices}
    values = {name: {**of, **_own(name, of)} for name, of in fitted.items()}
    for name, (kin, _) in RELATED.items():
        if kin in fitted:
            joined = fitted[LINK_OF.get(name, kin)]
            values[name] = {**fitted[kin], **{key: joined[key] for key in LINK}}
            if joined["link_sharing"] > 0:
                values[name]["link_sharing"] = SHARED_ROOT
            for constant, value in values[name].items():
                own = published.figure(name, kin, constant, value)
                if own is not None:
                    values[name][constant] = own.value
    for name in (*MEASURED, *RELATED):
        for constant, (value, _, _) in grouped(found).items():
            if constant != CONVERTED.name or is_widening_measured(name):
                values.setdefault(name, {})[constant] = _own(name, [constant]).get(constant, value)
        for constant, value in unmeasured_widening(name, found).items():
            values[name][constant] = value
        if name in values:
            values[name].update(told_values(name, found))
    return values


def _own(name: str, constants: Iterable[str]) -> dict[str, float]:
    """Of these constants, those that a device has of its own, whatever its kin or its tables say."""
    own = published.OWN.get(name, {})
    return {constant: own[constant].value for constant in constants if constant in own}


def is_widening_measured(name: str) -> bool:
    """Whether served rows tell how quickly a device, or one of its architecture, multiplies experts of mxfp4 that its
    kernels widen: rows of gpt-oss on H100, H200 and A100."""
    return name in HOPPER or CONVERTED.name in told_by_rows(name)


def unmeasured_widening(name: str, found: Calibration) -> dict[str, float]:
    """Where no row tells, widened experts are as quick as those of 16 bits: a narrower format is not slower."""
    told = grouped(found)
    if is_widening_measured(name) or GROUPED.name not in told:
        return {}
    return {CONVERTED.name: _own(name, [GROUPED.name]).get(GROUPED.name, told[GROUPED.name][0])}


def grouped(found: Calibration) -> dict[str, tuple[float, float, str]]:
    """Efficiencies of grouped multiplications: value, standard error and the device whose served rows told them."""
    told = [(fit, fit.rows[0].gpu) for fit in found.engines.values()]
    told += [(found.served[FIRST], FIRST)] if FIRST in found.served else []
    return {
        constant: (fit.fit.values[constant], fit.fit.errors[constant], gpu)
        for fit, gpu in told
        for constant in DEVICE_CONSTANTS
        if constant in fit.fit.values
    }
