"""Roofs of each device and where its work lies under them."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from infermodel.cost.step import Batch, Chunk, StepCost, StepModel
from infermodel.experiment.result import ServiceResult
from infermodel.metrics.summary import Summary
from infermodel.report.drawing import Margins, legend_below, log_axis, sheet
from infermodel.report.findings import Findings
from infermodel.report.human import shortened, si
from infermodel.report.labels import place
from infermodel.report.palette import GREY, device_colour
from infermodel.scenario.resolved import ResolvedPool
from infermodel.tables import PoolRecord

PROMPT_TOKENS = 2048


@dataclass(frozen=True)
class OperatingPoint:
    """Work of one device.

    Attributes:
        kind: `run`, `decode` or `prompt`.
        intensity: FLOP/byte.
        flops_per_s: of one device.
    """

    kind: str
    intensity: float
    flops_per_s: float


MARKERS = {
    "run": ("*", "mean of the run while busy"),
    "decode": ("v", "decode, one user"),
    "prompt": ("s", "reading one prompt"),
}


def operating_points(findings: Findings) -> Figure | None:
    """One roof a device, on logarithmic axes, with the points of its services."""
    shown = {each.summary.service: found for each in findings.services if (found := points(each))}
    if not shown:
        return None
    figure, ((axes,),) = sheet(
        "Roofline of each device",
        "per device; the slope is memory bandwidth, the flat part the peak at the compute precision",
        margins=Margins(),
    )
    everything = [point for found in shown.values() for point in found]
    roofs = {
        (pool.system.device.name, *roof(pool, record)): pool.system.device.title
        for each in findings.services
        for pool, record in zip(each.service.pools, each.record.pools, strict=True)
    }
    ridges = [peak / bandwidth for _, peak, bandwidth in roofs]
    low_x = min(*ridges, *(point.intensity for point in everything))
    high_x = max(*ridges, *(point.intensity for point in everything))
    log_axis(axes, "x", low_x, high_x, pad=0.12)
    low, high = axes.get_xlim()
    tops = [peak for _, peak, _ in roofs]
    log_axis(axes, "y", min(point.flops_per_s for point in everything), max(tops), pad=0.08)
    handles, lines = [], []
    for (device, peak, bandwidth), title in roofs.items():
        xs = np.array([low, peak / bandwidth, high])
        axes.plot(xs, np.minimum(peak, bandwidth * xs), color=device_colour(device), linewidth=3)
        lines.append([(float(x), min(peak, bandwidth * float(x))) for x in xs])
        label = f"{shortened(title, 30)}: {si(peak, 'FLOP/s')}, {si(bandwidth, 'B/s')}"
        handles.append(Line2D([], [], color=device_colour(device), linewidth=3, label=label))
    for kind, (marker, _) in MARKERS.items():
        of_kind = [(name, point) for name, found in shown.items() for point in found if point.kind == kind]
        axes.scatter(
            [point.intensity for _, point in of_kind],
            [point.flops_per_s for _, point in of_kind],
            s=19**2 if kind == "run" else 12**2,
            marker=marker,
            color=[findings.styles[name].colour for name, _ in of_kind],
            edgecolors="white",
            zorder=5,
        )
    handles += [
        Line2D([], [], linestyle="none", marker=marker, markersize=13, color=GREY, label=label)
        for marker, label in MARKERS.values()
    ]
    axes.set_xlabel("useful FLOP per byte moved (log scale)")
    axes.set_ylabel("FLOP/s of one device (log scale)")
    legend_below(figure, handles)
    runs = [(name, point) for name, found in shown.items() for point in found if point.kind == "run"]
    place(
        axes,
        [(point.intensity, point.flops_per_s) for _, point in runs],
        [name for name, _ in runs],
        [findings.styles[name].colour for name, _ in runs],
        obstacles=lines,
    )
    return figure


def devices_of(pool: ResolvedPool, record: PoolRecord) -> float:
    """Devices of a replica, by their bandwidth."""
    return max(record.peak_bandwidth / pool.system.device.memory_bandwidth, 1e-12)


def roof(pool: ResolvedPool, record: PoolRecord) -> tuple[float, float]:
    """Peak FLOP/s and bytes/s of one device of a pool."""
    devices = devices_of(pool, record)
    return record.peak_flops / devices, record.peak_bandwidth / devices


def points(each: ServiceResult) -> list[OperatingPoint]:
    """Where the work of a service's pools lies."""
    pools = zip(each.service.pools, each.record.pools, strict=True)
    return [point for pool, record in pools for point in points_of(pool, record, each.summary)]


def points_of(pool: ResolvedPool, record: PoolRecord, summary: Summary) -> list[OperatingPoint]:
    """Where a pool's work lies: the run's mean; one decoding sequence at the run's mean context, if it decodes; one
    prompt, if it reads any.
    """
    devices, columns, model = devices_of(pool, record), record.timeline.columns, pool.step_model
    prompt = max(1, round(summary.prompt_tokens_mean)) if isfinite(summary.prompt_tokens_mean) else PROMPT_TOKENS
    flops, moved, busy = (float(columns[name].sum()) for name in ("flops", "bytes", "busy_s"))
    candidates = [("run", flops, moved, busy)]
    for kind, step, no_part in (
        ("decode", alone(model, prompt), "prefill"),
        ("prompt", model.step(Batch.alike(model.windows, 0, 0, (Chunk(prompt, 0),), 1)), "decode"),
    ):
        if pool.role != no_part:
            candidates.append((kind, step.flops, step.bytes, step.latency_s))
    return [
        OperatingPoint(kind, done / read, done / seconds / devices)
        for kind, done, read, seconds in candidates
        if done > 0 and read > 0 and seconds > 0
    ]


def alone(model: StepModel, context: int) -> StepCost:
    """A decode step of one sequence with this context."""
    return model.step(Batch.alike(model.windows, 1, context))
