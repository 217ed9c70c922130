"""The verbs of the program for Python: each takes a scenario or a file and gives an answer.

An answer has `summary` (a DataFrame), `answer` (the text that the command line prints), `write(folder)`, `table(name)`,
`figures()` and `notes`. What is wrong with what is given is an `InputError`, with line and column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

from infermodel.answers.answer import Answer, OnProgress, Progress, silent
from infermodel.answers.own_runs import Served
from infermodel.answers.run import CapacityAnswer, RunAnswer
from infermodel.answers.scenario import Changes, Scenario, texts
from infermodel.answers.searching import Searching
from infermodel.errors import InputError
from infermodel.scenario.errors import ScenarioErrors

if TYPE_CHECKING:
    from infermodel.answers.accuracy import AccuracyAnswer
    from infermodel.answers.apart import ApartAnswer
    from infermodel.answers.comparison import ComparisonAnswer
    from infermodel.answers.fit import FitAnswer
    from infermodel.answers.months import MonthsAnswer
    from infermodel.answers.plan import PlanAnswer
    from infermodel.answers.sweep import SweepAnswer
    from infermodel.experiment.result import AnswerBand, Capacity, Result, Verdict
    from infermodel.metrics.summary import Summary
    from infermodel.scenario import ResolvedScenario

__all__ = [
    "Answer",
    "InputError",
    "Progress",
    "Scenario",
    "ScenarioErrors",
    "Served",
    "availability",
    "capacity",
    "compare",
    "fit",
    "load",
    "plan",
    "run",
    "sweep",
    "validate",
]

Asked = Scenario | str | Path | Mapping[str, Any]
"""A scenario, its file, or what the file would say as dictionaries and lists."""


def load(source: Asked, *, set: Changes = ()) -> Scenario:
    """A scenario, checked.

    Args:
        source: a file, what it would say as dictionaries and lists, or a scenario.
        set: values by path, such as `{"services.0.fleet.systems": 4}`; services by index or name.

    Raises:
        ScenarioErrors: all that is wrong, each with its line and column.
    """
    return source.changed(set) if isinstance(source, Scenario) else Scenario.read(source, set)


def run(
    scenario: Asked,
    *,
    replications: int = 1,
    draws: int = 0,
    jobs: int = 1,
    cache: str | Path | None = None,
    on_progress: OnProgress = silent,
) -> RunAnswer:
    """Simulate a scenario at its load, and at the largest that keeps its objectives and with one system down unless it
    says `capacity: false`.

    Args:
        scenario: what to simulate.
        replications: runs that differ by seed; the summary is their mean.
        draws: how often uncertain constants are drawn for bands on the answers.
        jobs: processes; no answer depends on it. With more than one, call this below `if __name__ == "__main__"`.
        cache: folder of capacities that were found before; none is kept without it.
        on_progress: told what is being done.

    Raises:
        InputError: the scenario is not sound, or a claim of it cannot be asked.
    """
    from infermodel import experiment

    resolved = load(scenario).resolved
    simulating, numbers = f"simulating {resolved.source.name}", count(1)
    on_progress(Progress(simulating, 0, replications))
    result = experiment.run(
        resolved,
        replications=replications,
        jobs=jobs,
        on_progress=lambda: on_progress(Progress(simulating, next(numbers), replications)),
    )
    capacities = _capacities(resolved, cache=cache, jobs=jobs, on_progress=on_progress)
    verdicts = _verdicts(result, capacities)
    failures: Mapping[str, Summary] = {}
    if resolved.capacity_width is not None:
        on_progress(Progress("playing one system down"))
        failures = experiment.one_down(resolved)
    bands = _bands(resolved, draws=draws, jobs=jobs, on_progress=on_progress)
    return RunAnswer(result, capacities, verdicts, bands, failures)


def availability(scenario: Asked, *, on_progress: OnProgress = silent) -> MonthsAnswer:
    """What services whose systems fail deliver over months: how likely each number of systems is to be down, times what
    a run of the scenario delivers with so many down.

    Args:
        scenario: with `failures` of a service.
        on_progress: told what is being done.

    Raises:
        InputError: the scenario is not sound, no service of it has failures and objectives, or the states of one's
            pools are too many.
    """
    from infermodel.answers.months import MonthsAnswer
    from infermodel.search.availability import MOST_STATES, count_states, failing, over_months

    resolved = load(scenario).resolved
    asked = failing(resolved)
    if not asked:
        said = (
            "has no service with failures and objectives: give one some, such as failures: {mtbf: 200 day, mttr: 12 h}"
        )
        raise InputError(f"{resolved.source} {said}")
    for service in asked:
        if (states := count_states(service)) > MOST_STATES:
            said = f"{service.name}: {states:,} states of its pools, at most {MOST_STATES:,}: let fewer pools fail"
            raise InputError(f"{resolved.source} {said}")
    found = []
    for number, service in enumerate(asked):
        on_progress(Progress(f"playing {service.name} with systems down", number, len(asked)))
        found.append(over_months(resolved, service))
    return MonthsAnswer(resolved.title, found)


def capacity(
    scenario: Asked,
    *,
    width: float = 0.02,
    replications: int = 16,
    time_limit_s: float = inf,
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> CapacityAnswer:
    """The largest load that each service of a scenario sustains at its objectives.

    Args:
        scenario: with objectives.
        width: of a bracket, relative.
        replications: at most, for each load.
        time_limit_s: after which no further load is tried; the bracket so far is the answer.
        jobs: processes; no answer depends on it. With more than one, call this below `if __name__ == "__main__"`.
        on_progress: told what is being done.

    Raises:
        InputError: the scenario is not sound, or has no objectives.
    """
    from infermodel import experiment
    from infermodel.search.capacity import find_capacities
    from infermodel.search.probe import DEEP

    resolved = load(scenario).resolved
    asked = [service.name for service in resolved.services if service.objectives]
    if not asked:
        raise InputError(f"{resolved.source} has no objectives: give it some, such as objectives: {{ttft_p99: 1 s}}")
    on_progress(Progress(f"simulating {resolved.source.name}"))
    result = experiment.run(resolved)
    until = monotonic() + time_limit_s
    effort = replace(DEEP, replications=replications)
    told = Searching(len(asked), on_progress)
    capacities = find_capacities(
        resolved, width=width, effort=effort, jobs=jobs, until=until, on_found=told.found, on_load=told.tried
    )
    return CapacityAnswer(result, capacities)


def sweep(
    file: str | Path,
    *,
    set: Changes = (),
    points: str | Path | None = None,
    jobs: int = 1,
    dask: str = "",
    shard: tuple[int, int] = (1, 1),
    on_progress: OnProgress = silent,
) -> SweepAnswer:
    """Answer the what-ifs of a sweep's file.

    Args:
        file: of the sweep.
        set: values by path, such as `{"replications": 3}`: of the sweep, or of its base scenario.
        points: folder that keeps each finished point: the same call goes on where it was interrupted. None is kept
            without it.
        jobs: processes; no answer depends on it. With more than one, call this below `if __name__ == "__main__"`.
        dask: address of the scheduler of a Dask cluster that does the work.
        shard: (i, n): only the i-th of n parts, for job arrays on a common `points`.
        on_progress: told how many points are done.

    Raises:
        InputError: the file is not sound, or the cluster cannot go on.
        ModuleNotFoundError: `dask` without the extra `cluster`.
    """
    from infermodel.answers.sweep import SweepAnswer
    from infermodel.search.sweep import run_sweep
    from infermodel.search.sweep_schema import load_sweep

    asked = load_sweep(file, texts(set))
    with TemporaryDirectory() as kept_nowhere:
        swept = run_sweep(
            asked,
            Path(kept_nowhere if points is None else points),
            jobs=jobs,
            dask=dask,
            shard=shard,
            on_point=lambda done, total: on_progress(Progress("points", done, total)),
        )
    return SweepAnswer(swept)


def plan(file: str | Path, *, set: Changes = (), jobs: int = 1, on_progress: OnProgress = silent) -> PlanAnswer:
    """The cheapest fleet that meets the objectives, among the candidates of a plan's file.

    Args:
        file: of the plan.
        set: values by path, such as `{"spares": 0}`: of the plan, or of its base scenario.
        jobs: processes; no answer depends on it. With more than one, call this below `if __name__ == "__main__"`.
        on_progress: told how many layouts are done.

    Raises:
        InputError: the file is not sound.
    """
    from infermodel.answers.plan import PlanAnswer
    from infermodel.search.plan import find_plan
    from infermodel.search.plan_schema import load_plan

    asked = load_plan(file, texts(set))
    return PlanAnswer(
        find_plan(asked, jobs=jobs, on_option=lambda done, total: on_progress(Progress("layouts", done, total)))
    )


def validate(
    measurements: str | Path,
    *,
    served: Served | None = None,
    draft: str = "",
    acceptance: Sequence[float] = (),
    jobs: int = 1,
    on_progress: OnProgress = silent,
) -> AccuracyAnswer | ApartAnswer:
    """Play every experiment on the model of its server, and say how far off the model is.

    Args:
        measurements: a CSV file of experiments, or a folder of results of load generators. A file with columns of
            prefilling and decoding workers holds experiments with prompts and answers apart.
        served: what served the runs of a folder.
        draft: who drafts in experiments that do not say so; empty: nobody.
        acceptance: of each draft of a round, in experiments that do not say so.
        jobs: processes; no answer depends on it. With more than one, call this below `if __name__ == "__main__"`.
        on_progress: told what is being done.

    Raises:
        InputError: a file or a row cannot be read, or no run of a folder is one of this server.
    """
    from infermodel.answers.accuracy import AccuracyAnswer, experiments
    from infermodel.answers.apart import ApartAnswer
    from infermodel.experiment.processes import processes
    from infermodel.fidelity.disaggregated import is_apart, predict_apart, read_apart
    from infermodel.fidelity.validate import validate as play

    path = Path(measurements)
    if is_apart(path):
        apart = read_apart(path)
        on_progress(Progress(f"playing {len(apart)} experiments"))
        with processes(min(jobs, len(apart))) as mapped:
            play_one = partial(predict_apart, draft=draft, acceptance=tuple(acceptance))
            return ApartAnswer(path, tuple(mapped(play_one, apart)))
    rows, said = experiments(path, served)
    rows = tuple(row.drafting(draft, tuple(acceptance)) for row in rows)
    on_progress(Progress(f"playing {len(rows)} experiments"))
    folder = path if path.is_dir() else path.parent
    return AccuracyAnswer(path, play(rows, folder, jobs=jobs), said)


def compare(*reports: str | Path | RunAnswer) -> ComparisonAnswer:
    """Reports of runs side by side, with differences to the first and their intervals.

    Args:
        reports: two folders or more, or answers of `run`.

    Raises:
        InputError: there is only one, or a folder is no report.
    """
    from infermodel.answers.comparison import ComparisonAnswer
    from infermodel.report.compare.read import read_reports

    if len(reports) < 2:
        raise InputError("a comparison needs two reports or more")
    with TemporaryDirectory() as beside:
        folders = []
        for number, each in enumerate(reports, 1):
            if isinstance(each, RunAnswer):
                each = each.write(Path(beside) / f"run {number}", figures=False)
            folders.append(Path(each))
        return ComparisonAnswer(read_reports(folders))


def fit(
    model: str,
    system: str,
    *,
    engine: str = "",
    weights: str = "",
    kv_cache: str = "",
    max_context: int | None = None,
    contexts: Sequence[int] = (),
) -> FitAnswer:
    """The smallest fleet of a system that holds a model, its room for keys and values, and users at contexts.

    Args:
        model: name in the catalog, repository, or folder of a checkpoint.
        system: name in the catalog.
        engine: by which it is served; empty: the family's own.
        weights, kv_cache: number formats; empty: as the model is published, and bf16.
        max_context: longest that has to fit; the model's own without it.
        contexts: that users are counted at; 1,024 to 131,072 without any.

    Raises:
        InputError: a name is not known, or a setting is wrong.
    """
    from infermodel.answers.fit import CONTEXTS, FitAnswer, layouts

    formats = {name: said for name, said in (("weights", weights), ("kv_cache", kv_cache)) if said}
    limits = {"max_context": max_context} if max_context is not None else {}
    settings = {"engine": engine, "precision": formats, "limits": limits}
    said = {name: value for name, value in settings.items() if value}
    return FitAnswer(model, system, layouts(model, system, said), contexts or CONTEXTS)


def _capacities(
    scenario: ResolvedScenario, *, cache: str | Path | None, jobs: int, on_progress: OnProgress
) -> tuple[Capacity, ...]:
    """The largest load of each service that has objectives, where the scenario asks for it."""
    if scenario.capacity_width is None:
        return ()
    from infermodel.search.capacity_cache import cached_capacities

    told = Searching(sum(bool(service.objectives) for service in scenario.services), on_progress)
    folder = None if cache is None else Path(cache)
    return cached_capacities(
        scenario, folder, width=scenario.capacity_width, jobs=jobs, on_found=told.found, on_load=told.tried
    )


def _verdicts(result: Result, capacities: Sequence[Capacity]) -> tuple[Verdict, ...]:
    """The scenario's claims answered."""
    if not result.scenario.claims:
        return ()
    from infermodel.claims import answer_claims

    return answer_claims(result, {each.service: each for each in capacities})


def _bands(scenario: ResolvedScenario, *, draws: int, jobs: int, on_progress: OnProgress) -> tuple[AnswerBand, ...]:
    """How far the answers move with the uncertain constants, where draws of them are asked for."""
    if not draws:
        return ()
    from infermodel.experiment.uncertainty import bands
    from infermodel.fidelity.dataflow import REFITS

    on_progress(Progress(f"simulating {draws} times with other constants"))
    return bands(scenario, draws=draws, jobs=jobs, refits=REFITS)
