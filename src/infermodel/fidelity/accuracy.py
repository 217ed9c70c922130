"""How far predictions are from measurements: by metric and by every way of grouping rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from infermodel.fidelity.replay import Replayed
from infermodel.fidelity.rows import Row

KNEE = 3.0
"""Time to first token over that of an empty server beyond which a server is past its knee."""

NEIGHBOUR_JUMP = 0.2
"""Share by which a row may stray from the line through its neighbours in load before it is flagged."""

SCORED = ("tpot_mean_ms", "e2e_mean_ms", "ttft_mean_ms", "output_tok_s")
"""Metrics of the summary: TTFT below the knee, throughput of offline rows only."""


@dataclass(frozen=True)
class Prediction:
    """A row beside what the model says of it; `skipped` says why there is nothing to say.

    Attributes:
        knee_ms: TTFT up to which the row counts as below the knee.
        suspect: whether the row contradicts its neighbours in load.
    """

    row: Row
    replayed: Replayed | None
    skipped: str = ""
    knee_ms: float = 0.0
    suspect: bool = False

    def error(self, metric: str) -> float:
        """Signed relative error, predicted / measured - 1; NaN where one of them is missing."""
        measured = self.row.measured.get(metric)
        predicted = self.replayed.predicted.get(metric) if self.replayed else None
        if not measured or predicted is None:
            return math.nan
        return predicted / measured - 1.0

    @property
    def below_knee(self) -> bool:
        """Whether the measured TTFT is at most three times the zero-load TTFT of the configuration."""
        measured = self.row.measured.get("ttft_mean_ms")
        return bool(measured and measured <= self.knee_ms)


@dataclass(frozen=True)
class Accuracy:
    """Errors of one metric over some rows: median and mean of |error|, median of the signed error."""

    grouping: str
    group: str
    metric: str
    rows: int
    median_abs: float
    mean_abs: float
    median_signed: float


GROUPINGS: Mapping[str, Callable[[Prediction], str]] = {
    "all": lambda prediction: "all",
    "group": lambda prediction: " ".join(prediction.row.group),
    "source_set": lambda prediction: prediction.row.source_set,
    "gpu": lambda prediction: prediction.row.gpu,
    "engine": lambda prediction: f"{prediction.row.engine} {prediction.row.engine_version}".strip(),
    "model": lambda prediction: prediction.row.model,
    "parallelism": lambda prediction: (
        f"tp{prediction.row.tensor_parallel} pp{prediction.row.pipeline_parallel} ep{prediction.row.expert_parallel}"
    ),
    "precision": lambda prediction: prediction.row.weights_precision,
    "load": lambda prediction: prediction.row.load,
    "knee": lambda prediction: "below" if prediction.below_knee else "above or unknown",
    "quality": lambda prediction: "suspect rows" if prediction.suspect else "other rows",
}


def counts(prediction: Prediction, metric: str) -> bool:
    """Whether a row's figure enters the summary of a metric."""
    if math.isnan(prediction.error(metric)):
        return False
    if metric == "ttft_mean_ms":
        return prediction.below_knee
    return metric != "output_tok_s" or prediction.row.load == "offline"


def accuracy(predictions: Sequence[Prediction], metrics: Sequence[str]) -> tuple[Accuracy, ...]:
    """One line for each grouping, group and metric that some row has. Metrics of `SCORED` count as the summary does;
    `<metric> (every row)` is the same without leaving rows out.
    """
    lines = []
    for grouping, key in GROUPINGS.items():
        labels = sorted({key(prediction) for prediction in predictions})
        for label in labels:
            own = [prediction for prediction in predictions if key(prediction) == label]
            for metric in metrics:
                every = [error for each in own if not math.isnan(error := each.error(metric))]
                scored = [each.error(metric) for each in own if counts(each, metric)] if metric in SCORED else every
                lines.append(_line(grouping, label, metric, scored))
                if len(scored) != len(every):
                    lines.append(_line(grouping, label, f"{metric} (every row)", every))
    return tuple(line for line in lines if line.rows)


def _line(grouping: str, label: str, metric: str, errors: Sequence[float]) -> Accuracy:
    if not errors:
        return Accuracy(grouping, label, metric, 0, math.nan, math.nan, math.nan)
    sizes = [abs(error) for error in errors]
    return Accuracy(grouping, label, metric, len(errors), median(sizes), fmean(sizes), median(errors))


@dataclass(frozen=True)
class Score:
    """The two headline figures of a metric: the median over rows, and the mean over groups of the groups' medians."""

    metric: str
    rows: int
    groups: int
    median_over_rows: float
    mean_over_groups: float


def scores(lines: Sequence[Accuracy]) -> tuple[Score, ...]:
    """Headline figures of the metrics in `SCORED`."""
    found = []
    for metric in SCORED:
        whole = next((line for line in lines if line.grouping == "all" and line.metric == metric), None)
        groups = [line.median_abs for line in lines if line.grouping == "group" and line.metric == metric]
        if whole is not None:
            found.append(Score(metric, whole.rows, len(groups), whole.median_abs, fmean(groups)))
    return tuple(found)


def knees_ms(rows: Sequence[Row], alone_ms: Sequence[float]) -> list[float]:
    """Of each row the TTFT at its knee, three times the zero-load TTFT of its configuration.

    That is the larger of what the model says of a lone request (`alone_ms`) and the smallest TTFT measured in the
    configuration, where several loads were: a model that is too fast may not choose its rows.
    """
    families: dict[tuple[object, ...], list[float]] = {}
    for row in rows:
        if "ttft_mean_ms" in row.measured:
            families.setdefault(row.configuration, []).append(row.measured["ttft_mean_ms"])
    knees = []
    for row, alone in zip(rows, alone_ms, strict=True):
        family = families.get(row.configuration, [])
        knees.append(KNEE * (max(alone, min(family)) if len(family) > 1 else alone))
    return knees


def suspects(rows: Sequence[Row]) -> frozenset[str]:
    """Rows whose TPOT strays by more than 20 % from the line between their neighbours in concurrency.

    A row is compared with the geometric interpolation between the next lower and the next higher concurrency of its
    configuration; the first and the last of a configuration have only one neighbour and are left alone.
    """
    found = set()
    families: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if row.load == "closed" and "tpot_mean_ms" in row.measured:
            families.setdefault(row.configuration, []).append(row)
    for family in families.values():
        family.sort(key=lambda row: row.concurrency)
        for before, row, after in zip(family, family[1:], family[2:], strict=False):
            if not before.concurrency < row.concurrency < after.concurrency:
                continue
            share = math.log(row.concurrency / before.concurrency) / math.log(after.concurrency / before.concurrency)
            low, high = before.measured["tpot_mean_ms"], after.measured["tpot_mean_ms"]
            expected = low ** (1 - share) * high**share
            if abs(row.measured["tpot_mean_ms"] / expected - 1) > NEIGHBOUR_JUMP:
                found.add(row.id)
    return frozenset(found)
