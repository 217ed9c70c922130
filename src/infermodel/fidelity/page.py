"""The accuracy of a model on a file of measurements as one page: headline, pictures, groups, worst rows."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from infermodel.fidelity.accuracy import GROUPINGS, SCORED, Accuracy, Prediction, Score, counts, scores
from infermodel.fidelity.coverage import Coverage, coverage
from infermodel.fidelity.picture import NAMES, scatter
from infermodel.fidelity.replay import SEED
from infermodel.files import read_plain, write_whole
from infermodel.metrics.laws import LAWS
from infermodel.report.template import one_file

WORST = 15


def percent(value: float, *, signed: bool = False) -> str:
    """A share as per cent with one decimal.

    >>> percent(0.0623), percent(-0.05, signed=True)
    ('6.2 %', '-5.0 %')
    """
    return "" if math.isnan(value) else f"{100 * value:{'+' if signed else ''}.1f} %"


def score_rows(found: Sequence[Score]) -> list[tuple[str, ...]]:
    """Headline table: metric, rows, groups, median over rows, mean over groups of group medians."""
    header = ("metric", "rows", "groups", "median over rows", "mean over groups of medians")
    return [
        header,
        *(
            (
                NAMES[each.metric],
                str(each.rows),
                str(each.groups),
                percent(each.median_over_rows),
                percent(each.mean_over_groups),
            )
            for each in found
        ),
    ]


def coverage_rows(found: Sequence[Coverage]) -> list[tuple[str, ...]]:
    """How often bands hold what had no part in them: a line for each metric and way to leave rows out."""
    return [
        ("metric", "left out in turn", "rows", "inside a band of 90 %", "half-width, median"),
        *(
            (
                each.metric,
                f"{each.folds} x {each.left_out}",
                str(each.rows),
                percent(each.inside),
                percent(each.half_width),
            )
            for each in found
        ),
    ]


def group_rows(lines: Sequence[Accuracy], grouping: str = "group") -> list[tuple[str, ...]]:
    """One line for each group: for each scored metric median |error|, median signed error and rows."""
    header = (grouping.replace("_", " "), *(f"{NAMES[metric]}: |error|, signed, rows" for metric in SCORED))
    by_group: dict[str, dict[str, Accuracy]] = {}
    for line in lines:
        if line.grouping == grouping and line.metric in SCORED:
            by_group.setdefault(line.group, {})[line.metric] = line
    rows: list[tuple[str, ...]] = [header]
    for group, metrics in by_group.items():
        cells = [group]
        for metric in SCORED:
            own = metrics.get(metric)
            cells.append(
                f"{percent(own.median_abs)}, {percent(own.median_signed, signed=True)}, {own.rows}" if own else ""
            )
        rows.append(tuple(cells))
    return rows


def worst_rows(predictions: Sequence[Prediction]) -> list[tuple[str, ...]]:
    """The rows with the largest errors of TPOT, TTFT below the knee or offline throughput, and what they are."""
    found = [
        (abs(prediction.error(metric)), metric, prediction)
        for prediction in predictions
        for metric in ("tpot_mean_ms", "ttft_mean_ms", "output_tok_s")
        if counts(prediction, metric)
    ]
    found.sort(key=lambda each: -each[0])
    rows: list[tuple[str, ...]] = [("row", "metric", "measured", "predicted", "error", "why")]
    for _, metric, prediction in found[:WORST]:
        row, replayed = prediction.row, prediction.replayed
        assert replayed is not None
        what = (
            f"{row.model} on {row.tensor_parallel * row.pipeline_parallel} {row.gpu}, {row.engine} {row.engine_version}"
        )
        load = f"{row.concurrency:g} users" if not math.isnan(row.concurrency) else f"{row.request_rate_per_s:g} /s"
        why = f"{replayed.bound_by} bound"
        if prediction.suspect:
            why = "contradicts its neighbours in load"
        rows.append(
            (
                f"{what}, {load}, {row.prompt_tokens:g} in, {row.output_tokens:g} out",
                metric,
                f"{row.measured[metric]:.4g}",
                f"{replayed.predicted[metric]:.4g}",
                percent(prediction.error(metric), signed=True),
                why,
            )
        )
    return rows


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table with a header line as Markdown.

    >>> print(markdown([("a", "b"), ("1", "2")]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])


def html(predictions: Sequence[Prediction], lines: Sequence[Accuracy], title: str, digest: str = "") -> str:
    """The self-contained page; `digest` is that of the measurements."""
    skipped = [("row", "reason"), *((each.row.id, each.skipped) for each in predictions if each.skipped)]
    groupings = ("gpu", "engine", "model", "parallelism", "precision", "load")
    tables = {
        "By source set, GPU, engine and model": group_rows(lines),
        **{f"By {grouping}": group_rows(lines, grouping) for grouping in groupings},
        "The worst rows": worst_rows(predictions),
        **({"Skipped": skipped} if len(skipped) > 1 else {}),
    }
    return one_file(
        "accuracy.html.jinja",
        {"accuracy": ("predicted against measured", scatter(predictions))},
        (),
        title=title,
        experiments=len(predictions),
        skipped=len(skipped) - 1,
        scores=score_rows(scores(lines)),
        tables=tables,
        laws=len(LAWS),
        digest=digest,
        seed=SEED,
    )


def renew(path: Path, predictions: Sequence[Prediction], lines: Sequence[Accuracy]) -> None:
    """Put the tables between their marks in a Markdown page (see `put`), and the picture into `pictures` beside it.

    Raises:
        OSError: the page is not there.
    """
    put(
        path,
        {
            "scores": [score_rows(scores(lines))],
            "worst": [worst_rows(predictions)],
            "coverage": [coverage_rows(coverage(predictions))],
            **{grouping: [group_rows(lines, grouping)] for grouping in GROUPINGS},
        },
    )
    write_whole(path.parent / "pictures" / "accuracy.png", scatter(predictions))


def put(path: Path, tables: Mapping[str, Sequence[Sequence[Sequence[str]]]]) -> None:
    """Put tables between the marks `<!-- table: NAME -->` and `<!-- end -->` of a Markdown page.

    Args:
        tables: by name, one or more below each other.

    Raises:
        OSError: the page is not there.
    """

    def shown(found: re.Match[str]) -> str:
        below = "\n\n".join(map(markdown, tables[found[2]]))
        return f"{found[1]}\n{below}\n\n{found[3]}"

    marks = rf"(<!-- table: ({'|'.join(tables)}) -->\n).*?(<!-- end -->)"
    write_whole(path, re.sub(marks, shown, read_plain(path), flags=re.DOTALL))
