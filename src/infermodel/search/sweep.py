"""Evaluate the points of a sweep on the cores of this machine or of a cluster, each finished one on disk at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from infermodel.scenario import load, resolve
from infermodel.search.csv_file import write_whole
from infermodel.search.design import Point, points
from infermodel.search.points import Outcome, Task, evaluate
from infermodel.search.sweep_schema import Sweep

AHEAD = 4
"""Points handed to each process before it asks: nobody waits for the next one, and a long sweep needs little memory."""


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
    """Answer every point that has no answer in `folder` yet.

    Args:
        sweep: of `load_sweep`.
        folder: holds a file for each finished point, named by all that it depends on. After an interruption at any
            moment the same call goes on with what is missing.
        jobs: processes of this machine.
        dask: address of a scheduler, whose workers do the work instead; they need this program and these files.
        shard: (i, n), both from 1: only each n-th point, from the i-th on, for job arrays on a common folder.
        on_point: called with the number of points done and to do.
    """
    design = points(sweep)
    base_digest = resolve(load(sweep.base_path, sweep.set)).digest
    tasks = [task_of(sweep, point) for point in design]
    paths = [folder / f"{task.key(base_digest)}.json" for task in tasks]
    outcomes = [kept(path, task.number) for path, task in zip(paths, tasks, strict=True)]
    mine = [task for task in tasks if task.number % shard[1] == shard[0] - 1]
    open_tasks = [task for task in mine if outcomes[task.number] is None]
    on_point(len(mine) - len(open_tasks), len(mine))
    start, busy_s = perf_counter(), 0.0
    finished = on_cluster(open_tasks, dask) if dask else on_processes(open_tasks, jobs)
    for done, outcome in enumerate(finished, start=len(mine) - len(open_tasks) + 1):
        outcomes[outcome.number] = outcome
        busy_s += outcome.busy_s
        if outcome.lasting:
            keep(paths[outcome.number], outcome)
        on_point(done, len(mine))
    spent_s = (perf_counter() - start) * max(1, min(jobs, len(open_tasks)))
    return Swept(sweep, design, tuple(outcomes), busy_s / spent_s if open_tasks else 0.0)


def task_of(sweep: Sweep, point: Point) -> Task:
    """What a worker needs to know of a point."""
    changes = (*sweep.set, *point.changes)
    return Task(point.number, sweep.base_path, changes, sweep.ask, sweep.replications, sweep.width)


def on_processes(tasks: Sequence[Task], jobs: int) -> Iterator[Outcome]:
    """Outcomes as they come from processes of this machine."""
    if jobs <= 1 or len(tasks) <= 1:
        yield from map(evaluate, tasks)
        return
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool:
        rest = iter(tasks)
        running: set[Future[Outcome]] = set()
        while True:
            while len(running) < AHEAD * jobs and (task := next(rest, None)) is not None:
                running.add(pool.submit(evaluate, task))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in sorted(done, key=lambda future: future.result().number):
                yield each.result()


def on_cluster(tasks: Sequence[Task], address: str) -> Iterator[Outcome]:
    """Outcomes as they come from a Dask cluster; a point whose worker dies is given to another one.

    Raises:
        ModuleNotFoundError: Dask is not installed; it is the `cluster` extra.
        OSError: nobody answers at the address.
    """
    from distributed import Client, as_completed

    with Client(address, timeout="20s") as client:
        futures = client.map(evaluate, tasks, pure=False, retries=3, key=[f"infermodel-{t.number}" for t in tasks])
        for future in as_completed(futures):
            yield future.result()


def keep(path: Path, outcome: Outcome) -> None:
    """Write an outcome whole."""
    write_whole(path, json.dumps({"answers": outcome.answers, "reason": outcome.reason}))


def kept(path: Path, number: int) -> Outcome | None:
    """The outcome of an earlier call; None where there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(number, dict(content["answers"]), str(content["reason"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def default_jobs() -> int:
    """All cores."""
    return os.cpu_count() or 1
