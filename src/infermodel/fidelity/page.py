"""The accuracy of a model on a file of measurements as one page: headline, pictures, groups, worst rows."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from infermodel import __version__
from infermodel.fidelity.accuracy import GROUPINGS, SCORED, Accuracy, Prediction, Score, counts, scores
from infermodel.fidelity.replay import SEED
from infermodel.files import write_whole
from infermodel.glyphs import drawable, families
from infermodel.metrics.laws import LAWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = {
    "tpot_mean_ms": "TPOT, mean (ms)",
    "e2e_mean_ms": "E2E, mean (ms)",
    "ttft_mean_ms": "TTFT below the knee, mean (ms)",
    "output_tok_s": "offline throughput (tokens/s)",
}
WORST = 15

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content security policy: the browser itself refuses scripts and everything that is not in the file."""

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#1a1a1a}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #d9d9d9}"
    "td,th{text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}"
)


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


def html_table(table: Sequence[Sequence[str]]) -> str:
    """A table with a header line as HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table[1:])
    return f"<table><tr>{head}</tr>{body}</table>"


def scatter(predictions: Sequence[Prediction]) -> bytes:
    """Predicted against measured on log axes, a panel for each scored metric, bands of 10 and 25 %. PNG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"text.parse_math": False, "font.family": list(families())}):  # names are no formulas
        return _scatter(Figure(figsize=(16, 9), dpi=100, layout="constrained"), predictions)


def _scatter(figure: Figure, predictions: Sequence[Prediction]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    sets = sorted({prediction.row.source_set for prediction in predictions})
    colours = {name: f"C{number % 10}" for number, name in enumerate(sets)}
    for panel, metric in zip(figure.subplots(2, 2).flat, SCORED, strict=True):
        own = [each for each in predictions if counts(each, metric) and each.replayed]
        panel.set_title(NAMES[metric], loc="left", fontweight="bold")
        panel.set_xlabel("measured")
        panel.set_ylabel("predicted")
        if not own:
            continue
        measured = [each.row.measured[metric] for each in own]
        ends = [min(measured) * 0.8, max(measured) * 1.25]
        for band, shade in ((0.25, "#eeeeee"), (0.10, "#d9d9d9")):
            panel.fill_between(ends, [e / (1 + band) for e in ends], [e * (1 + band) for e in ends], color=shade, lw=0)
        panel.plot(ends, ends, color="#5f5f5f", lw=1)
        for name in sets:
            points = [each for each in own if each.row.source_set == name and each.replayed]
            if points:
                panel.plot(
                    [each.row.measured[metric] for each in points],
                    [each.replayed.predicted[metric] for each in points if each.replayed],
                    "o",
                    ms=6,
                    alpha=0.75,
                    mec="white",
                    mew=0.5,
                    color=colours[name],
                    label=drawable(name),
                )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.legend(frameon=False, fontsize=10)
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def html(predictions: Sequence[Prediction], lines: Sequence[Accuracy], title: str, digest: str = "") -> str:
    """The self-contained page; `digest` is that of the measurements."""
    skipped = [prediction for prediction in predictions if prediction.skipped]
    picture = b64encode(scatter(predictions)).decode()
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{len(predictions)} experiments, {len(skipped)} skipped.</p>",
        html_table(score_rows(scores(lines))),
        "<p>Bands: 10 and 25 %. Throughput of offline loads only; TTFT of rows below three times zero load.</p>",
        f'<img alt="predicted against measured" src="data:image/png;base64,{picture}">',
        "<h2>By source set, GPU, engine and model</h2>",
        html_table(group_rows(lines)),
    ]
    for grouping in ("gpu", "engine", "model", "parallelism", "precision", "load"):
        parts += [f"<h2>By {grouping}</h2>", html_table(group_rows(lines, grouping))]
    parts += ["<h2>The worst rows</h2>", html_table(worst_rows(predictions))]
    if skipped:
        table = [("row", "reason"), *((each.row.id, each.skipped) for each in skipped)]
        parts += ["<h2>Skipped</h2>", html_table(table)]
    parts.append(
        f"<footer><p>checked laws: {len(LAWS)} in each of the {len(predictions) - len(skipped)} runs, all held. "
        f"infermodel {__version__}; measurements <code>{digest}</code>; seed {SEED}.</p></footer>"
    )
    body = "\n".join(parts)
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def renew(path: Path, predictions: Sequence[Prediction], lines: Sequence[Accuracy]) -> None:
    """Put the tables between the markers `<!-- table: NAME -->` and `<!-- end -->` of a Markdown page, and the picture
    into `pictures` beside it.

    Raises:
        OSError: the page is not there.
    """
    tables = {
        "scores": score_rows(scores(lines)),
        "worst": worst_rows(predictions),
        **{grouping: group_rows(lines, grouping) for grouping in GROUPINGS},
    }
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = re.sub(
            rf"(<!-- table: {name} -->\n).*?(<!-- end -->)",
            lambda found, table=table: f"{found[1]}\n{markdown(table)}\n\n{found[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    write_whole(path.parent / "pictures" / "accuracy.png", scatter(predictions))
    write_whole(path, text)
