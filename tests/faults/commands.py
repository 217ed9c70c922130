"""Every command that writes, small, and a way to break it: in a child that may be killed, starved or interrupted."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infermodel.cli import infermodel

SCENARIO = """\
title: T
requests: 40
warm_up: 0 s
capacity: {width: 1}
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: lognormal, mean: 300, cv: 0.5}
  output_tokens: {kind: fixed, tokens: 30}
objectives: {ttft_p90: 2 s}
services:
  - {name: CS-3, model: llama-3.1-8b, fleet: {system: cs-3}, limits: {max_context: 8192}, price: {purchase: cs-3}}
claims:
  - {id: C1, statement: fast, published: 1800, unit: tok/s, source: us, answer: {speed: {service: CS-3}, group: speed}}
"""
SWEEP = """\
title: T
base: s.yaml
ask: run
axes: [{name: seats, path: services.0.limits.max_sequences, values: [2, 4]}]
"""
PLAN = """\
title: T
base: s.yaml
most_systems: 4
replications: 2
candidates: [{system: cs-3, price: {purchase: cs-3}, devices_per_replica: [1]}]
"""
ROWS = """\
id,gpu,gpus,tensor_parallel,engine,engine_version,weights_precision,model,load,concurrency,requests,prompt_tokens,output_tokens,measured_tpot_mean_ms,source_set
a,h100-sxm,1,1,vllm,0.18.0,bf16,llama-3.1-8b,closed,2,4,200,10,7.5,ours
"""

BENCH = (
    '{"model_id": "m", "num_prompts": 1, "duration": 2.0, "completed": 1, "total_input_tokens": 5, "errors": [""],'
    ' "total_output_tokens": 2, "input_lens": [5], "output_lens": [2], "ttfts": [0.1], "itls": [[0.1]],'
    ' "start_times": [7.0]}'
)


@dataclass(frozen=True)
class Command:
    """A command line and where it writes.

    Attributes:
        arguments: of the program, run in the desk.
        out: the folder or file that it makes.
        is_whole: whether its folder is exchanged in one step; else file by file.
    """

    arguments: tuple[str, ...]
    out: str
    is_whole: bool


COMMANDS: Mapping[str, Command] = {
    "run": Command(("run", "s.yaml", "--out", "o", "--no-figures", "--jobs", "1"), "o", True),
    "run with pictures": Command(("run", "s.yaml", "--out", "o", "--set", "capacity=false"), "o", True),
    "capacity": Command(
        ("capacity", "s.yaml", "--out", "o", "--width", "1", "--replications", "2", "--jobs", "1"), "o", True
    ),
    "compare": Command(("compare", "one", "two", "--out", "o", "--no-figures"), "o", True),
    "sweep": Command(("sweep", "sweep.yaml", "--out", "o", "--jobs", "1"), "o", True),
    "plan": Command(("plan", "plan.yaml", "--out", "o", "--jobs", "1"), "o", True),
    "validate": Command(("validate", "rows.csv", "--out", "o", "--jobs", "1"), "o", True),
    "claims": Command(("claims", "s.yaml", "--out", "o/claims.md"), "o", False),
    "new": Command(("new", "o/new.yaml"), "o", False),
    "import": Command(("import", "bench.json", "--requests", "o/requests.csv"), "o", False),
}


def lay_out(desk: Path) -> None:
    """The files that the commands read."""
    texts = {"s.yaml": SCENARIO, "sweep.yaml": SWEEP, "plan.yaml": PLAN, "rows.csv": ROWS, "bench.json": BENCH}
    for name, text in texts.items():
        (desk / name).write_text(text)


def start(arguments: tuple[str, ...], desk: Path, tamper: Callable[[], None] = lambda: None) -> int:
    """The process of a child that runs a command line in the desk, after `tamper` has been at it."""
    child = os.fork()
    if child:
        return child
    status, begun = 99, False
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        said = os.open(desk / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(said, stream)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w") for stream in (1, 2))
        os.chdir(desk)
        sys.argv = ["infermodel", *arguments]
        tamper()
        begun = True
        infermodel.main(list(arguments), prog_name="infermodel")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 98
    except KeyboardInterrupt:
        if not begun:  # the child was interrupted, not the command
            status = 130
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def ended(child: int, limit_s: float = 120) -> int:
    """The exit status of a child, negative where a signal ended it."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the command hangs")


def call(arguments: tuple[str, ...], desk: Path, tamper: Callable[[], None] = lambda: None) -> int:
    """The exit status of a command line; what it said is in the file `said` of the desk."""
    return ended(start(arguments, desk, tamper))


def full_output() -> None:
    """For `tamper`: standard output is a device without room."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def contents(folder: Path) -> dict[str, str]:
    """Checksum of every finished file below a folder by its relative path; nothing where there is no folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if ".draft-" not in path.name and path.is_file()
    }


def drafts(desk: Path) -> list[str]:
    """Names of unfinished files and folders anywhere in the desk."""
    return [str(path.relative_to(desk)) for path in desk.rglob("*") if ".draft-" in path.name]
