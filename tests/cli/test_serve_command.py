"""`infermodel serve` as a person starts and ends it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from infermodel.cli import infermodel

SCENARIO = """\
title: T
requests: 10
traffic:
  arrivals: {kind: poisson, rate: 30 /min}
  prompt_tokens: {kind: fixed, tokens: 1000}
  output_tokens: {kind: fixed, tokens: 5}
services:
  - {name: one, model: qwen3-8b, fleet: {system: dgx-h100}}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    return str(tmp_path / "s.yaml")


@contextmanager
def served(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "infermodel", "serve", *args, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().rsplit(" ", 1)[-1].strip()
        finally:
            process.kill()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_when_told_to(file: str, end: signal.Signals) -> None:
    with served(file) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        body = json.dumps({"model": "Qwen/Qwen3-8B", "prompt": "hello", "max_tokens": 4, "ignore_eos": True}).encode()
        with urlopen(Request(f"{url}/completions", data=body)) as answer:
            assert json.load(answer)["usage"]["completion_tokens"] == 4
        process.send_signal(end)
        said, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    assert "late by" in said


def test_a_port_that_is_taken_and_a_service_that_is_not_named(file: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = CliRunner().invoke(infermodel, ["serve", file, "--port", str(taken.getsockname()[1])])
    assert found.exit_code == 2
    assert "cannot be listened on" in found.stderr
    two = tmp_path / "two.yaml"
    two.write_text(SCENARIO + SCENARIO.splitlines()[-1].replace("name: one", "name: two") + "\n")
    found = CliRunner().invoke(infermodel, ["serve", str(two)])
    assert (found.exit_code, "'one', 'two'" in found.stderr) == (2, True)
    found = CliRunner().invoke(infermodel, ["serve", str(two), "--service", "tow"])
    assert (found.exit_code, "did you mean 'two'?" in found.stderr) == (2, True)


def test_users_are_no_background(file: str) -> None:
    traffic = ["--set", "traffic.arrivals={kind: closed, users: 3}", "--background", "1"]
    found = CliRunner().invoke(infermodel, ["serve", file, *traffic])
    assert found.exit_code == 2
    assert "--background plays arrivals of a law or a trace" in found.stderr
