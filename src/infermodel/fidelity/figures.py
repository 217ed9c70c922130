"""Calibrated constants as lines of the catalog's files, and as tables of a console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from infermodel import catalog
from infermodel.fidelity import published, yaml_text
from infermodel.fidelity.calibrate import (
    HOPPER,
    KERNEL_FIT,
    LINK,
    LINK_OF,
    MEASURED,
    RELATED,
    SERVING_FIT,
    SHARED_ROOT,
    Calibration,
    grouped,
    is_widening_measured,
    told_by_rows,
    unmeasured_widening,
)
from infermodel.fidelity.devices import DeviceFit
from infermodel.fidelity.engines import CONVERTED, DEVICE_CONSTANTS
from infermodel.fidelity.fit import Fitted
from infermodel.files import read_plain, write_whole


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
            if name in own and constant in own[name].values:
                continue  # its tables tell
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
    for name, lines in figures.items():
        for constant in told_by_rows(name):
            lines.pop(constant, None)
    for name in (*MEASURED, *RELATED):
        of = name if name in found.served else RELATED.get(name, ("", False))[0]
        if of in found.served and told_by_rows(name):
            figures.setdefault(name, {}).update(_served_lines(name, of, found.served[of].fit))
    return figures


def _served_lines(name: str, told_by: str, fit: Fitted) -> dict[str, str]:
    """Of a device that rows told something of, or of its kin."""
    lines = {}
    for constant in sorted(told_by_rows(name)):
        if constant in fit.dropped:
            lines[constant] = yaml_text.dropped(constant, fit.dropped[constant], SERVING_FIT)
        elif name == told_by:
            lines[constant] = yaml_text.calibrated(constant, fit.values[constant], fit.errors[constant], SERVING_FIT)
        else:
            source = f"as {catalog.load_device(told_by).title}"
            lines[constant] = yaml_text.borrowed(constant, fit.values[constant], source, alike=True)
    return lines


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


def on_some_figures(found: Calibration) -> dict[tuple[str, tuple[str, ...]], dict[str, str]]:
    """Lines of what engines have on some devices, by the engine's entry and the beginnings of their names."""
    figures: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
    for some, fit in found.on_some.items():
        figures.setdefault((some.entry, some.named), {}).update(engine_figures({some.entry: fit.fit})[some.entry])
    return figures


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
    folder: Path,
    devices: Mapping[str, Mapping[str, str]],
    engines: Mapping[str, Mapping[str, str]],
    on_some: Mapping[tuple[str, tuple[str, ...]], Mapping[str, str]] = MappingProxyType({}),
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
    for (entry, named), lines in on_some.items():
        path = folder / "engines" / f"{entry}.yaml"
        write_whole(path, yaml_text.with_figures_on(read_plain(path), named, lines))
        paths.append(path)
    return tuple(dict.fromkeys(paths))
