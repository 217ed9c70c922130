"""One point of a sweep: a changed scenario and what it answers, as plain values that a file can hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from time import perf_counter

from infermodel.experiment.pricing import economics
from infermodel.experiment.result import Capacity
from infermodel.experiment.run import replicate
from infermodel.metrics.schema import columns
from infermodel.metrics.summary import Summary
from infermodel.scenario import ScenarioErrors, load, resolve
from infermodel.search.capacity import find_capacity
from infermodel.search.plan import find_plan
from infermodel.search.plan_schema import load_plan
from infermodel.search.whole_file import write_whole

Answers = dict[str, dict[str, list[float]]]
"""Service to measure to its value in each replication."""

MONEY = {"usd_per_h": "USD/h", "usd_per_mtok": "USD/Mtok"}
AT_CAPACITY = {
    "capacity_low": "requests/min or users",
    "capacity_high": "requests/min or users",
    "rpm": "requests/min",
    "tpm": "tokens/min",
    "itpm": "tokens/min",
    "otpm": "tokens/min",
    "utilisation": "share",
    "kv_use_mean": "share",
    **MONEY,
}
OF_A_FLEET = {
    "systems": "",
    "bought": "",
    "speed_tok_s": "tokens/s",
    "ttft_p99_s": "s",
    "utilisation": "share",
    "power_w": "W",
    "racks": "",
    **MONEY,
}
"""Fields of a plan's option: systems that carry the load, systems bought, ..."""

WORDS = ("service", "warning", "missed_objectives")
MEASURES: Mapping[str, str] = {
    **{each.name: each.unit for each in columns(Summary) if each.name not in WORDS},
    **AT_CAPACITY,
    **OF_A_FLEET,
}
"""Measures of all kinds of points, and their units."""


@dataclass(frozen=True)
class Task:
    """A point to evaluate, wherever that happens: files are found by path, so workers share the file system.

    Attributes:
        base: scenario file, or plan file for `plan`.
        changes: to it.
        ask: `run`, `capacity` or `plan`.
        replications, width: as in the sweep file.
        answer: file for the outcome, written by whoever evaluates the point.
    """

    number: int
    base: Path
    changes: tuple[str, ...]
    ask: str
    replications: int
    width: float
    answer: Path


@dataclass(frozen=True)
class Outcome:
    """What a point says.

    Attributes:
        answers: of each service; empty where there is no answer.
        reason: why there is none.
        lasting: whether asking again would say the same; not so after a fault of the program or the machine.
        busy_s: seconds that the evaluation took.
    """

    number: int
    answers: Answers
    reason: str = ""
    lasting: bool = True
    busy_s: float = 0.0


def evaluate(task: Task) -> Outcome:
    """Answer a point and put the answer on disk at once; what cannot be built is an answer too."""
    outcome = answered(task)
    if outcome.lasting:
        write_whole(task.answer, json.dumps({"answers": outcome.answers, "reason": outcome.reason}))
    return outcome


def kept(path: Path, number: int) -> Outcome | None:
    """The outcome that `evaluate` put on disk; None where there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(number, dict(content["answers"]), str(content["reason"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def answered(task: Task) -> Outcome:
    """The answer of a point."""
    start = perf_counter()
    try:
        answers = QUESTIONS[task.ask](task)
    except ScenarioErrors as refused:
        reason = "; ".join(dict.fromkeys(each.message for each in refused.errors))
        return Outcome(task.number, {}, reason, busy_s=perf_counter() - start)
    except Exception as fault:  # one broken point must not end a night's sweep
        said = f"failed: {type(fault).__name__}: {fault}"
        return Outcome(task.number, {}, said, lasting=False, busy_s=perf_counter() - start)
    return Outcome(task.number, answers, busy_s=perf_counter() - start)


def ask_run(task: Task) -> Answers:
    """Every measure of every replication."""
    scenario = resolve(load(task.base, task.changes))
    answers: Answers = {service.name: {} for service in scenario.services}
    for number in range(task.replications):
        summaries = replicate(scenario, "leap", number).summaries
        for service, summary in zip(scenario.services, summaries, strict=True):
            money = economics(service, summary)
            measured = {name: getattr(summary, name) for name in MEASURES if hasattr(summary, name)}
            measured |= {"usd_per_h": money.hourly.total.mid, "usd_per_mtok": priced(money.blended_usd_per_mtok.mid)}
            for name, value in measured.items():
                answers[service.name].setdefault(name, []).append(float(value))
    return answers


def ask_capacity(task: Task) -> Answers:
    """The bracket of every service with objectives, and what it delivers and costs at the lower end."""
    scenario = resolve(load(task.base, task.changes))
    services = [service for service in scenario.services if service.objectives]
    return {each.name: at_capacity(find_capacity(scenario, each, width=task.width)) for each in services}


def at_capacity(found: Capacity) -> dict[str, list[float]]:
    """Measures of a bracket."""
    minute = 60.0 if found.unit == "requests/s" else 1.0
    measured = {"capacity_low": found.low * minute, "capacity_high": found.high * minute}
    if found.summary is not None and found.economics is not None:
        measured |= {name: getattr(found.summary, name) for name in AT_CAPACITY if hasattr(found.summary, name)}
        measured["usd_per_h"] = found.economics.hourly.total.mid
        measured["usd_per_mtok"] = priced(found.economics.blended_usd_per_mtok.mid)
    return {name: [float(measured.get(name, nan))] for name in AT_CAPACITY}


def priced(usd_per_mtok: float) -> float:
    """Dollars where there is a price; NaN where nothing was delivered or nothing has a price."""
    return usd_per_mtok if 0 < usd_per_mtok < inf else nan


def ask_plan(task: Task) -> Answers:
    """The cheapest fleet of each candidate; NaN where it has none in any layout and size."""
    planned = find_plan(load_plan(task.base, task.changes))
    answers: Answers = {each.title: {name: [nan] for name in OF_A_FLEET} for each in planned.plan.candidates}
    for option in sorted((each for each in planned.options if each.systems), key=lambda each: -each.usd_per_h):
        name = option.layout.candidate.title
        answers[name] = {measure: [float(getattr(option, measure))] for measure in OF_A_FLEET}
    return answers


QUESTIONS: Mapping[str, Callable[[Task], Answers]] = {"run": ask_run, "capacity": ask_capacity, "plan": ask_plan}
