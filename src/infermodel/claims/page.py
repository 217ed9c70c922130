"""Verdicts as a page: one table of all claims, one picture for each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import isfinite
from pathlib import Path

from infermodel.claims.verdict import DOES_NOT_FOLLOW, FOLLOWS, NOT_SIMULATED, ONLY_IF, UNKNOWN
from infermodel.experiment import Verdict
from infermodel.files import safe_name, write_all_whole, write_whole
from infermodel.report.human import quantity

KINDS = (FOLLOWS, ONLY_IF, DOES_NOT_FOLLOW, UNKNOWN, NOT_SIMULATED)
"""Verdicts without their conditions."""


def write_page(path: Path, verdicts: Sequence[Verdict], *, command: str) -> list[Path]:
    """Write the page and, in `pictures` beside it, a picture for each group; returns the pictures."""
    from infermodel.report.drawing import rendered
    from infermodel.report.pictures.claims import ratios_of

    groups = list(dict.fromkeys(each.group for each in verdicts))
    folder = path.parent / "pictures"
    names = {group: f"{path.stem}_{safe_name(group)}.png" for group in groups}
    drawn = {}
    for group in groups:
        own = [each for each in verdicts if each.group == group]
        drawn[names[group]] = rendered(partial(ratios_of, f"Claims about {group}", own))
    write_all_whole(folder, drawn)
    write_whole(path, page(verdicts, {group: f"pictures/{name}" for group, name in names.items()}, command))
    return [folder / name for name in drawn]


def page(verdicts: Sequence[Verdict], pictures: dict[str, str], command: str) -> str:
    """The page as Markdown."""
    counts = Counter(kind(each.verdict) for each in verdicts)
    said = ", ".join(f"{counts[each]} {each}{' ...' if each == ONLY_IF else ''}" for each in KINDS if counts[each])
    lines = [
        "# The claims of the launch, one by one",
        "",
        f"{len(verdicts)} claims: {said}. Every verdict comes from a figure of the model, its range and the published"
        " figure, by one rule (`claims/verdict.py`): *about* means within 15 % unless a claim says otherwise; a claim"
        " that only one end of the range supports follows under a condition. This page is written by",
        "",
        f"    {command}",
        "",
        "| claim | published | model | range | verdict | why | source |",
        "|---|---|---|---|---|---|---|",
        *(_row(each) for each in verdicts),
        "",
        "`*` a constant of the model was fitted to this very figure, so that agreement proves nothing. Ranges carry the"
        " uncertain constants of the catalog, added in quadrature, the bracket of a capacity and the range of a"
        " purchase price.",
    ]
    for group, picture in pictures.items():
        lines += ["", f"## {group.capitalize()}", "", f"![{group}: modelled over published]({picture})"]
    return "\n".join(lines) + "\n"


def _row(each: Verdict) -> str:
    star = " *" if each.used_to_fit else ""
    cells = (
        f"{each.id} {each.statement}{star}",
        quantity(each.published, each.unit),
        quantity(each.modelled, each.unit),
        shown_range(each),
        f"**{kind(each.verdict)}**{each.verdict.removeprefix(kind(each.verdict))}",
        each.reason,
        each.source,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def kind(verdict: str) -> str:
    """A verdict without its condition.

    >>> kind("follows only if a system costs 1 MUSD")
    'follows only if'
    """
    return max((each for each in KINDS if verdict.startswith(each)), key=len)


def shown_range(each: Verdict) -> str:
    """Low to high where they differ; empty where nothing is uncertain."""
    if each.low is None or each.high is None or not isfinite(each.low) or each.high - each.low <= 1e-9 * abs(each.high):
        return ""
    return f"{quantity(each.low)} to {quantity(each.high)}"
