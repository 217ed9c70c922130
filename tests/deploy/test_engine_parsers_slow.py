"""The command lines of every kind of service, parsed by the engines' own parsers.

Two environment variables say where these are: INFERMODEL_ENGINES, a folder with the packages unpacked (`vllm/vllm`,
`sglang/sglang`), and INFERMODEL_ENGINE_PYTHON, an interpreter that has what their parsers import: torch, transformers
and a dozen small packages (xgrammar, llguidance, openai-harmony, ...), the latter perhaps in a folder of their own,
INFERMODEL_ENGINE_PACKAGES. No GPU is asked for: vLLM is told that it runs on a CPU. Skipped where one is absent.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.deploy.deployed_services import ENGINES, lines, served

PYTHON = os.environ.get("INFERMODEL_ENGINE_PYTHON", "")
PARSERS = Path(__file__).with_name("engine_parsers.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PYTHON and os.environ.get("INFERMODEL_ENGINES")), reason="no engines are at hand"),
]


def said_of(engine: str, lines: list[list[str]]) -> list[str]:
    """What an engine's parser says against each line."""
    path = os.pathsep.join(filter(None, [str(ENGINES / engine), os.environ.get("INFERMODEL_ENGINE_PACKAGES", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "VLLM_TARGET_DEVICE": "cpu", "VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [PYTHON, str(PARSERS), engine],
        input=json.dumps(lines),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: list[str] = json.loads(done.stdout.splitlines()[-1])
    return answers


def filled(line: list[str]) -> list[str]:
    """A line with what a shell puts into it on a node."""
    return [word.replace("$INDEX", "1").replace("$LEADER", "10.0.0.1") for word in line]


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_the_engines_own_parser_takes_every_command(tmp_path: Path, engine: str) -> None:
    asked = [
        (f"{name} {number}", first, filled(line))
        for name, each in served()
        if each == engine
        for first in (True, False)
        for number, line in enumerate(lines(tmp_path, name, engine, first=first))
    ]
    names = [(name, first) for name, first, _ in asked]
    wrong = [*asked[0][2], "--max-batch", "3"]
    *answers, refused = said_of(engine, [*(line for *_, line in asked), wrong])
    assert {name: answer[-300:] for name, answer in zip(names, answers, strict=True) if answer} == {}
    assert "--max-batch" in refused
