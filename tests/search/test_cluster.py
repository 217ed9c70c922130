"""A real scheduler and real workers on this machine: who may answer, and what is said when nobody does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import infermodel
from infermodel.search import cluster
from infermodel.search.sweep import run_sweep
from infermodel.search.sweep_schema import load_sweep

SOURCES = Path(infermodel.__file__).parent
BASE = """\
title: T
requests: 200
capacity: false
traffic:
  arrivals: {kind: poisson, rate: 60 /min}
  prompt_tokens: {kind: fixed, tokens: 100}
  output_tokens: {kind: fixed, tokens: 10}
services:
  - {name: G, model: llama-3.1-8b, fleet: {system: dgx-h100}, limits: {max_context: 8192}}
"""
SWEEP = """\
title: T
base: base.yaml
axes: [{name: seats, path: services.0.limits.max_sequences, values: [2, 4, 8, 16]}]
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a module of Dask with a PYTHONPATH of its own; all are killed at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(module: str, *arguments: str, path: str = "") -> subprocess.Popen[bytes]:
        # Without the working tree's own installation, which is where an editable one points.
        settings = {**os.environ, "PYTHONPATH": path}
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
        quiet = subprocess.DEVNULL
        running.append(subprocess.Popen(command, env=settings, cwd="/", stdout=quiet, stderr=quiet))
        return running[-1]

    yield begin
    for each in running:
        each.send_signal(signal.SIGKILL)
        each.wait()


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    return tmp_path


def free_address(offset: int = 0) -> str:
    return f"tcp://127.0.0.1:{20000 + (os.getpid() * 7 + offset + time.time_ns() // 1000) % 20000}"


def scheduler(start: Start) -> tuple[str, subprocess.Popen[bytes]]:
    address = free_address()
    host, port = address.removeprefix("tcp://").split(":")
    return address, start("dask_scheduler", "--host", host, "--port", port)


def worker(start: Start, address: str, path: str) -> subprocess.Popen[bytes]:
    return start("dask_worker", address, "--nthreads", "1", "--no-nanny", path=path)


def sweep(desk: Path, address: str) -> subprocess.CompletedProcess[str]:
    """The command line, within a minute."""
    command = [sys.executable, "-m", "infermodel", "sweep", str(desk / "sweep.yaml"), "--out", str(desk / "o")]
    settings = {**os.environ, "PYTHONPATH": str(SOURCES.parent)}
    return subprocess.run(
        [*command, "--dask", address], env=settings, cwd=desk, timeout=90, capture_output=True, text=True, check=False
    )


def copied(folder: Path, file: str, old: str, new: str) -> str:
    """The package in another place with one line changed, as an older or newer installation has it."""
    shutil.copytree(SOURCES, folder / "infermodel", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "infermodel" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return str(folder)


@pytest.mark.slow
def test_a_worker_with_other_sources_does_not_answer(desk: Path, start: Start) -> None:
    address, _ = scheduler(start)
    worker(start, address, copied(desk / "other", "units.py", "import re\n", "import re  # other\n"))
    done = sweep(desk, address)
    assert done.returncode == 2, done.stderr
    assert f"has other sources of infermodel {infermodel.__version__}: digest " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((desk / "o.points").glob("*.json"))
    # With the right worker the same command goes on.
    again, _ = scheduler(start)
    worker(start, again, str(SOURCES.parent))
    assert sweep(desk, again).returncode == 0
    assert len(list((desk / "o.points").glob("*.json"))) == 5


@pytest.mark.slow
def test_a_worker_with_another_version_or_none_says_so(desk: Path, start: Start) -> None:
    address, _ = scheduler(start)
    version = infermodel.__version__
    worker(start, address, copied(desk / "newer", "__init__.py", version, "9.9.9"))
    done = sweep(desk, address)
    assert (done.returncode, "has infermodel 9.9.9, not " in done.stderr) == (2, True), done.stderr
    (desk / "none" / "infermodel").mkdir(parents=True)
    (desk / "none" / "infermodel" / "__init__.py").write_text("raise ModuleNotFoundError('No module named infermodel')")
    address, _ = scheduler(start)
    worker(start, address, str(desk / "none"))
    done = sweep(desk, address)
    assert (done.returncode, f"does not have infermodel {version}" in done.stderr) == (2, True), done.stderr


def test_a_wrong_address_is_said(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    for address in (free_address(), "nonsense://x"):
        with pytest.raises(cluster.ClusterError, match=f"no Dask scheduler answers at {address}"):
            run_sweep(load_sweep(desk / "sweep.yaml"), desk / "points", dask=address)


@pytest.mark.slow
def test_no_worker_is_said_and_not_waited_for(desk: Path, start: Start) -> None:
    address, _ = scheduler(start)
    began = time.monotonic()
    done = sweep(desk, address)
    assert done.returncode == 2, done.stderr
    assert f"no worker has been at {address} for 20 s. Finished points are kept in" in done.stderr
    assert time.monotonic() - began < 40  # 20 s and the start of three processes


def test_workers_that_all_go_are_said(desk: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE_S", 2.0)
    (desk / "base.yaml").write_text(BASE.replace("200", "4000"))
    address, _ = scheduler(start)
    only = worker(start, address, str(SOURCES.parent))
    with pytest.raises(cluster.ClusterError, match=f"no worker has been at {address} for 2 s"):
        run_sweep(
            load_sweep(desk / "sweep.yaml"),
            desk / "points",
            dask=address,
            on_point=lambda done, _: only.kill() if done else None,
        )
    assert list((desk / "points").glob("*.json"))


@pytest.mark.slow
def test_a_scheduler_that_dies_keeps_what_is_finished(desk: Path, start: Start) -> None:
    (desk / "sweep.yaml").write_text(SWEEP.replace("[2, 4, 8, 16]", str(list(range(1, 60)))))
    (desk / "base.yaml").write_text(BASE.replace("200", "4000"))
    address, process = scheduler(start)
    worker(start, address, str(SOURCES.parent))
    command = [sys.executable, "-m", "infermodel", "sweep", "sweep.yaml", "--out", "o", "--dask", address]
    settings = {**os.environ, "PYTHONPATH": str(SOURCES.parent)}
    running = subprocess.Popen(command, env=settings, cwd=desk, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(desk.glob("o.points/*.json")) and time.monotonic() < until:
        time.sleep(0.05)
    process.kill()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 2, said
    assert "Finished points are kept in" in said
    assert "scheduler" in said
    assert "Traceback" not in said
    assert list(desk.glob("o.points/*.json"))
