"""Calibration from end to end: kernel tables to devices, served rows to engines, both into the catalog's files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infermodel import catalog
from infermodel.fidelity import published, yaml_text
from infermodel.fidelity.devices import DeviceFit, fit_device
from infermodel.fidelity.engines import CONVERTED, DEVICE_CONSTANTS, FITTED, GROUPED, EngineFit, fit_engine
from infermodel.fidelity.fit import Fitted
from infermodel.fidelity.rows import Row
from infermodel.files import read_plain, write_whole

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
}
"""Devices without tables: whose constants they take with their own datasheet's peaks, and whether they share its
architecture."""


HOPPER = frozenset({"h100-sxm", "h200-sxm", "gh200", "h100-pcie", "h100-nvl"})

LINK = (
    "all_reduce_floor_s",
    "all_reduce_gpu_s",
    "link_efficiency",
    "bulk_floor_s",
    "bulk_efficiency",
    "link_sharing",
)
"""Constants of collectives: they belong to how GPUs are joined."""

LINK_OF: Mapping[str, str] = {"a100-pcie-80gb": "l40s", "h100-pcie": "l40s", "h100-nvl": "l40s"}
"""Devices that are joined otherwise than the one whose other constants they take: whose collectives are like theirs."""


SHARED_ROOT = 0.5
"""`link_sharing` of GPUs joined by PCIe on servers that nobody measured: between switches, and one root complex for
all."""


def fit_devices(folder: Path) -> tuple[DeviceFit, ...]:
    """Fit every device that the kernel tables hold."""
    return tuple(fit_device(catalog.load_system(system), folder) for system in MEASURED.values())


@dataclass(frozen=True)
class Calibration:
    """Devices and engines fitted one after the other: each fit takes what those before it found for given."""

    devices: tuple[DeviceFit, ...]
    engines: Mapping[str, EngineFit]


def calibration(
    rows: Sequence[Row], folder: Path, entries: Sequence[str], *, kernels: bool, jobs: int = 1
) -> Iterator[Calibration]:
    """What is known after each fit: all devices with kernel tables first, then engine by engine as `FITTED` lists them.

    Args:
        folder: of the measurement file; tables lie in `kernels` below it.
        entries: engines to fit.
        kernels: whether to fit devices; else the catalog's constants stand.
        jobs: processes.
    """
    found = Calibration(fit_devices(folder / "kernels") if kernels else (), {})
    yield found
    for entry in (name for name in FITTED if name in entries):
        fit = fit_engine(entry, fitted_to(rows), folder, devices=device_values(found), jobs=jobs)
        found = Calibration(found.devices, {**found.engines, entry: fit})
        yield found


def fitted_to(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows that constants of engines are fitted to: not those of a GPU that borrows another architecture's
    constants, which only say how far these carry, unless there are no others.
    """
    return [row for row in rows if RELATED.get(row.gpu, ("", True))[1]] or rows


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
    return values


def _own(name: str, constants: Iterable[str]) -> dict[str, float]:
    """Of these constants, those that a device has of its own, whatever its kin or its tables say."""
    own = published.OWN.get(name, {})
    return {constant: own[constant].value for constant in constants if constant in own}


def is_widening_measured(name: str) -> bool:
    """Whether served rows tell how quickly a device, or one of its architecture, multiplies experts of mxfp4 that its
    kernels widen: rows of gpt-oss on H100, H200 and A100."""
    return name in HOPPER or CONVERTED.name in published.OWN.get(name, {})


def unmeasured_widening(name: str, found: Calibration) -> dict[str, float]:
    """Where no row tells, widened experts are as quick as those of 16 bits: a narrower format is not slower."""
    told = grouped(found)
    if is_widening_measured(name) or GROUPED.name not in told:
        return {}
    return {CONVERTED.name: _own(name, [GROUPED.name]).get(GROUPED.name, told[GROUPED.name][0])}


def grouped(found: Calibration) -> dict[str, tuple[float, float, str]]:
    """Efficiencies of grouped multiplications: value, standard error and the device whose served rows told them."""
    return {
        constant: (fit.fit.values[constant], fit.fit.errors[constant], fit.rows[0].gpu)
        for fit in found.engines.values()
        for constant in DEVICE_CONSTANTS
        if constant in fit.fit.values
    }


