"""A log or a trace on the command line: what it is, and a scenario that plays it."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from infermodel import catalog
from infermodel.answers.aligned import aligned
from infermodel.formats.columns import TraceColumns
from infermodel.formats.log_facts import beyond, facts, spread, warnings
from infermodel.formats.own_log import Names
from infermodel.scenario.schema.types import BURSTIEST
from infermodel.workload.trace import FORMATS, read, recognised


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
    begun = "" if told.begun == told.requests else f", {told.begun:,} with times of their own,"
    if isinstance(known, Names):
        named = ", ".join(f"{role} {name}" for role, name in vars(known).items() if name)
        kind = f"a log of your own: {named}"
    else:
        blocks = "" if log.hash_ids is None else f", blocks of {log.hash_block_tokens} tokens"
        kind = f"a trace in the format {known}: times are {FORMATS[known].times}{blocks}"
    lines = [
        str(path),
        kind,
        f"requests  {told.requests:,}{begun} in {told.span_s:,.4g} s, {rate}",
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


def scenario_of_log(path: Path, known: str | Names, log: TraceColumns, *, laws: bool) -> tuple[str, list[str]]:
    """A scenario that plays a log on the second fleet of the scenario that `infermodel new` writes, and warnings.

    Args:
        laws: arrivals and lengths from laws with the log's means and spreads, instead of the log itself.
    """
    starter = yaml.safe_load(files("infermodel.scenario").joinpath("starter.yaml").read_text(encoding="utf-8"))
    service = starter["services"][1]
    del service["limits"]  # a log may hold longer prompts than the starter's
    document = {
        "title": f"{path.name} on {service['name']}",
        "seed": starter["seed"],
        **({"duration": starter["duration"]} if laws else {}),
        "traffic": _laws(log) if laws else {"arrivals": _played(path, known)},
        "objectives": starter["objectives"],
        "services": [service],
    }
    context = catalog.load_model(service["model"]).max_context
    long = beyond(log, context)
    said = f"{long:,} requests are longer than the {context:,} tokens of {service['model']}'s context"
    kind = "from laws with the log's means and spreads" if laws else "as the log has them"
    text = f"# Arrivals and lengths {kind}; change model, fleet and objectives to yours.\n"
    text += yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return text, [said] if long else []


def _played(path: Path, known: str | Names) -> dict[str, Any]:
    played: dict[str, Any] = {"kind": "trace", "file": str(path.resolve())}
    if isinstance(known, Names):
        return {**played, "columns": {role: name for role, name in vars(known).items() if name}}
    return {**played, "format": known}


def _laws(log: TraceColumns) -> dict[str, Any]:
    """Gaps of the gamma law and lognormal lengths, each with the log's mean and spread."""
    told = facts(log)
    if log.after is not None:
        raise ValueError("calls that follow answers have no law that is fitted here; leave --laws out")
    if math.isnan(told.rate_per_s) or not told.gap_cv > 0:
        raise ValueError("arrivals all at once or all evenly spaced have no law to fit; leave --laws out")

    def lengths(tokens: NDArray[np.int64]) -> dict[str, Any]:
        if not tokens.std():
            return {"kind": "fixed", "tokens": int(tokens[0])}
        mean = float(f"{tokens.mean():.4g}")
        return {"kind": "lognormal", "mean": mean, "cv": round(spread(tokens), 3), "max": int(tokens.max())}

    gaps = {"kind": "gamma", "rate": f"{told.rate_per_s:.4g} /s", "cv": round(min(told.gap_cv, BURSTIEST), 3)}
    return {"arrivals": gaps, "prompt_tokens": lengths(log.prompt_tokens), "output_tokens": lengths(log.output_tokens)}
