"""What the answers of a service rest on: experiments that the model was held against, or less."""

from __future__ import annotations

import re
from collections import Counter
from math import nan

from infermodel.catalog.experiments import Experiments, experiments
from infermodel.engine import Engine
from infermodel.hardware import Device
from infermodel.scenario.resolved import ResolvedService

NEVER = "never held against a server"


def rests_on(device: Device, engine: Engine, *, images: bool = False) -> str:
    """In words: measured on this device and engine, constants of a sister device, or nothing of either.

    Args:
        device: that serves.
        engine: on it.
        images: whether prompts hold any, which no experiment of the record has.

    >>> from infermodel.catalog import load_device, load_engine
    >>> rests_on(load_device("wse-3"), load_engine("cerebras"))
    'never held against a server; fitted to published speeds'
    """
    said = _of_texts(device, engine)
    return f"{said}; images were held against one published run" if images else said


def service_rests_on(service: ResolvedService) -> str:
    """The same of every pool of a service, what several rest on said once."""
    held = bool(service.images)
    return "; ".join(dict.fromkeys(rests_on(pool.system.device, pool.engine, images=held) for pool in service.pools))


def likely_error(device: Device, engine: Engine) -> float:
    """The median relative error of the experiments on a device and engine; nan where there is none."""
    found = _held(device, engine)
    return nan if found is None else found.median_error


def _held(device: Device, engine: Engine) -> Experiments | None:
    return experiments().get((device.name, re.sub(r"-\d+(\.\d+)*$", "", engine.name)))


def _of_texts(device: Device, engine: Engine) -> str:
    found = _held(device, engine)
    if found is not None:
        many = f"{found.experiments} experiment{'s' * (found.experiments != 1)} on this device and engine"
        return f"measured: {many}, median error of {found.metric} {100 * found.median_error:.1f} %"
    if device.family != "gpu":
        fitted = any(figure.kind == "calibrated" for figure in device.provenance.values())
        return f"{NEVER}; fitted to published speeds" if fitted else f"{NEVER}; constants assumed"
    kin = sister(device)
    if kin:
        return f"constants of a sister device, {kin}; {NEVER}"
    return f"{NEVER}; {'its kernels were measured' if kernels_measured(device) else 'constants assumed'}"


def sister(device: Device) -> str:
    """The device that constants are taken from where its own kernels were not measured; empty where there is none."""
    if kernels_measured(device):
        return ""
    sources = [figure.source for name, figure in device.provenance.items() if name.startswith("constants.")]
    told = (re.fullmatch(r"as ([^,:]+)(, times .*)?", source) for source in sources)
    kin = Counter(each.group(1) for each in told if each)
    return kin.most_common(1)[0][0] if kin else ""


def kernels_measured(device: Device) -> bool:
    """Whether most constants of a device's kernels were fitted to measurements on it."""
    kinds = [figure.kind for name, figure in device.provenance.items() if name.startswith("constants.")]
    return 2 * kinds.count("calibrated") > len(kinds)
