"""Inner loops that are compiled give the tables of plain Python, to the bit; what stands in the way of compiling them
never keeps a run from going on.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infermodel.compiled import HOT, PACKAGE, PLAIN_VARIABLE, SEEN, products

ROOT = Path(__file__).resolve().parents[2]

DIGESTS = """
import pickle, sys
from dataclasses import fields, replace
from hashlib import sha256
import numpy as np
sys.path.insert(0, "benchmarks")
from cases import CASES, poisson
from infermodel.simulation import Horizon, simulate
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import ClosedTraffic, ThinkTime
users = ClosedTraffic(40, Uniform(100, 2000), Uniform(1, 300), ThinkTime(0.2))
for case in ("W1_10k", "W4_1M", "W5_100k"):
    spec = pickle.loads(pickle.dumps(CASES[case].service()))  # as other processes get it
    for traffic in (spec.traffic, users, poisson(30.0, Uniform(1, 4000), Uniform(1, 400))):
        (record,) = simulate([replace(spec, traffic=traffic)], 1, Horizon(requests=400))
        columns = [getattr(record.requests, field.name) for field in fields(record.requests)]
        columns += [*record.timeline.columns.values(), *record.replica_totals.values(), record.gaps.counts]
        columns += [np.array([record.gaps.total_s, record.ended_at, record.events])]
        print(case, sha256(b"".join(np.asarray(column).tobytes() for column in columns)).hexdigest())
"""


def call(checkout: Path, *arguments: str, plain: bool = False, **environment: str) -> tuple[str, str]:
    """Standard output and error of Python in a checkout."""
    inherited = {name: value for name, value in os.environ.items() if name != PLAIN_VARIABLE}
    inherited |= {"PYTHONPATH": str(checkout / "src"), **environment, **({PLAIN_VARIABLE: "1"} if plain else {})}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=inherited, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout, done.stderr


def form(checkout: Path, *, plain: bool = False) -> str:
    return call(checkout, "-m", "infermodel", "--version", plain=plain)[0].strip().partition("inner loops ")[2]


def test_compiled_tables_are_those_of_plain_python() -> None:
    call(ROOT, "tools/compile.py", "--within", "900")
    assert form(ROOT) == "compiled"
    assert form(ROOT, plain=True) == "in plain Python"
    assert call(ROOT, "-c", DIGESTS) == call(ROOT, "-c", DIGESTS, plain=True)


@pytest.mark.slow
def test_tests_of_the_simulation_hold_compiled() -> None:
    call(ROOT, "tools/compile.py", "--within", "900")
    tests = "tests/simulation", "tests/oracles", f"--ignore={__file__}"
    call(ROOT, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests, **{PLAIN_VARIABLE: ""})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this one, with nothing compiled and a build that fails."""
    shutil.copytree(PACKAGE, tmp_path / "src" / "infermodel", ignore=shutil.ignore_patterns("__pycache__", "catalog"))
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "compile.py", tmp_path / "tools")
    (tmp_path / "setup.py").write_text("raise SystemExit('no such luck')\n")
    return tmp_path


def test_without_a_c_compiler_plain_python_runs_and_it_is_said_once(checkout: Path) -> None:
    lacking = "there is no C compiler (/no/such/cc)"
    _, said = call(checkout, "tools/compile.py", CC="/no/such/cc")
    assert said == f"the inner loops run in plain Python: {lacking}\n"
    assert form(checkout) == f"in plain Python: {lacking}"
    assert call(checkout, "tools/compile.py", CC="/no/such/cc") == ("", "")


def test_a_build_that_fails_is_told_and_not_tried_again(checkout: Path) -> None:
    _, said = call(checkout, "tools/compile.py")
    assert said.splitlines()[1:] == ["the inner loops run in plain Python: compiling failed: no such luck"]
    assert call(checkout, "tools/compile.py") == ("", "")
    assert len(call(checkout, "tools/compile.py", "--again")[1].splitlines()) == 2


def test_a_build_that_takes_too_long_is_ended(checkout: Path) -> None:
    (checkout / "setup.py").write_text("import time; time.sleep(60)\n")
    _, said = call(checkout, "tools/compile.py", "--within", "0.2")
    assert said.splitlines()[1:] == [
        "the inner loops run in plain Python: compiling took longer than 0.2 s (`make compile` waits longer)"
    ]


def test_a_checkout_that_cannot_be_written_is_left_alone(checkout: Path) -> None:
    (checkout / "build").write_text("a file where the folder would be")
    _, said = call(checkout, "tools/compile.py")
    assert said.startswith("the inner loops run in plain Python: ")
    assert "cannot be written" in said
    assert form(checkout) == "in plain Python"


def test_what_was_compiled_of_other_sources_is_not_found(checkout: Path) -> None:
    where = "from infermodel.compiled import products; print(products())"
    before, _ = call(checkout, "-c", where)
    simulate = checkout / "src" / "infermodel" / "simulation" / "simulate.py"
    simulate.write_text(simulate.read_text() + "\n")
    after, _ = call(checkout, "-c", where)
    assert before != after
    assert Path(before).parent == checkout / "build" / "compiled"


def test_all_that_compiled_modules_import_is_hashed() -> None:
    seen, to_see = set[str](), [f"infermodel.{name}" for name in HOT]
    while to_see:
        name = to_see.pop()
        path = PACKAGE.joinpath(*name.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in seen or not path.exists():
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("infermodel"):
                to_see += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    packages = {name.split(".")[1] for name in seen if (PACKAGE / name.partition(".")[2].split(".")[0]).is_dir()}
    assert packages <= set(SEEN)
    assert products().parent == ROOT / "build" / "compiled"


def test_what_extends_a_compiled_class_is_compiled() -> None:
    """mypyc's classes take no subclasses that are interpreted."""
    hot = {f"infermodel.{name}" for name in HOT}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        extends = re.search(r"^ *class \w+\(", text, re.MULTILINE)
        if not extends or ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) in hot:
            continue
        tree = ast.parse(text)
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in hot]
        theirs = {alias.asname or alias.name for node in imports for alias in node.names}
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        bases = {base.id for each in classes for base in each.bases if isinstance(base, ast.Name)}
        assert not bases & theirs, path
