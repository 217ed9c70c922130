"""Differences between reports, each to the first, with intervals where requests give one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, isclose, isfinite, nan

import numpy as np

from infermodel.metrics.confidence import Interval, batch_means
from infermodel.metrics.schema import column as _column
from infermodel.report.compare.read import Requests, SavedReport

AT_CAPACITY = {
    "rpm": "requests/min",
    "itpm": "tokens/min",
    "otpm": "tokens/min",
    "tpm": "tokens/min",
    "output_speed_p50_tok_s": "tokens/s",
    "ttft_p99_s": "s",
}
"""Columns of capacity.csv that are compared, and their units."""

AS_OFFERED = {
    "rpm": "requests/min",
    "tpm": "tokens/min",
    "queue_time_mean_s": "s",
    "ttft_mean_s": "s",
    "ttft_p50_s": "s",
    "ttft_p99_s": "s",
    "tpot_mean_s": "s",
    "tpot_p99_s": "s",
    "e2e_mean_s": "s",
    "e2e_p99_s": "s",
    "output_speed_p50_tok_s": "tokens/s",
    "attainment": "share",
    "utilisation": "share",
    "kv_use_mean": "share",
    "power_mean_w": "W",
    "joules_per_token": "J/token",
}
"""Columns of summary.csv that are compared."""

PRICES = {"hourly.total": "USD/h", "blended": "USD/Mtok"}
"""Items of prices.csv that are compared."""

ROUNDING = 1e-12
"""Relative difference that two sums of the same numbers may have."""


@dataclass(frozen=True)
class Difference:
    """One figure of one service in one report, and how far it is from the first report's."""

    service: str = _column("", "name of the service")
    load: str = _column("", "`capacity` or `offered`")
    metric: str = _column("", "column of capacity.csv or summary.csv, or item of prices.csv")
    unit: str = _column("", "of the figures")
    report: str = _column("", "which report")
    value: float = _column("see unit", "in this report; empty: it has none")
    difference: float = _column("see unit", "value - value in the first report")
    ratio: float = _column("", "value / value in the first report")
    half_width: float = _column("see unit", "of the difference's 95 % interval; empty: no ground for one")
    interval: str = _column("", "`paired`: request by request, where both saw the same ones; `independent`; or empty")
    price_holds: bool = _column("", "false: a price that nobody would sign, see prices.csv of that report")
    note: str = _column("", "why not; and of a p99, where it is one of too few requests")

    @property
    def is_established(self) -> bool | None:
        """Whether the sign of the difference is more than noise; None where there is no interval."""
        return None if not isfinite(self.half_width) else abs(self.difference) > self.half_width


def differences(reports: Sequence[SavedReport]) -> Iterator[Difference]:
    """Every figure of every service that any of the reports has, report by report; the first is the base."""
    services = dict.fromkeys(service for report in reports for service in report.summary)
    for service in services:
        for load, metric, unit in _metrics():
            values = [_value(report, service, load, metric) for report in reports]
            if all(np.isnan(values)):
                continue
            for report, value in zip(reports, values, strict=True):
                half_width, kind = nan, ""
                latency = metric.replace("_mean_s", "_s")
                if load == "offered" and latency != metric and report is not reports[0]:
                    half_width, kind = _interval(reports[0], report, service, latency)
                base = values[0]
                change = 0.0 if isclose(value, base, rel_tol=ROUNDING) else value - base
                ratio = value / base if base else nan
                why = report.doubtful.get((service, load, metric), "")
                few = report.summary.get(service, {}).get("tail_warning", "") if load == "offered" else ""
                note = why or (few if "_p99_" in metric else "")
                told = (value, change, ratio, half_width, kind, not why, note)
                yield Difference(service, load, metric, unit, report.title, *told)


def paired(base: Requests, other: Requests, latency: str) -> Interval | None:
    """Interval of the mean of the differences request by request; None where the two did not see the same requests."""
    if not np.array_equal(base.arrived_at, other.arrived_at):
        return None
    change = other.latencies[latency] - base.latencies[latency]
    return batch_means(change[np.isfinite(change)])


def _metrics() -> Iterator[tuple[str, str, str]]:
    """Load, metric and unit of everything that is compared, in order."""
    yield from (("capacity", metric, unit) for metric, unit in AT_CAPACITY.items())
    yield from (("capacity", item, unit) for item, unit in PRICES.items())
    yield from (("offered", metric, unit) for metric, unit in AS_OFFERED.items())
    yield from (("offered", item, unit) for item, unit in PRICES.items())


def _value(report: SavedReport, service: str, load: str, metric: str) -> float:
    if metric in PRICES:
        return report.prices.get((service, load, metric), nan)
    row = (report.capacity if load == "capacity" else report.summary).get(service, {})
    return float(row.get(metric) or nan)


def _interval(base: SavedReport, other: SavedReport, service: str, latency: str) -> tuple[float, str]:
    """Half width of the difference of two means, and how it was found."""
    ours, theirs = base.requests.get(service), other.requests.get(service)
    if ours is None or theirs is None:
        return nan, ""
    together = paired(ours, theirs, latency)
    if together is not None:
        return together.half_width, "paired" if isfinite(together.half_width) else ""
    apart = [batch_means(each.latencies[latency][np.isfinite(each.latencies[latency])]) for each in (ours, theirs)]
    half_width = hypot(*(each.half_width for each in apart))
    return half_width, "independent" if isfinite(half_width) else ""
