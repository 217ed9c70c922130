"""Calibration from end to end: kernel tables to devices, served rows to engines, both into the catalog's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from infermodel import catalog
from infermodel.fidelity import yaml_text
from infermodel.fidelity.devices import DeviceFit, fit_device
from infermodel.fidelity.engines import GROUPED
from infermodel.fidelity.fit import Fitted
from infermodel.files import write_whole

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
}
"""Devices without tables: whose constants they take with their own datasheet's peaks, and whether they share its
architecture."""


def fit_devices(folder: Path) -> tuple[DeviceFit, ...]:
    """Fit every device that the kernel tables hold."""
    return tuple(fit_device(catalog.load_system(system), folder) for system in MEASURED.values())


def device_figures(fits: Sequence[DeviceFit], grouped: tuple[float, float] | None) -> dict[str, dict[str, str]]:
    """Lines for each device's block of constants, by device name.

    Args:
        grouped: efficiency of grouped multiplications and its standard error, fitted to rows served on H100; None
            leaves what the files hold.
    """
    figures: dict[str, dict[str, str]] = {}
    by_name = {fit.device: fit for fit in fits}
    for name, fit in by_name.items():
        figures[name] = {
            constant: yaml_text.calibrated(constant, value, fit.errors[constant], KERNEL_FIT)
            for constant, value in fit.values.items()
        }
    for name, (kin, alike) in RELATED.items():
        if kin in by_name:
            title = catalog.load_device(kin).title
            figures[name] = {
                constant: yaml_text.borrowed(constant, value, f"as {title}", alike=alike)
                for constant, value in by_name[kin].values.items()
            }
    if grouped is not None:
        for name, lines in figures.items():
            lines[GROUPED.name] = (
                yaml_text.calibrated(GROUPED.name, *grouped, SERVING_FIT)
                if name == "h100-sxm"
                else yaml_text.borrowed(GROUPED.name, grouped[0], "as NVIDIA H100 SXM 80 GB", alike=name == "h200-sxm")
            )
    return figures


def engine_figures(fits: Mapping[str, Fitted]) -> dict[str, dict[str, str]]:
    """Lines for each engine's file, by catalog entry."""
    return {
        entry: {
            name: yaml_text.calibrated(name, value, fit.errors[name], SERVING_FIT)
            for name, value in fit.values.items()
            if name != GROUPED.name
        }
        for entry, fit in fits.items()
    }


def device_rows(fits: Sequence[DeviceFit]) -> list[tuple[str, ...]]:
    """A table of constants with their standard errors, a column a device, and how well each kind of kernel fits."""
    names = list(dict.fromkeys(name for fit in fits for name in fit.values))
    kinds = list(dict.fromkeys(kind for fit in fits for kind in fit.rows))
    table: list[tuple[str, ...]] = [("constant", *(fit.device for fit in fits))]
    table += [(name, *(_with_error(name, fit.values, fit.errors) for fit in fits)) for name in names]
    for kind in kinds:
        cells = []
        for fit in fits:
            found = fit.rows.get(kind)
            cells.append(f"{100 * found[1]:.0f} %, p90 {100 * found[2]:.0f} % ({found[0]})" if found else "")
        table.append((f"median error of {kind}", *cells))
    return table


def engine_rows(fits: Mapping[str, Fitted]) -> list[tuple[str, ...]]:
    """A table of constants with their standard errors, a line an engine."""
    names = list(dict.fromkeys(name for fit in fits.values() for name in fit.values))
    return [
        ("engine", "figures", *names),
        *(
            (entry, str(len(fit.residuals)), *(_with_error(name, fit.values, fit.errors) for name in names))
            for entry, fit in fits.items()
        ),
    ]


def _with_error(name: str, values: Mapping[str, float], errors: Mapping[str, float]) -> str:
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
        write_whole(path, yaml_text.with_constants(path.read_text(encoding="utf-8"), lines))
        paths.append(path)
    for name, lines in engines.items():
        path = folder / "engines" / f"{name}.yaml"
        write_whole(path, yaml_text.with_engine_figures(path.read_text(encoding="utf-8"), lines))
        paths.append(path)
    return tuple(paths)
