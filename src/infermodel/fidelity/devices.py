"""The kernel constants of a device, fitted to its kernel tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from infermodel.architecture import PRECISION_BYTES
from infermodel.cost.constants import KernelConstants
from infermodel.fidelity import kernels
from infermodel.fidelity.fit import Fitted, Parameter, significant_fit
from infermodel.hardware import GpuDevice, System

CACHE_BYTES: Mapping[str, float] = {"a100-sxm-80gb": 40e6, "l40s": 96e6, "h100-sxm": 50e6, "b200": 126e6}
"""Second-level cache of the devices with kernel tables, from their datasheets."""

EXPERTS = "experts"
"""Table that is there where somebody has measured it."""

WIDTH = {"bf16": "16bit", "fp8": "8bit", "nvfp4": "4bit"}


@dataclass(frozen=True)
class DeviceFit:
    """What a device's kernel tables say.

    Attributes:
        values, errors: constants by name, SI units.
        dropped: those held at zero, with the largest value that the tables allow.
        rows: kernels fitted, by kind; with the median and the 90th percentile of the relative error.
    """

    device: str
    values: Mapping[str, float]
    errors: Mapping[str, float]
    dropped: Mapping[str, float]
    rows: Mapping[str, tuple[int, float, float]]


def fit_device(system: System, folder: Path) -> DeviceFit:
    """Fit all kernel constants of a system's device to the tables in `folder`.

    Raises:
        OSError: a table is not there.
        ValueError: the tables hold nothing on this device.
    """
    device = system.device
    if not isinstance(device, GpuDevice) or device.name not in CACHE_BYTES:
        raise ValueError(f"the kernel tables hold nothing on {device.name}")
    decode = kernels.read_table(folder, "decode_attention")
    fits = {
        "gemm": _fit_gemm(kernels.gemm_table(kernels.read_table(folder, "gemm"), device.name), device),
        "decode": _fit_decode(decode, device, "bfloat16"),
        "decode_8bit": _fit_decode(decode, device, "fp8"),
        "prefill": _fit_prefill(
            kernels.prefill_table(kernels.read_table(folder, "prefill_attention"), device.name), device
        ),
        "all_reduce": fit_all_reduce(
            kernels.all_reduce_table(kernels.read_table(folder, "all_reduce"), device.name), system
        ),
    }
    values: dict[str, float] = {}
    errors: dict[str, float] = {}
    dropped: dict[str, float] = {}
    if (folder / f"{EXPERTS}.csv.gz").exists():
        table = kernels.experts_table(kernels.read_table(folder, EXPERTS), device.name)
        dense = [of_device(fit.values) for fit in fits.values() if fit is not None]
        fits[EXPERTS] = fit_experts(table, device, {name: value for each in dense for name, value in each.items()})
    for fit in fits.values():
        if fit is not None:
            values |= of_device(fit.values)
            errors |= of_device(fit.errors)
            dropped |= of_device(fit.dropped)
    rows = {
        kind: (len(fit.residuals), fit.median_error, fit.p90_error) for kind, fit in fits.items() if fit is not None
    }
    return DeviceFit(device.name, values, errors, dropped, rows)


def of_device(fitted: Mapping[str, float]) -> dict[str, float]:
    """Those that a device has, of all that was fitted: not what only the timed calls take.

    >>> of_device({"grouped_efficiency": 0.5, "experts_floor_s": 7e-6})
    {'grouped_efficiency': 0.5}
    """
    return {name: value for name, value in fitted.items() if name in KernelConstants.__dataclass_fields__}


def _fit_gemm(table: kernels.KernelTable, device: GpuDevice) -> Fitted:
    """Floor, memory efficiency and an efficiency for each format; beside them, kept from the model, what the timed
    calls in narrow formats add: converting the activations, a floor for each framework and bytes / (bandwidth x share).
    """
    formats = [name for name in WIDTH if (table.columns["format"] == name).any()]
    frameworks = sorted(set(table.columns["framework"]))
    stored = np.array([PRECISION_BYTES[name] for name in table.columns["format"]])
    columns: dict[str, Any] = {
        **{name: table.columns[name].astype(float) for name in ("m", "n", "k")},
        "weight_bytes": stored,
        "activation_bytes": np.minimum(stored, 2.0),
        "peak": np.array([device.peak_flops["fp4" if name == "nvfp4" else name] for name in table.columns["format"]]),
    }
    narrow = stored < 2
    converted = np.where(narrow, columns["m"] * columns["k"] * (2.0 + stored), 0.0) / device.memory_bandwidth
    parameters = [
        Parameter("gemm_floor_s", 3e-6, 0.0, 20e-6),
        Parameter("gemm_memory_efficiency", 0.8, 0.3, 1.0),
        *(Parameter(f"gemm_efficiency_{WIDTH[name]}", 0.6, 0.1, 1.0) for name in formats),
    ]
    if narrow.any():
        parameters.append(Parameter("conversion_share", 0.4, 0.05, 4.0))
        parameters += [Parameter(f"conversion_floor_s_{name}", 4e-6, 0.0, 30e-6) for name in frameworks]
    names = [parameter.name for parameter in parameters]
    of_format = [table.columns["format"] == name for name in formats]
    of_framework = [(table.columns["framework"] == name) & narrow for name in frameworks]

    def residuals(x: kernels.Values) -> kernels.Values:
        at = dict(zip(names, x, strict=True))
        constants = replace(
            KernelConstants(), gemm_floor_s=at["gemm_floor_s"], gemm_memory_efficiency=at["gemm_memory_efficiency"]
        )
        efficiency = sum(
            mask * at[f"gemm_efficiency_{WIDTH[name]}"] for mask, name in zip(of_format, formats, strict=True)
        )
        seconds = kernels.gemm_s(columns, device, constants, np.asarray(efficiency))
        if narrow.any():
            seconds = seconds + converted / at["conversion_share"]
            for mask, name in zip(of_framework, frameworks, strict=True):
                seconds = seconds + mask * at[f"conversion_floor_s_{name}"]
        return np.asarray(np.log(seconds / table.seconds))

    return significant_fit(parameters, residuals, table.groups)


def fit_experts(table: kernels.KernelTable, device: GpuDevice, dense: Mapping[str, float]) -> Fitted | None:
    """How quick multiplications grouped over experts are against dense ones, and, kept from the model, what the timed
    calls take besides; None where the table holds none of this device.

    Args:
        dense: constants of its other kernels.
    """
    if not len(table):
        return None
    parameters = [Parameter("grouped_efficiency", 0.5, 0.05, 1.5), Parameter("experts_floor_s", 5e-6, 0.0, 100e-6)]

    def residuals(x: kernels.Values) -> kernels.Values:
        constants = replace(KernelConstants(**dense), grouped_efficiency=float(x[0]))
        return np.asarray(np.log((kernels.experts_s(table.columns, device, constants) + x[1]) / table.seconds))

    return significant_fit(parameters, residuals, table.groups)


def _fit_decode(table: Any, device: GpuDevice, kv: str) -> Fitted | None:
    own = kernels.decode_table(table, device.name, kv, CACHE_BYTES[device.name])
    if not len(own):
        return None
    wide = kv == "bfloat16"
    efficiency = f"decode_attention_efficiency_{'16' if wide else '8'}bit"
    floor = "decode_attention_floor_s" if wide else "floor_8bit_s"
    parameters = [Parameter(floor, 10e-6, 1e-6, 60e-6), Parameter(efficiency, 0.8, 0.2, 1.0)]
    return significant_fit(
        parameters,
        lambda x: np.log(kernels.decode_s(own.columns, device, float(x[0]), float(x[1])) / own.seconds),
        own.groups,
    )


def _fit_prefill(own: kernels.KernelTable, device: GpuDevice) -> Fitted:
    parameters = [
        Parameter("prefill_floor_s", 10e-6, 1e-6, 60e-6),
        Parameter("prefill_attention_memory_efficiency", 0.4, 0.05, 2.0),
        Parameter("prefill_attention_efficiency", 0.6, 0.05, 1.5),
    ]

    def residuals(x: kernels.Values) -> kernels.Values:
        seconds = kernels.prefill_s(own.columns, device, float(x[0]), float(x[1]), float(x[2]))
        return np.asarray(np.log(seconds / own.seconds))

    return significant_fit(parameters, residuals, own.groups)


def fit_all_reduce(own: kernels.KernelTable, system: System) -> Fitted:
    """Both ways of collectives and the sharing of the link, from the times of all-reduces on a system's devices."""
    parameters = [
        Parameter("all_reduce_floor_s", 4e-6, 0.0, 30e-6),
        Parameter("all_reduce_gpu_s", 0.3e-6, 0.0, 10e-6),
        Parameter("link_efficiency", 0.4, 0.02, 1.0),
        Parameter("bulk_floor_s", 15e-6, 0.0, 60e-6),
        Parameter("bulk_efficiency", 0.7, 0.02, 1.0),
        Parameter("link_sharing", 0.1, 0.0, 2.5),
    ]

    def residuals(x: kernels.Values) -> kernels.Values:
        at = KernelConstants(**dict(zip((parameter.name for parameter in parameters), map(float, x), strict=True)))
        return np.asarray(np.log(kernels.all_reduce_s(own.columns, system.link, at) / own.seconds))

    return significant_fit(parameters, residuals, own.groups)
