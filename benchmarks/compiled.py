"""Compile the inner loops: a copy of the program in which the modules where a run spends its time are C extensions.

    python benchmarks/compiled.py [FOLDER]        # build/compiled unless said otherwise
    PYTHONPATH=build/compiled infermodel run ...  # or: make run COMPILED=1

mypyc (it comes with mypy) compiles the very sources that Python runs, so results are the same to the bit. It needs a C
compiler and Python's headers. The copy does not follow later changes of the sources: compile again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOT = (
    *(
        f"simulation/{name}.py"
        for name in (
            "alarm", "gate", "service", "tally",
            *(f"clients/{name}" for name in ("askers", "callers", "open", "questions", "turns", "users", "way")),
            *(f"memory/{name}" for name in ("ledger", "memory", "pieces", "prefixes")),
            *(f"pool/{name}" for name in ("api_servers", "load", "pool", "replicas")),
            *(f"pool/{name}" for name in ("first_router", "router", "shared_queue", "transfer", "unread")),
            *(f"records/{name}" for name in ("gaps", "handovers", "leaps", "log", "recorder", "totals")),
            *(f"replica/{name}" for name in (
                "admission", "answer_share", "arrivals", "budget", "decoding", "drafts", "endings", "gathering",
                "giving_way", "holding_back", "leap", "members", "prompts", "prompts_first", "rank_router", "ranks",
                "receiving", "replica", "scheduler", "transit", "waiting", "waits",
            )),
        )
    ),
    "cost/attention.py",
    "cost/contexts.py",
    "cost/dataflow.py",
    "cost/fixed.py",
    "cost/forever.py",
    "cost/gpu.py",
    "cost/kernels.py",
    "cost/ranks.py",
    "cost/record.py",
    "cost/stages.py",
    "cost/step.py",
    "cost/work.py",
)  # fmt: skip
"""Modules to compile. Those that extend classes of Python's or SimPy's own (the clock, the queues) stay as they are."""


def compile_into(folder: Path) -> None:
    """Copy the package into `folder`, and compile what is hot there.

    Raises:
        subprocess.CalledProcessError: it could not be compiled; the compiler has said why.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        ROOT / "src" / "infermodel", folder / "infermodel", ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    command = [sys.executable, "-m", "mypyc", "--config-file=", "--ignore-missing-imports"]
    environment = {**os.environ, "MYPYC_OPT_LEVEL": "3", "MYPYC_DEBUG_LEVEL": "0", "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [*command, *(f"infermodel/{file}" for file in HOT)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        done.check_returncode()
    shutil.rmtree(folder / "build", ignore_errors=True)


if __name__ == "__main__":
    compile_into(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "compiled")
