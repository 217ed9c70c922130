"""Read many mutants, run some of the sound ones, and say what ended in anything but a clean message or a valid run.

    python -m tests.fuzz.campaign --cases 100000 --runs 1000 --processes 2
    python -m tests.fuzz.campaign --show 4711          # the file of one case, and what is said to it

Every process may take 1 GB more than it starts with, and every case 30 seconds of a core.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests.fuzz.mutations import REPLAY, ROOT, TRACES, Mutant, mutant

from infermodel.claims import check_claims
from infermodel.cli import infermodel
from infermodel.scenario import Scenario, ScenarioErrors, load, resolve, to_yaml
from infermodel.scenario.errors import printable
from infermodel.search.plan_schema import load_plan
from infermodel.search.sweep_schema import load_sweep

SEED = 1
LONGEST_S = 30
MOST_BYTES = 1_000_000_000
MOST_REQUESTS = 200
MOST_CALLS = 3
LONGEST_MESSAGE = 100_000

LINKED = "AzureLLMInferenceTrace_conv_2023.csv"
"""The log that a shipped scenario names; three of its lines stand in for it."""


class Hang(BaseException):
    """A case took longer than `LONGEST_S`."""


@dataclass
class Tally:
    """What a part of a campaign came to.

    Attributes:
        counts: of outcomes.
        findings: number of the case and what went wrong, of each case that did not end cleanly.
        slowest_s, peak_bytes: of all cases.
    """

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_bytes: int = 0

    def add(self, other: Tally) -> None:
        """The other's outcomes too."""
        self.counts.update(other.counts)
        self.findings += other.findings
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


