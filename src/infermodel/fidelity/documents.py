"""The tables of `docs/model.md`: constants as the catalog holds them."""

from __future__ import annotations

from infermodel import catalog
from infermodel.fidelity.by_device import ON_SOME
from infermodel.fidelity.calibrate import MEASURED
from infermodel.fidelity.engines import FITTED, FURTHER_CONSTANTS
from infermodel.fidelity.page import markdown
from infermodel.fidelity.yaml_text import written
from infermodel.hardware import Quantity

HOST_FIELDS = ("host_step_s", "host_sequence_s", "ingress_s", "egress_s")


def figure(name: str, quantity: Quantity | None) -> str:
    """A constant as the page shows it: value, standard error or range, kind."""
    if quantity is None:
        return ""
    if quantity.standard_error is not None:
        return f"{written(name, quantity.value)} ± {written(name, quantity.standard_error)}"
    if quantity.low is not None and quantity.high is not None:
        low, high = written(name, quantity.low), written(name, quantity.high)
        return f"{written(name, quantity.value)} ({quantity.kind}, {low} to {high})"
    return f"{written(name, quantity.value)} ({quantity.kind})"


def device_table() -> list[tuple[str, ...]]:
    """Constants of the devices with kernel tables, a column each."""
    sources = {name: catalog.load_device(name).provenance for name in MEASURED}
    constants = list(dict.fromkeys(key for each in sources.values() for key in each if key.startswith("constants.")))
    return [
        ("constant", *MEASURED),
        *(
            (f"`{key.removeprefix('constants.')}`", *(figure(key, sources[name].get(key)) for name in MEASURED))
            for key in constants
        ),
    ]


def engine_table() -> list[tuple[str, ...]]:
    """Constants of the engines, a line each."""
    sources = {name: catalog.load_engine(name).provenance for name in FITTED}
    everywhere = {each.name for parameters in FITTED.values() for each in parameters}
    elsewhere = {each.name for some in ON_SOME for each in some.parameters} - everywhere  # see `on_some_table`
    keys = (*HOST_FIELDS, *(f"constants.{name}" for name in FURTHER_CONSTANTS if name not in elsewhere))
    return [
        ("engine", *(f"`{key.removeprefix('constants.')}`" for key in keys)),
        *((f"`{name}`", *(figure(key, sources[name].get(key)) for key in keys)) for name in FITTED),
    ]


def on_some_table() -> list[tuple[str, ...]]:
    """Constants of engines on some devices, a line each with the beginnings of their names."""
    told: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
    for some in ON_SOME:
        figures = catalog.load_engine(some.entry).on(catalog.load_device(some.gpus[0])).provenance
        cells = told.setdefault((some.entry, some.named), {})
        for name in (parameter.name for parameter in some.parameters):
            cells[name] = figure(name, figures.get(name, figures.get(f"constants.{name}")))
    names = list(dict.fromkeys(name for cells in told.values() for name in cells))
    return [
        ("engine", "devices", *(f"`{name}`" for name in names)),
        *(
            (f"`{entry}`", ", ".join(named), *(cells.get(name, "") for name in names))
            for (entry, named), cells in told.items()
        ),
    ]


def devices() -> str:
    """Constants of the devices with kernel tables, as a Markdown table."""
    return markdown(device_table())


def engines() -> str:
    """Constants of the engines, as a Markdown table."""
    return markdown(engine_table())


def on_some_devices() -> str:
    """Constants of engines on some devices, as a Markdown table."""
    return markdown(on_some_table())