def device_figures(found: Calibration) -> dict[str, dict[str, str]]:
    """Lines for each device's block of constants, by device name."""
    figures: dict[str, dict[str, str]] = {}
    for fit in found.devices:
        figures[fit.device] = {
            constant: yaml_text.calibrated(constant, value, fit.errors[constant], KERNEL_FIT)
            for constant, value in fit.values.items()
        } | {constant: yaml_text.dropped(constant, most, KERNEL_FIT) for constant, most in fit.dropped.items()}
        for constant, own_figure in published.OWN.get(fit.device, {}).items():
            if constant in figures[fit.device]:
                figures[fit.device][constant] = _supposed(constant, own_figure)
    own = {fit.device: fit for fit in found.devices}
    for name, (kin, alike) in RELATED.items():
        for constant in [*own[kin].values, *own[kin].dropped] if kin in own else []:
            other = LINK_OF.get(name) if constant in LINK else None
            fit = own[other or kin]
            lines = figures.setdefault(name, {})
            told = published.figure(name, kin, constant, fit.values.get(constant, 0.0))
            if told is not None:
                lines[constant] = _supposed(constant, told)
            elif constant == "link_sharing" and constant in fit.values:
                lines[constant] = yaml_text.supposed(
                    constant, SHARED_ROOT, 0.0, fit.values[constant], "between switches, and one root complex for all"
                )
            elif constant in fit.dropped:
                lines[constant] = yaml_text.dropped(constant, fit.dropped[constant], KERNEL_FIT)
            else:
                source = f"as {catalog.load_device(fit.device).title}"
                lines[constant] = yaml_text.borrowed(constant, fit.values[constant], source, alike=alike and not other)
    for constant, (value, error, told_by) in grouped(found).items():
        for name in (*MEASURED, *RELATED):
            lines = figures.setdefault(name, {})
            if constant in (own_figures := published.OWN.get(name, {})):
                lines[constant] = _supposed(constant, own_figures[constant])
            elif name == told_by:
                lines[constant] = yaml_text.calibrated(constant, value, error, SERVING_FIT)
            elif constant != CONVERTED.name or is_widening_measured(name):
                source = f"as {catalog.load_device(told_by).title}"
                lines[constant] = yaml_text.borrowed(constant, value, source, alike={name, told_by} <= HOPPER)
    for name in (*MEASURED, *RELATED):
        for constant, value in unmeasured_widening(name, found).items():
            source = "as experts in 16 bits: nobody measured it, and a narrower format is not slower"
            figures[name][constant] = yaml_text.borrowed(constant, value, source, alike=False)
    return figures


def _supposed(constant: str, told: published.Figure) -> str:
    return yaml_text.supposed(constant, told.value, told.low, told.high, told.source)


def engine_figures(fits: Mapping[str, Fitted]) -> dict[str, dict[str, str]]:
    """Lines for each engine's file, by catalog entry."""
    return {
        entry: {
            name: yaml_text.calibrated(name, value, fit.errors[name], SERVING_FIT)
            for name, value in fit.values.items()
            if name not in DEVICE_CONSTANTS
        }
        | {name: yaml_text.dropped(name, most, SERVING_FIT) for name, most in fit.dropped.items()}
        for entry, fit in fits.items()
    }


def device_rows(fits: Sequence[DeviceFit]) -> list[tuple[str, ...]]:
    """A table of constants with their standard errors, a column a device, and how well each kind of kernel fits."""
    names = list(dict.fromkeys(name for fit in fits for name in (*fit.values, *fit.dropped)))
    kinds = list(dict.fromkeys(kind for fit in fits for kind in fit.rows))
    table: list[tuple[str, ...]] = [("constant", *(fit.device for fit in fits))]
    table += [(name, *(_with_error(name, fit.values, fit.errors, fit.dropped) for fit in fits)) for name in names]
    for kind in kinds:
        cells = []
        for fit in fits:
            found = fit.rows.get(kind)
            cells.append(f"{100 * found[1]:.0f} %, p90 {100 * found[2]:.0f} % ({found[0]})" if found else "")
        table.append((f"median error of {kind}", *cells))
    return table


def engine_rows(fits: Mapping[str, Fitted]) -> list[tuple[str, ...]]:
    """A table of constants with their standard errors, a line an engine."""
    names = list(dict.fromkeys(name for fit in fits.values() for name in (*fit.values, *fit.dropped)))
    return [
        ("engine", "figures", *names),
        *(
            (
                entry,
                str(len(fit.residuals)),
                *(_with_error(name, fit.values, fit.errors, fit.dropped) for name in names),
            )
            for entry, fit in fits.items()
        ),
    ]


def _with_error(
    name: str, values: Mapping[str, float], errors: Mapping[str, float], dropped: Mapping[str, float]
) -> str:
    if name in dropped:
        return f"0 (at most {yaml_text.written(name, float(f'{dropped[name]:.2g}'))})"
    if name not in values:
        return ""
    return f"{yaml_text.written(name, values[name])} ± {yaml_text.written(name, float(f'{errors[name]:.2g}'))}"


def write_catalog(
    folder: Path, devices: Mapping[str, Mapping[str, str]], engines: Mapping[str, Mapping[str, str]]
) -> tuple[Path, ...]:
    """Put the figures into the files of a catalog folder; returns the files written."""
    paths = []
    for name, lines in devices.items():
        path = folder / "devices" / f"{name}.yaml"
        write_whole(path, yaml_text.with_constants(read_plain(path), lines))
        paths.append(path)
    for name, lines in engines.items():
        path = folder / "engines" / f"{name}.yaml"
        write_whole(path, yaml_text.with_engine_figures(read_plain(path), lines))
        paths.append(path)
    return tuple(paths)