def campaign(cases: int, runs: int, *, processes: int = 1, seed: int = SEED, timeout_s: float = 3000) -> Tally:
    """Read `cases` mutants and run `runs` of them, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / str(part) for part in range(processes)]
        workers = []
        for part, place in enumerate(parts):
            place.mkdir()
            told = ["--seed", seed, "--cases", cases, "--runs", runs, "--part", part, "--of", processes, "--in", place]
            environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
            environment |= {"OPENBLAS_NUM_THREADS": "1", "INFERMODEL_TRACES": "", "MPLBACKEND": "agg"}
            with open(place / "said", "w") as said:
                command = [sys.executable, "-m", "tests.fuzz.campaign", *map(str, told)]
                workers.append(subprocess.Popen(command, env=environment, cwd=place, stderr=said, stdout=said))
        total = Tally()
        for worker, place in zip(workers, parts, strict=True):
            try:
                status = worker.wait(timeout_s)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
                status = "hangs"
            if status == 0:
                total.add(Tally(**json.loads((place / "tally.json").read_text())))
            else:
                at = int((place / "case").read_text() or -1)
                total.findings.append((at, f"the process ended with {status}: {(place / 'said').read_text()[-2000:]}"))
        total.findings = [(number, said) for number, said in total.findings]
        return total


def play(seed: int, numbers: range, runs: int, folder: Path) -> Tally:
    """Read the mutants of these numbers in this process; run as many of the sound ones, evenly spread."""
    from time import process_time

    tally = Tally()
    desk = lay_out(folder)
    done = 0
    with open(folder / "case", "w") as at:
        for position, number in enumerate(numbers):
            at.seek(0)
            at.write(f"{number:>12}")
            at.flush()
            started = process_time()
            case = mutant(seed, number)
            due = done < runs * (position + 1) / len(numbers)
            try:
                with within(LONGEST_S):
                    outcome = attempt(case, desk, run=due)
            except Hang:
                outcome = f"! hangs: {case.kind} {case.origin}"
            except BaseException as error:
                last = traceback.format_exception(error)
                outcome = f"! {type(error).__name__}: {error}\n" + "".join(last[-6:])
            if outcome.startswith("!"):
                tally.findings.append((number, outcome))
            done += outcome.startswith("ran")
            kind = "log" if case.kind in TRACES else case.kind
            tally.counts.update((kind, f"{kind} {outcome.partition(':')[0]}"))
            tally.slowest_s = max(tally.slowest_s, process_time() - started)
    tally.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return tally


def lay_out(folder: Path) -> Path:
    """The shipped scenarios in a folder of their own, with room for a mutant beside each."""
    desk = folder / "desk"
    shutil.copytree(ROOT / "scenarios", desk)
    (desk / LINKED).write_text(TRACES["azure"])
    return desk


def attempt(case: Mutant, desk: Path, *, run: bool) -> str:
    """What a mutant comes to: `refused`, `sound`, `ran`; what begins with `!` is a finding."""
    path = desk / {"sweep": "sweeps", "plan": "plans"}.get(case.kind, "") / "mutant.yaml"
    if case.kind in TRACES:
        (desk / "log").write_bytes(case.content)
        path.write_text(REPLAY.format(file="log", format=case.kind))
    else:
        path.write_bytes(case.content)
    try:
        if case.kind in ("sweep", "plan"):
            (load_sweep if case.kind == "sweep" else load_plan)(path)
            return "sound"
        scenario = load(path)
        check_claims(scenario)
        resolved = resolve(scenario)
    except ScenarioErrors as errors:
        return refusal(errors)
    if run:
        return run_it(scenario, path)
    (desk / "again.yaml").write_text(to_yaml(resolved))
    if resolve(load(desk / "again.yaml")).digest != resolved.digest:
        return "! written back, it is another scenario"
    return "sound"


def refusal(errors: ScenarioErrors) -> str:
    """`refused`, where the message is one that a person can use."""
    said = str(errors)
    if not errors.errors or len(said) > LONGEST_MESSAGE:
        return f"! a message of {len(said)} characters"
    for error in errors.errors:
        if not error.message or not error.file or not str(error).startswith(printable(error.file)):
            return f"! a message without a place: {error}"
        if error.line and not error.excerpt and "UTF-8" not in error.message:
            return f"! a place without its line: {error}"
    if not all(line.isprintable() for line in said.split("\n")):
        return f"! a message that drives the terminal: {said!r}"
    return "refused" if any(error.line for error in errors.errors) else "refused as a whole"


def run_it(scenario: Scenario, path: Path) -> str:
    """`ran`, where the run is whole and its report is."""
    out = path.parent / "report"
    shutil.rmtree(out, ignore_errors=True)
    changes = [part for change in capped(scenario) for part in ("--set", change)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        silent = ["--no-figures", "--quiet", "--out", str(out)]
        said = CliRunner().invoke(infermodel, ["run", str(path), *changes, *silent])
    left = [each.name for each in path.parent.iterdir() if "draft" in each.name]
    if left:
        return f"! leaves {left}"
    if said.exit_code == 2:
        return "! half a folder" if out.exists() else f"refused to run: {said.stderr}"
    if said.exit_code != 0 or said.stderr:
        return f"! run ends with {said.exit_code}: {said.stderr}"
    if warned:
        return f"! warns: {warned[0].message} ({warned[0].filename}:{warned[0].lineno})"
    return whole(out)


def whole(report: Path) -> str:
    """`ran`, where each file is there and can be read."""
    stated: dict[str, Any] = json.loads((report / "manifest.json").read_text())
    if set(stated["sha256"]) != {each.name for each in report.iterdir()} - {"manifest.json"}:
        return "! the manifest names other files"
    for table in report.glob("*.csv"):
        with open(table, newline="") as file:
            rows = list(csv.reader(file))
        if len({len(row) for row in rows}) != 1:
            return f"! {table.name} is ragged"
    with gzip.open(report / "requests.csv.gz", "rt") as file:
        requests = sum(1 for _ in file) - 1
    if "all held" not in (report / "report.html").read_text():
        return "! a page without laws"
    return f"ran: {requests} requests"


def capped(scenario: Scenario) -> Iterator[str]:
    """Overrides after which about `MOST_REQUESTS` requests are measured, and no capacity is looked for."""
    own = [(f"services.{i}.traffic", each.traffic) for i, each in enumerate(scenario.services)]
    each_has = max(1, MOST_REQUESTS // len(scenario.services))
    yield "capacity=false"
    yield "duration=null"
    yield f"requests={min(scenario.requests or MOST_REQUESTS, each_has)}"
    yield from ("warm_up=null",) if not isinstance(scenario.warm_up, str) else ()
    for place, traffic in (("traffic", scenario.traffic), *own):
        if traffic is not None:
            yield from _capped(f"{place}.arrivals", traffic.arrivals, each_has)
            yield from _capped(f"{place}.session", traffic.session, MOST_CALLS)


COUNTS = ("requests", "users", "repeat", "calls", "answers", "depth", "width")


def _capped(place: str, block: object, most: int) -> Iterator[str]:
    for name in COUNTS:
        if getattr(block, name, 0) > most:
            yield f"{place}.{name}={most}"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `Hang` when the block takes more time of a core, or ten times as much by the clock on the wall."""

    def late(*_: object) -> None:
        raise Hang

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, 10 * seconds))
    before = [signal.signal(number, late) for _, number, _ in timers]
    for timer, _, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def limit_memory() -> None:
    """Refuse this process more than `MOST_BYTES` beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def show(seed: int, number: int) -> None:
    """Write the file of one case and say what becomes of it."""
    case = mutant(seed, number)
    print(f"--- {case.kind}, made from {case.origin}")
    sys.stdout.flush()
    sys.stdout.buffer.write(case.content + b"\n---\n")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["INFERMODEL_TRACES"], os.environ["INFERMODEL_TRACEBACK"] = "", "1"
        limit_memory()
        with within(LONGEST_S):
            print(attempt(case, lay_out(Path(folder)), run=True))


def main() -> int:
    """Status 1 if there are findings."""
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("cases", 100_000), ("runs", 1000), ("processes", 2), ("seed", SEED), ("of", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--part", type=int)
    options.add_argument("--show", type=int)
    options.add_argument("--in", dest="folder", type=Path)
    asked = options.parse_args()
    if asked.show is not None:
        show(asked.seed, asked.show)
        return 0
    if asked.part is not None:
        import matplotlib.figure  # noqa: F401  before the limit: what is loaded is no blow-up

        limit_memory()
        found = play(asked.seed, range(asked.part, asked.cases, asked.of), asked.runs // asked.of, asked.folder)
        (asked.folder / "tally.json").write_text(json.dumps(vars(found)))
        return 0
    found = campaign(asked.cases, asked.runs, processes=asked.processes, seed=asked.seed)
    for name, count in sorted(found.counts.items()):
        print(f"{count:>8}  {name}")
    print(f"slowest case {found.slowest_s:.1f} s; largest process {found.peak_bytes / 1e6:.0f} MB")
    for number, said in found.findings:
        print(f"\ncase {number}: {said}")
    print(f"{len(found.findings)} findings")
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
