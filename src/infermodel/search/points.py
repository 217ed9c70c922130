"""One point of a sweep: a changed scenario and what it answers, as plain values that a file can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, nan
from pathlib import Path
from time import perf_counter

from infermodel.experiment.pricing import economics, fleet_power_w
from infermodel.experiment.result import Capacity, Economics
from infermodel.experiment.run import replicate
from infermodel.files import keep, kept
from infermodel.metrics.schema import columns
from infermodel.metrics.summary import Summary
from infermodel.scenario import ScenarioErrors, load, resolve
from infermodel.scenario.resolved import ResolvedService
from infermodel.search.availability import MonthsSummary, failing, over_months
from infermodel.search.capacity import find_capacity
from infermodel.search.plan import find_plan
from infermodel.search.plan_schema import load_plan
from infermodel.search.plan_table import measures_of, words_of
from infermodel.search.probe import COARSE

Answers = dict[str, dict[str, list[float]]]
"""Service to measure to its value in each replication."""

Notes = dict[str, str]
"""Service to what its numbers do not say: what binds, how the fleet is set up, why there is none."""

MONEY = {
    "usd_per_h": "USD/h",
    "usd_per_h_low": "USD/h",
    "usd_per_h_high": "USD/h",
    "usd_per_mtok": "USD/Mtok",
    "usd_per_mtok_low": "USD/Mtok",
    "usd_per_mtok_high": "USD/Mtok",
}
"""The middle of the prices' ranges, and both ends."""

SEEDS_APART = 1_000_003
"""Between the seeds of a capacity's replications: far from seeds that people write next to each other."""

AT_CAPACITY = {
    "capacity_low": "requests/min or users",
    "capacity_high": "requests/min or users",
    "rpm": "requests/min",
    "tpm": "tokens/min",
    "itpm": "tokens/min",
    "otpm": "tokens/min",
    "utilisation": "share",
    "kv_use_mean": "share",
    "output_speed_p50_tok_s": "tokens/s",
    "kv_tokens": "tokens",
    "power_w": "W",
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
    "break_even_usd": "USD",
    **MONEY,
}
"""Columns of a plan's table: systems that carry the load, systems bought, ..."""

OVER_MONTHS: Mapping[str, str] = {
    each.name: each.unit for each in columns(MonthsSummary) if each.name not in ("service", "systems", "spares")
}
"""What a fleet whose systems fail comes to."""

WORDS = ("service", "warning", "missed_objectives", "tail_warning", "rate_way", "rate_warning", "price_reason")
MEASURES: Mapping[str, str] = {
    **{each.name: each.unit for each in columns(Summary) if each.name not in WORDS},
    **AT_CAPACITY,
    **OF_A_FLEET,
    **OVER_MONTHS,
}
"""Measures of all kinds of points, and their units."""


@dataclass(frozen=True)
class Task:
    """A point to evaluate, wherever that happens: files are found by path, so workers share the file system.

    Attributes:
        base: scenario file, or plan file for `plan`.
        changes: to it.
        ask: of `QUESTIONS`.
        replications, width, fewest: as in the sweep file.
        answer: file for the outcome, written by whoever evaluates the point.
    """

    number: int
    base: Path
    changes: tuple[str, ...]
    ask: str
    replications: int
    width: float
    fewest: int
    answer: Path


@dataclass(frozen=True)
class Outcome:
    """What a point says.

    Attributes:
        answers: of each service; empty where there is no answer.
        notes: on them.
        reason: why there is none.
        lasting: whether asking again would say the same; not so after a fault of the program or the machine.
        busy_s: seconds that the evaluation took.
    """

    number: int
    answers: Answers
    notes: Notes = field(default_factory=dict)
    reason: str = ""
    lasting: bool = True
    busy_s: float = 0.0


def evaluate(task: Task) -> Outcome:
    """Answer a point and put the answer on disk at once; what cannot be built is an answer too."""
    outcome = answered(task)
    if outcome.lasting:
        keep(task.answer, {"answers": outcome.answers, "notes": outcome.notes, "reason": outcome.reason})
    return outcome


def finished(path: Path, number: int) -> Outcome | None:
    """The outcome that `evaluate` put on disk; None where there is none, or another content than it put there."""
    content = kept(path)
    return None if content is None else Outcome(number, content["answers"], content["notes"], content["reason"])


def answered(task: Task) -> Outcome:
    """The answer of a point."""
    start = perf_counter()
    try:
        answers, notes = QUESTIONS[task.ask](task)
    except ScenarioErrors as refused:
        reason = "; ".join(dict.fromkeys(each.message for each in refused.errors))
        return Outcome(task.number, {}, reason=reason, busy_s=perf_counter() - start)
    except Exception as fault:  # one broken point must not end a night's sweep
        said = f"failed: {type(fault).__name__}: {fault}"
        return Outcome(task.number, {}, reason=said, lasting=False, busy_s=perf_counter() - start)
    return Outcome(task.number, answers, notes, busy_s=perf_counter() - start)


