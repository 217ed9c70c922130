"""Which entry of the catalog describes a version of an engine."""

from __future__ import annotations

import re
from datetime import datetime

from infermodel.engine import Engine

_NOT_THE_ENGINES = r"(rocm|cuda|cu|torch|ubuntu)[-_ ]?\d+(\.\d+)*"
_MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b.*?\b(20\d\d)"


def version_of(text: str) -> tuple[int, ...]:
    """The first version number in a text that is not another program's; none: there is none.

    >>> version_of("v0.10.2"), version_of("rocm7.0_vllm_0.10.1_20251006"), version_of("cu129-nightly")
    ((0, 10, 2), (0, 10, 1), ())
    """
    numbers = re.search(r"\d+(\.\d+)+", re.sub(_NOT_THE_ENGINES, "", text.lower()))
    return tuple(map(int, numbers.group().split("."))) if numbers else ()


def month_of(text: str) -> str:
    """The first month that a text names, as `YYYY-MM`; empty: none.

    >>> month_of("V1 custom (Mar-Apr 2026)"), month_of("nightly")
    ('2026-03', '')
    """
    named = re.search(_MONTH, text)
    return f"{named[2]}-{datetime.strptime(named[1], '%b').month:02}" if named else ""


def entry_of(version: str, entries: list[Engine]) -> Engine:
    """The entry that describes a version: the last that is not newer, the first where all are. What has no number is
    taken by its month, and without one for the newest; of entries of one version the shortest name is taken.

    Args:
        entries: of one engine, at least one.
    """
    ordered = sorted(entries, key=lambda engine: (engine.since, -len(engine.name)))
    if number := version_of(version):
        fitting = [engine for engine in ordered if engine.since <= number]
    elif month := month_of(version):
        fitting = [engine for engine in ordered if "since" not in engine.rules or engine.rules["since"].date <= month]
    else:
        fitting = ordered
    return fitting[-1] if fitting else next(e for e in reversed(ordered) if e.since == ordered[0].since)
