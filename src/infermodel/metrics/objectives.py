"""Service-level objectives by name, whether a run meets them, and which requests do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.latency import Column, gap_percentile, latencies, lower_percentile, percentile
from infermodel.metrics.steady import Window
from infermodel.tables import REJECTED, ServiceRecord

PER_REQUEST: Mapping[str, str] = {
    "ttft": "ttft_s",
    "tpot": "tpot_s",
    "e2e": "e2e_s",
    "queue_time": "queue_time_s",
    "output_speed": "output_speed_tok_s",
}
"""Objectives on a column of the requests; `itl` is one on tokens, `attainment` one on the service."""

MINIMA = frozenset({"output_speed", "attainment"})
"""What should be large."""

_NAME = re.compile(r"(?P<metric>[a-z0-9_]+)_(?:p(?P<percent>\d{1,2}(?:\.\d+)?)|mean)")


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised: a limit on a percentile or on the mean of a metric.

    Attributes:
        name: as in a scenario, `ttft_p99`.
        metric: `ttft`, `tpot`, `e2e`, `queue_time`, `output_speed`, `itl` or `attainment`.
        percent: 0 to 100; NaN for a mean and for `attainment`.
        limit: seconds, tokens/s or a share.
    """

    name: str
    metric: str
    percent: float
    limit: float

    def is_met_by(self, value: float) -> bool:
        """Whether the measured value keeps the promise; NaN does not."""
        return value >= self.limit if self.metric in MINIMA else value <= self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """An objective and what was measured: the value counts missed requests as infinitely late (or speed zero)."""

    objective: Objective
    value: float
    met: bool


def objective(name: str, limit: float) -> Objective:
    """Read an objective's name.

    Raises:
        ValueError: no such objective, with the ones there are.

    >>> objective("ttft_p99", 1.0)
    Objective(name='ttft_p99', metric='ttft', percent=99.0, limit=1.0)
    """
    if name == "attainment":
        return Objective(name, name, nan, limit)
    match = _NAME.fullmatch(name)
    means = () if match is None or match["percent"] else (*MINIMA, "itl")  # a one-token request has infinite speed
    if match is None or match["metric"] not in (*PER_REQUEST, "itl") or match["metric"] in means:
        known = ", ".join([*(f"{metric}_p<percent>" for metric in (*PER_REQUEST, "itl")), "attainment"])
        raise ValueError(f"no objective named '{name}'; there are {known}; of ttft, tpot, e2e, queue_time also _mean")
    return Objective(name, match["metric"], float(match["percent"] or nan), limit)


def objectives(limits: Mapping[str, float]) -> tuple[Objective, ...]:
    """The objectives of a scenario: names to limits in SI units."""
    return tuple(objective(name, limit) for name, limit in limits.items())


def judged_columns(record: ServiceRecord, window: Window) -> dict[str, Column]:
    """Per metric the values of the window's requests as objectives see them: what is missing counts as a miss.

    A rejected or unfinished request is infinitely late, its speed 0; a request of one token has TPOT 0 and infinite
    speed, since nobody waits between its tokens. Keys are those of `PER_REQUEST`.
    """
    inside, every = window.holds(record.requests.arrived_at), latencies(record.requests)
    columns = {metric: every[column][inside] for metric, column in PER_REQUEST.items()}
    rejected = (record.requests.status == REJECTED)[inside]
    one_token = (record.requests.output_tokens == 1)[inside] & np.isfinite(columns["e2e"])
    columns["tpot"] = np.where(one_token, 0.0, columns["tpot"])
    columns["output_speed"] = np.where(one_token, np.inf, columns["output_speed"])
    return {
        metric: np.where(np.isnan(values) | rejected, 0.0 if metric in MINIMA else np.inf, values)
        for metric, values in columns.items()
    }


def meets_all(columns: Mapping[str, Column], promised: tuple[Objective, ...]) -> NDArray[np.bool_]:
    """Which requests keep every per-request limit, whatever its percentile; all finished ones where there is none. A
    limit on a mean is none on a request.

    Args:
        columns: of `judged_columns`.
    """
    good = np.isfinite(columns["e2e"])
    for each in promised:
        if each.metric in PER_REQUEST and not isnan(each.percent):
            values = columns[each.metric]
            good &= values >= each.limit if each.metric in MINIMA else values <= each.limit
    return good


def evaluate(
    record: ServiceRecord, columns: Mapping[str, Column], promised: tuple[Objective, ...]
) -> tuple[Verdict, ...]:
    """Measure each objective over requests of a run (`itl`: over all gaps of the run).

    `attainment` is the share of arrived requests that keep every per-request limit. Without an arrival there is no
    value (NaN), and no objective is met; without a gap (one token each) nobody waited for one, so `itl` is 0.

    Args:
        record: of the run.
        columns: of `judged_columns`, or a part of each.
        promised: what to measure.
    """
    verdicts = []
    for each in promised:
        if each.metric == "attainment":
            good = meets_all(columns, promised)
            value = float(good.mean()) if len(good) else nan
        elif each.metric == "itl":
            alone = 0.0 if len(columns["e2e"]) else nan
            value = gap_percentile(record.gaps, each.percent) if record.gaps.gaps else alone
        elif isnan(each.percent):
            value = float(columns[each.metric].mean()) if len(columns["e2e"]) else nan
        elif each.metric in MINIMA:
            value = lower_percentile(columns[each.metric], each.percent)
        else:
            value = percentile(columns[each.metric], each.percent)
        verdicts.append(Verdict(each, value, each.is_met_by(value)))
    return tuple(verdicts)
