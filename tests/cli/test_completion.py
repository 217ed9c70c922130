"""What Tab completes, as a shell asks for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from infermodel.cli import COMMANDS, infermodel


def completed(*words: str) -> list[str]:
    *before, last = words
    shell = ShellComplete(infermodel, {}, "infermodel", "_INFERMODEL_COMPLETE")
    return [item.value for item in shell.get_completions(before, last)]


def test_commands_and_their_options() -> None:
    assert completed("") == [*COMMANDS]
    assert completed("ca") == ["capacity", "calibrate", "catalog"]
    assert "--dry-run" in completed("run", "--d")
    assert completed("import", "--unit", "m") == ["ms"]


def test_names_of_the_catalog() -> None:
    assert completed("catalog", "cs-3") == ["cs-3"]  # a system and its device have one name
    assert "models" in completed("catalog", "mod")
    assert "llama-3.1-8b" in completed("catalog", "model", "llama-3.1")
    assert completed("catalog", "model", "dgx") == []
    assert "dgx-h100" in completed("catalog", "systems", "dgx")


@pytest.mark.parametrize(
    ("shell", "answer"), [("bash", "plain,capacity"), ("zsh", "plain\ncapacity\n"), ("fish", "plain")]
)
def test_a_shell_that_asks(shell: str, answer: str) -> None:
    asked = {"_INFERMODEL_COMPLETE": f"{shell}_complete", "COMP_WORDS": "infermodel capa", "COMP_CWORD": "1"}
    asked["COMP_CWORD"] = "capa" if shell == "fish" else "1"
    done = subprocess.run(
        [sys.executable, "-c", "from infermodel.cli import main; main()"],
        env={**os.environ, **asked}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer in done.stdout
    assert not done.stderr
