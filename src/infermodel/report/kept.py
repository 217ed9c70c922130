"""What a service keeps and misses of its objectives, and when, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from infermodel.experiment.result import ServiceResult
from infermodel.metrics.objectives import Objective, Verdict
from infermodel.metrics.steady import Window
from infermodel.report.grid import Grid
from infermodel.report.human import clock, number, seconds, share
from infermodel.report.stretches import Stretch, around_outages, missed_in, outages

NAMES = {
    "ttft": "TTFT",
    "tpot": "TPOT",
    "itl": "gap between tokens",
    "e2e": "E2E",
    "queue_time": "time in queue",
    "output_speed": "output speed",
    "attainment": "attainment",
}
MOST_SPANS = 3


def verdict_sentence(each: ServiceResult, parts: Sequence[Stretch]) -> str:
    """What is kept at the offered load, what is missed, and in which minutes; empty without objectives.

    Args:
        each: service of a run.
        parts: of `slices`.
    """
    verdicts = each.summary.verdicts
    if not verdicts:
        return ""
    kept = [f"{short(v.objective)} ({against(v)})" for v in verdicts if v.met]
    missed = [f"{short(v.objective)} ({against(v)}){when(each, parts, v)}" for v in verdicts if not v.met]
    said = [f"{verb} {' and '.join(some)}" for verb, some in (("keeps", kept), ("misses", missed)) if some]
    return f"{each.summary.service} {', '.join(said)}."


def when(each: ServiceResult, parts: Sequence[Stretch], verdict: Verdict) -> str:
    """In which minutes an objective is missed, and whether systems are down then; empty where none tells."""
    spans = missed_in(parts, verdict.objective.name)
    if not spans:
        return ""
    if len(spans) == 1 and spans[0] == Window(parts[0].window.start_s, parts[-1].window.end_s):
        return " all the time"
    told = " and ".join(f"{clock(span.start_s)} to {clock(span.end_s)}" for span in spans[:MOST_SPANS])
    more = f" and {len(spans) - MOST_SPANS} times more" if len(spans) > MOST_SPANS else ""
    down = outages(each)
    touched = down and all(any(s.start_s < o.end_s + 60 and o.start_s < s.end_s for o in down) for s in spans)
    return f" from {told}{more}{', around the outage' if touched else ''}"


def short(objective: Objective) -> str:
    """An objective by its name in the field.

    >>> from infermodel.metrics.objectives import objective
    >>> short(objective("ttft_p99", 2.0)), short(objective("e2e_mean", 9.0))
    ('TTFT p99', 'E2E mean')
    """
    statistic = objective.name.removeprefix(objective.metric).strip("_")
    return f"{NAMES[objective.metric]} {statistic}".rstrip()


def against(verdict: Verdict) -> str:
    """What came out, of what was promised."""
    return f"{value(verdict)} of {limit(verdict.objective)}"


def outage_table(each: ServiceResult, common: Window) -> Grid | None:
    """Before, during and after outages; None without any."""
    parts = around_outages(each, common)
    if not parts:
        return None
    promised = [v.objective for v in parts[0].verdicts]
    return Grid(
        title=f"{each.summary.service}: before, during and after the outage",
        lead="Of the requests that arrive in each part; limits of the objectives in the heads.",
        heads=(
            "part",
            "requests",
            "requests/min",
            *(f"{short(o)}, limit {limit(o)}" for o in promised),
            "within every limit",
        ),
        rows=[
            (
                part.name,
                number(part.arrived),
                number(60 * part.arrived / part.window.seconds),
                *((value(v), "kept" if v.met else "missed") for v in part.verdicts),
                share(part.attainment),
            )
            for part in parts
        ],
    )


def limit(objective: Objective) -> str:
    """What was promised, with its unit and as it was written.

    >>> from infermodel.metrics.objectives import objective
    >>> limit(objective("ttft_p99", 2.0)), limit(objective("tpot_p99", 0.04)), limit(objective("attainment", 0.99))
    ('2 s', '40 ms', '99 %')
    """
    figure = objective.limit
    if objective.metric == "output_speed":
        return f"{figure:g} tokens/s"
    if objective.metric == "attainment":
        return f"{100 * figure:g} %"
    return f"{figure:g} s" if figure >= 1 else f"{1e3 * figure:g} ms"


def value(verdict: Verdict) -> str:
    """What came out."""
    if verdict.objective.metric == "output_speed":
        return f"{number(verdict.value)} tokens/s"
    return share(verdict.value) if verdict.objective.metric == "attainment" else seconds(verdict.value)
