"""The compiled copy of the program gives the tables that plain Python gives, to the bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DIGESTS = """
import sys
from dataclasses import fields, replace
from hashlib import sha256
import numpy as np
sys.path.insert(0, "benchmarks")
from cases import CASES, poisson
from infermodel.simulation import Horizon, simulate
from infermodel.simulation.replica import scheduler
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import ClosedTraffic, ThinkTime
print("compiled" if scheduler.__file__.endswith(".so") else "plain", file=sys.stderr)
users = ClosedTraffic(40, Uniform(100, 2000), Uniform(1, 300), ThinkTime(0.2))
for case in ("W1_10k", "W4_1M", "W5_100k"):
    spec = CASES[case].service()
    for traffic in (spec.traffic, users, poisson(30.0, Uniform(1, 4000), Uniform(1, 400))):
        (record,) = simulate([replace(spec, traffic=traffic)], 1, Horizon(requests=400))
        columns = [getattr(record.requests, field.name) for field in fields(record.requests)]
        columns += [*record.timeline.columns.values(), *record.replica_totals.values(), record.gaps.counts]
        columns += [np.array([record.gaps.total_s, record.ended_at, record.events])]
        print(case, sha256(b"".join(np.asarray(column).tobytes() for column in columns)).hexdigest())
"""


def output(arguments: list[str], package: Path) -> tuple[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout, done.stderr


@pytest.mark.slow
def test_compiled_tables_are_those_of_plain_python(tmp_path: Path) -> None:
    if not shutil.which(os.environ.get("CC", "cc")) or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("compiling needs a C compiler and Python's headers")
    output(["benchmarks/compiled.py", str(tmp_path)], ROOT / "src")
    plain, how = output(["-c", DIGESTS], ROOT / "src")
    assert how.strip() == "plain"
    compiled, how = output(["-c", DIGESTS], tmp_path)
    assert how.strip() == "compiled"
    assert compiled == plain
    output(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/simulation", "tests/oracles"], tmp_path)