def ask_run(task: Task) -> tuple[Answers, Notes]:
    """Every measure of every replication."""
    scenario = resolve(load(task.base, task.changes))
    answers: Answers = {service.name: {} for service in scenario.services}
    notes: Notes = {}
    for number in range(task.replications):
        summaries = replicate(scenario, "leap", number).summaries
        for service, summary in zip(scenario.services, summaries, strict=True):
            measured = {name: getattr(summary, name) for name in MEASURES if hasattr(summary, name)}
            for name, value in (measured | money(economics(service, summary))).items():
                answers[service.name].setdefault(name, []).append(float(value))
            if number == 0 and doubts(summary):
                notes[service.name] = doubts(summary)
    return answers, notes


def doubts(summary: Summary) -> str:
    """What a reader of a point should know; empty where it speaks for itself."""
    reason = f"no price that holds: {summary.price_reason}" if summary.price_reason else ""
    return "; ".join(filter(None, (reason, summary.rate_warning, summary.tail_warning)))


def ask_capacity(task: Task) -> tuple[Answers, Notes]:
    """The bracket of every service with objectives, and what it delivers and costs at the lower end. Replications are
    searches with seeds of their own, the same at every point.
    """
    scenario = resolve(load(task.base, task.changes))
    seeds = [scenario.seed + SEEDS_APART * number for number in range(task.replications)]
    effort = replace(COARSE, fewest=task.fewest)
    answers: Answers = {}
    notes: Notes = {}
    for service in scenario.services:
        if service.objectives:
            each_found = [
                find_capacity(replace(scenario, seed=seed), service, width=task.width, effort=effort) for seed in seeds
            ]
            measured = [at_capacity(service, found) for found in each_found]
            answers[service.name] = {name: [each[name] for each in measured] for name in AT_CAPACITY}
            found = each_found[0]
            binds = [each for each in (found.binding_objective, found.binding_resource) if each]
            notes[service.name] = "; ".join(
                [*([f"binds: {', '.join(binds)}"] if binds else []), *filter(None, [found.note])]
            )
    return answers, notes


def at_capacity(service: ResolvedService, found: Capacity) -> dict[str, float]:
    """Measures of a bracket."""
    minute = 60.0 if found.unit == "requests/s" else 1.0
    measured = {"capacity_low": found.low * minute, "capacity_high": found.high * minute}
    measured["kv_tokens"] = sum(pool.replicas * pool.step_model.kv_memory.tokens for pool in service.pools)
    if found.summary is not None and found.economics is not None:
        measured |= {name: getattr(found.summary, name) for name in AT_CAPACITY if hasattr(found.summary, name)}
        measured["power_w"] = fleet_power_w(service, found.summary.pool_power_w)
        measured |= money(found.economics)
    return {name: float(measured.get(name, nan)) for name in AT_CAPACITY}


def money(found: Economics) -> dict[str, float]:
    """The dollars of a load, with their range."""
    hourly, token = found.hourly.total, found.blended_usd_per_mtok
    return {
        "usd_per_h": hourly.mid,
        "usd_per_h_low": hourly.low,
        "usd_per_h_high": hourly.high,
        "usd_per_mtok": priced(token.mid),
        "usd_per_mtok_low": priced(token.low),
        "usd_per_mtok_high": priced(token.high),
    }


def priced(usd_per_mtok: float) -> float:
    """Dollars where there is a price; NaN where nothing was delivered or nothing has a price."""
    return usd_per_mtok if 0 < usd_per_mtok < inf else nan


def ask_plan(task: Task) -> tuple[Answers, Notes]:
    """The cheapest fleet of each candidate; NaN where it has none in any layout and size."""
    planned = find_plan(load_plan(task.base, task.changes))
    answers: Answers = {}
    notes: Notes = {}
    for candidate in planned.plan.candidates:
        own = [each for each in planned.options if each.layout.candidate.title == candidate.title]
        option = min(own, key=lambda each: each.usd_per_h)
        found = measures_of(planned, option) if option.systems else {}
        answers[candidate.title] = {name: [float(found.get(name, nan))] for name in OF_A_FLEET}
        reasons = dict.fromkeys(f"{words_of(each.layout.settings)}: {each.reason}" for each in own)
        notes[candidate.title] = words_of(option.layout.settings) if option.systems else "; ".join(reasons)
    return answers, notes


def ask_availability(task: Task) -> tuple[Answers, Notes]:
    """What each service whose systems fail comes to over months."""
    scenario = resolve(load(task.base, task.changes))
    answers: Answers = {}
    for service in failing(scenario):
        summary = over_months(scenario, service).summary
        answers[service.name] = {name: [float(getattr(summary, name))] for name in OVER_MONTHS}
    return answers, {}


QUESTIONS: Mapping[str, Callable[[Task], tuple[Answers, Notes]]] = {
    "run": ask_run,
    "capacity": ask_capacity,
    "plan": ask_plan,
    "availability": ask_availability,
}
