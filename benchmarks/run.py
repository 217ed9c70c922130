"""Run the benchmark cases, print a table, write `benchmarks/latest.json`.

    python benchmarks/run.py [--against CHECKOUT] [CASE ...]

Each case runs in a process of its own, so that its peak memory is its own. Fields of a result:

    case, requests, output_tokens   what was simulated and measured
    cpu_s                           of one run of `simulate`, requests drawn and tables made included
    requests_per_cpu_s, tokens_per_cpu_s
    events_per_request              entries on the agenda, superseded ones included, over requests
    peak_memory_bytes               of the process at its highest, Python and numpy included
    every_step_ratio                CPU seconds of stopping at every step over those of leaping, on 10,000 requests
    heap_loop_ratio                 requests per CPU second over those of the bare heap loop on the same requests
    times_as_fast                   as a checkout of commit 3ede99a, that was named: CPU seconds of the case there over
                                    those here, up to 20,000 requests, medians of five runs by turns; old rules only
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from cases import CASES, Case
from heap_loop import cost_table, heap_loop
from infermodel.simulation import Horizon, ServiceSpec, Stepping, simulate
from infermodel.tables import FINISHED, ServiceRecord

LATEST = Path(__file__).with_name("latest.json")
EVERY_STEP_REQUESTS = 10_000
OLD_RULES = "_old_rules"
COMPARED_REQUESTS, COMPARED_RUNS = 20_000, 5
COMPARED = """
import sys
from time import process_time
from cases import CASES
from infermodel.simulation import Horizon, simulate
case, requests = CASES[sys.argv[1]], float(sys.argv[2])
spec = case.service()
simulate([spec], 1, Horizon(requests=100))
begin = process_time()
simulate([spec], 1, Horizon(requests=min(case.requests, requests)))
print(process_time() - begin)
"""


@dataclass(frozen=True)
class Result:
    case: str
    requests: int
    output_tokens: int
    cpu_s: float
    requests_per_cpu_s: float
    tokens_per_cpu_s: float
    events_per_request: float
    peak_memory_bytes: int
    every_step_ratio: float
    heap_loop_ratio: float
    times_as_fast: float | None = None


def timed_run(spec: ServiceSpec, horizon: Horizon, stepping: Stepping = "leap") -> tuple[ServiceRecord, float]:
    begin = process_time()
    (record,) = simulate([spec], 1, horizon, stepping=stepping)
    return record, process_time() - begin


def heap_loop_s(spec: ServiceSpec, record: ServiceRecord) -> float:
    """CPU seconds of the bare loop on the requests of a record."""
    requests = record.requests
    arrived_at, prompt, output = (
        column.tolist() for column in (requests.arrived_at, requests.prompt_tokens, requests.output_tokens)
    )
    limits = spec.pool.limits
    table = cost_table(
        spec.pool.step_model,
        limits.max_sequences,
        limits.max_batched_tokens,
        round(float(requests.prompt_tokens.mean())),
    )
    begin = process_time()
    finished_at = heap_loop(table, arrived_at, prompt, output, replicas=spec.pool.replicas, seats=limits.max_sequences)
    seconds = process_time() - begin
    done = np.isfinite(requests.finished_at)
    ours, floors = (
        float((np.asarray(at) - requests.arrived_at)[done].mean()) for at in (requests.finished_at, finished_at)
    )
    if not 0.9 < floors / ours < 1.1:
        print(f"the heap loop's requests take {floors:.3f} s on average, the engine's {ours:.3f} s", file=sys.stderr)
    return seconds


def measure(name: str, case: Case) -> Result:
    """Run a case in this process."""
    spec = case.service()
    record, cpu_s = timed_run(spec, case.horizon)
    peak_memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    short = Horizon(requests=min(case.requests, EVERY_STEP_REQUESTS))
    _, leap_s = timed_run(spec, short)
    _, every_s = timed_run(spec, short, "every")
    requests = int((record.requests.status == FINISHED).sum())
    tokens = int(record.replica_totals["output_tokens"].sum())
    return Result(
        case=name,
        requests=requests,
        output_tokens=tokens,
        cpu_s=round(cpu_s, 3),
        requests_per_cpu_s=round(requests / cpu_s),
        tokens_per_cpu_s=round(tokens / cpu_s),
        events_per_request=round(record.events / requests, 3),
        peak_memory_bytes=peak_memory_bytes,
        every_step_ratio=round(every_s / leap_s, 2),
        heap_loop_ratio=round(heap_loop_s(spec, record) / cpu_s, 3),
    )


def cpu_s(checkout: Path, case: str) -> float:
    """CPU seconds of a case in a checkout, in a process of its own."""
    path = os.pathsep.join(str(checkout / folder) for folder in ("src", "benchmarks"))
    command = [sys.executable, "-c", COMPARED, case, str(COMPARED_REQUESTS)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def times_as_fast(name: str, before: Path) -> float:
    """As the checkout before, on a case under its rules."""
    here = Path(__file__).resolve().parents[1]
    pairs = [(cpu_s(before, name.removesuffix(OLD_RULES)), cpu_s(here, name)) for _ in range(COMPARED_RUNS)]
    return round(median(then for then, _ in pairs) / median(now for _, now in pairs), 2)


def row(values: Result) -> str:
    return (
        f"{values.case:18} {values.requests:>9,} {values.output_tokens:>13,} {values.cpu_s:>8.2f}"
        f" {values.requests_per_cpu_s:>9,} {values.tokens_per_cpu_s:>12,} {values.events_per_request:>7.2f}"
        f" {values.peak_memory_bytes / 1e6:>9,.0f} {values.every_step_ratio:>8.1f} {values.heap_loop_ratio:>8.3f}"
        f" {values.times_as_fast or '-':>8}"
    )


HEADER = (
    f"{'case':18} {'requests':>9} {'output tok':>13} {'CPU s':>8} {'req/CPU s':>9} {'tok/CPU s':>12} {'ev/req':>7}"
    f" {'peak MB':>9} {'every/x':>8} {'heap/x':>8} {'x before':>8}"
)


def main() -> int:
    arguments = ArgumentParser(description="Run the benchmark cases.")
    arguments.add_argument("--against", type=Path, metavar="CHECKOUT", help="of commit 3ede99a, whose times to divide")
    arguments.add_argument("cases", nargs="*", metavar="CASE")
    asked = arguments.parse_args()
    names = asked.cases
    unknown = [name for name in names if name not in CASES]
    if unknown:
        print(f"no case named {', '.join(unknown)}; there are {', '.join(CASES)}", file=sys.stderr)
        return 2
    results, failed = [], False
    print(HEADER)
    for name in names or CASES:
        done = subprocess.run(
            [sys.executable, __file__, "--in-this-process", name], stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            print(f"{name:18} could not run")
            failed = True
            continue
        result = Result(**json.loads(done.stdout))
        if asked.against and name.endswith(OLD_RULES):
            result = replace(result, times_as_fast=times_as_fast(name, asked.against.resolve()))
        results.append(result)
        print(row(result), flush=True)
    LATEST.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-this-process"]:
        print(json.dumps(asdict(measure(sys.argv[2], CASES[sys.argv[2]]))))
    else:
        sys.exit(main())
