"""A log or a trace on the command line: what it is, and a scenario that plays it."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from infermodel.cli.table import aligned
from infermodel.formats.columns import TraceColumns
from infermodel.formats.log_facts import facts, warnings
from infermodel.formats.own_log import Names
from infermodel.workload.trace import read, recognised


def read_log(path: Path, unit: str) -> tuple[str | Names, TraceColumns]:
    """A log and what it was taken for.

    Args:
        unit: of times that are numbers; empty if the log says it.

    Raises:
        FormatError: it is no log, or broken.
    """
    known = recognised(path)
    if isinstance(known, Names) and unit:
        known = replace(known, unit=unit)
    return known, read(path, known)


def page_of_log(path: Path, known: str | Names, log: TraceColumns) -> str:
    """What a log is, for a terminal."""
    told = facts(log)
    rate = "at once" if math.isnan(told.rate_per_s) else f"{told.rate_per_s:.4g}/s, gaps of cv {told.gap_cv:.2f}"
    if isinstance(known, Names):
        named = ", ".join(f"{role} {name}" for role, name in vars(known).items() if name)
        kind = f"a log of your own: {named}"
    else:
        kind = f"a trace in the format {known}"
    lines = [
        str(path),
        kind,
        f"requests  {told.requests:,} in {told.span_s:,.4g} s, {rate}",
        *([] if math.isnan(told.reused) else [f"prefixes  {100 * told.reused:.1f} % of blocks came before"]),
        "",
        aligned([("tokens", "mean", "p50", "p99", "max"), _row("prompt", told.prompt), _row("output", told.output)]),
        *(f"note: {note.removeprefix(f'{path.name}: ')}" for note in log.notes),
        *(f"warning: {each}" for each in warnings(log, told)),
    ]
    return "\n".join(lines)


def _row(name: str, lengths: tuple[float, ...]) -> tuple[str, ...]:
    return (name, *(f"{value:,.0f}" for value in lengths))


def log_as_dictionary(path: Path, known: str | Names, log: TraceColumns) -> dict[str, Any]:
    """What a log is, for another program; what is not known is null."""
    told = facts(log)
    said = {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in vars(told).items()}
    kind = {"columns": vars(known)} if isinstance(known, Names) else {"format": known}
    return {"file": str(path), **kind, **said, "notes": list(log.notes), "warnings": warnings(log, told)}


def scenario_of_log(path: Path, known: str | Names) -> str:
    """A scenario that plays a log on the second fleet of the scenario that `infermodel new` writes."""
    starter = yaml.safe_load(files("infermodel.scenario").joinpath("starter.yaml").read_text(encoding="utf-8"))
    service = starter["services"][1]
    del service["limits"]  # a log may hold longer prompts than the starter's
    played: dict[str, Any] = {"kind": "trace", "file": str(path.resolve())}
    if isinstance(known, Names):
        played["columns"] = {role: name for role, name in vars(known).items() if name}
    else:
        played["format"] = known
    document = {
        "title": f"{path.name} on {service['name']}",
        "seed": starter["seed"],
        "traffic": {"arrivals": played},
        "objectives": starter["objectives"],
        "services": [service],
    }
    said = "# Arrivals and lengths as the log has them; change model, fleet and objectives to yours.\n"
    return said + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
