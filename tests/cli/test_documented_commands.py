"""Every `infermodel ...` that the README and the documentation show is a command that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from infermodel.cli import COMMANDS, infermodel

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

SHOWN = re.compile(r"`infermodel ([^`]+)`|^(?: {4})?infermodel ([^\n]+?)(?:  .*)?$", re.MULTILINE)
"""In a line of text, or on a line of its own with what it does two spaces after it."""

SERVED = "llama-3.1-8b h100-sxm vllm"


def documented() -> list[str]:
    found = (one or other for page in PAGES for one, other in SHOWN.findall(page.read_text(encoding="utf-8")))
    return sorted({each.partition(" | ")[0].strip() for each in found if not each.startswith("-")})


def words(shown: str, folder: Path) -> list[str]:
    """What one types, files in place of words that stand for them."""
    text = re.sub(r"\[[A-Z] \.\.\.\]", "", shown).replace("[", "").replace("]", "")
    text = text.replace("MODEL GPU ENGINE", SERVED).replace("--served ...", f"--served {SERVED}")
    command = text.split()[0]
    log, scenario, page = folder / "log.csv", folder / "s.yaml", folder / "page.md"
    log.write_text("arrived_at_s,prompt_tokens,output_tokens\n0,100,20\n1.5,50,20\n2,80,5\n")
    page.write_text("# A study\n")
    assert CliRunner().invoke(infermodel, ["new", str(scenario)]).exit_code == 0
    for name in ("one", "other"):
        (folder / name).mkdir()
    sweep, plan = ROOT / "scenarios/sweeps/batch_limit.yaml", ROOT / "scenarios/plans/chat_70b.yaml"
    stand_for = {
        "SCENARIO": scenario, "s.yaml": scenario, "PAGE.md": page, "NAME": "CS-3",
        "FILE": sweep if command == "sweep" else plan,
        "LOG": log, "RESULT": log, "results/run.json": log, "replay.8B.jsonl": log, "MEASUREMENTS.csv": log,
        "FURTHER.csv": log, "FOLDER": folder, "RESULTS/": folder, "results/": folder, "PATH": folder,
        "reports/A": folder / "one", "reports/B": folder / "other", "A": folder / "one", "B": folder / "other",
        "my.yaml": scenario if command == "run" else folder / "my.yaml",
    }  # fmt: skip
    typed = [str(stand_for.get(word, word)) for word in shlex.split(text)]
    return [str(ROOT / each) if each.startswith(("scenarios/", "docs/")) else each for each in typed]


@pytest.mark.parametrize("shown", documented())
def test_the_program_takes_it(shown: str, tmp_path: Path) -> None:
    """As click reads it: the command, its options and their values, files that are there."""
    name, *rest = words(shown, tmp_path)
    above = infermodel.make_context("infermodel", [name])
    command = infermodel.get_command(above, name)
    assert isinstance(command, click.Command), name
    if rest:  # else the command is only named
        assert command.make_context(name, rest, parent=above).command is command


RUN_WHOLE = ("catalog ", "schema", "new ", "import ", "run ")
"""Commands that take no longer than a look, runs with --dry-run."""


def is_looked_at(shown: str) -> bool:
    """Whether it is run whole: those that take a result or a checkpoint have tests of their own, which bring one."""
    brings_its_own = shown.startswith("import") and any(each in shown for each in ("--requests", "results/"))
    return shown.startswith(RUN_WHOLE) and not brings_its_own and not re.match("catalog model [A-Z]", shown)


@pytest.mark.parametrize("shown", [each for each in documented() if is_looked_at(each)])
def test_it_does_what_it_should(shown: str, tmp_path: Path) -> None:
    typed = words(shown, tmp_path)
    if typed[0] == "run" and "--dry-run" not in typed:
        typed.append("--dry-run")
    done = CliRunner().invoke(infermodel, typed)
    assert done.exit_code == 0, done.output
    assert done.stdout


def test_enough_is_found() -> None:
    """The pattern still sees the commands: each but those that only a table's prose names."""
    assert {each.split()[0] for each in documented()} >= {*COMMANDS} - {"schema"}
    assert len(documented()) > 40


@pytest.mark.slow
@pytest.mark.parametrize(
    "shown",
    [
        "capacity scenarios/cerebras_launch.yaml",
        "sweep scenarios/sweeps/batch_limit.yaml",
        "plan scenarios/plans/chat_70b.yaml",
        "claims scenarios/cerebras_launch.yaml",
    ],
)
def test_long_ones_run_to_their_end(shown: str, tmp_path: Path) -> None:
    assert shown in documented()
    done = CliRunner().invoke(infermodel, [*words(shown, tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
