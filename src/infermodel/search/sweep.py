"""Evaluate the points of a sweep on the cores of this machine or of a cluster, each finished one on disk at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from infermodel.experiment.processes import processes
from infermodel.scenario import load, resolve
from infermodel.scenario.schema.values import tree
from infermodel.search.capacity_cache import program_digest
from infermodel.search.cluster import on_cluster
from infermodel.search.design import Point, points
from infermodel.search.plan_schema import load_plan
from infermodel.search.points import Outcome, Task, evaluate, finished
from infermodel.search.sweep_schema import Sweep


@dataclass(frozen=True)
class Swept:
    """A sweep as far as it is done.

    Attributes:
        points: of the design, the base first.
        outcomes: by point; None where not asked yet (another shard's).
        busy_share: of the processes' time that went into points, in this call.
    """

    sweep: Sweep
    points: tuple[Point, ...]
    outcomes: tuple[Outcome | None, ...]
    busy_share: float

    @property
    def is_whole(self) -> bool:
        """Whether every point has its answer."""
        return None not in self.outcomes


def run_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    jobs: int = 1,
    dask: str = "",
    shard: tuple[int, int] = (1, 1),
    on_point: Callable[[int, int], None] = lambda done, total: None,
) -> Swept:
    """Answer every point that has no answer in `folder` yet, and ask those again that were refused: that takes no
    time, and a file that was missing may be there now.

    Args:
        sweep: of `load_sweep`.
        folder: holds a file for each finished point, named by all that it depends on. After an interruption at any
            moment the same call goes on with what is missing.
        jobs: processes of this machine.
        dask: address of a scheduler, whose workers do the work instead; they need this program, and see these files
            under the same paths.
        shard: (i, n), both from 1: only each n-th point, from the i-th on, for job arrays on a common folder.
        on_point: called with the number of points done and to do.

    Raises:
        ClusterError: the cluster cannot go on.
    """
    tasks = tasks_of(sweep, folder.absolute())
    mine = [task for task in tasks if task.number % shard[1] == shard[0] - 1]
    outcomes = [finished(task.answer, task.number) for task in tasks]
    open_ones = [task for task in mine if (known := outcomes[task.number]) is None or known.reason]
    missing = list({task.answer: task for task in reversed(open_ones)}.values())[::-1]
    done = len(mine) - len(open_ones)
    on_point(done, len(mine))
    start, busy_s = perf_counter(), 0.0
    jobs = min(jobs, len(missing))
    for outcome in on_cluster(missing, dask) if dask else on_processes(missing, jobs):
        same = [task.number for task in mine if task.answer == tasks[outcome.number].answer]
        for number in same:  # points that ask the same share an answer
            outcomes[number] = replace(outcome, number=number)
        busy_s += outcome.busy_s
        done += len(same)
        on_point(done, len(mine))
    spent_s = (perf_counter() - start) * jobs
    return Swept(sweep, points(sweep), tuple(outcomes), busy_s / spent_s if missing else 0.0)


def tasks_of(sweep: Sweep, folder: Path) -> list[Task]:
    """What workers need to know of each point; its file is named by a hash of whatever its answer depends on."""
    base = sweep.base_path.absolute()
    common: list[Any] = [program_digest(), *digests(sweep)]
    common += [sweep.ask, sweep.replications, sweep.width, sweep.fewest]
    tasks = []
    for point in points(sweep):
        changes = (*sweep.set, *point.changes)
        name = hashlib.sha256(json.dumps([*common, changes]).encode()).hexdigest()[:32]
        answer = folder / f"{name}.json"
        asked = (sweep.ask, sweep.replications, sweep.width, sweep.fewest)
        tasks.append(Task(point.number, base, changes, *asked, answer))
    return tasks


def digests(sweep: Sweep) -> list[str]:
    """Of the base scenario, and of the plan where one is asked for."""
    if sweep.ask != "plan":
        return [resolve(load(sweep.base_path, sweep.set)).digest]
    plan = load_plan(sweep.base_path, sweep.set)
    text = json.dumps(tree(plan), default=str, sort_keys=True)
    return [resolve(load(plan.base_path, plan.set)).digest, hashlib.sha256(text.encode()).hexdigest()]


def on_processes(tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
    """Outcomes from processes of this machine, in order."""
    with processes(jobs) as mapper:
        yield from mapper(evaluate, tasks)
