"""The wheel, installed alone beside what it asks for, away from the checkout: it runs the launch scenario."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


def dependencies(into: Path) -> None:
    """What requirements.lock names, and nothing else, as links to where this environment has it."""
    for name in re.findall(r"^([\w.-]+)==", (CHECKOUT / "requirements.lock").read_text(), flags=re.MULTILINE):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            target, link = Path(str(found.locate_file(top))), into / top
            if target.exists() and not link.exists():
                link.symlink_to(target)


@pytest.mark.slow
def test_the_wheel_runs_the_launch_scenario_in_an_empty_environment(tmp_path: Path) -> None:
    def call(*arguments: object) -> str:
        done = subprocess.run(
            list(map(str, arguments)),
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": os.defpath},  # where a compiler finds its own parts
        )
        return done.stdout

    source = tmp_path / "source"  # building leaves folders behind, which must not be the checkout's
    shutil.copytree(CHECKOUT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    quietly = ("--disable-pip-version-check", "-qq", "--no-deps")
    call(sys.executable, "-m", "pip", "wheel", *quietly, "--no-build-isolation", source, "-w", tmp_path)
    (wheel,) = tmp_path.glob("infermodel-*.whl")
    environment = tmp_path / "environment"
    venv.create(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    call(sys.executable, "-m", "pip", "install", *quietly, "--target", packages, wheel)
    dependencies(packages)
    python = environment / "bin" / "python"

    where = call(python, "-I", "-c", "import infermodel.api; print(infermodel.__file__)").strip()
    assert Path(where).is_relative_to(packages)
    assert "inner loops compiled" in call(python, "-I", "-m", "infermodel", "--version")
    call(python, "-I", "-m", "infermodel", "new", "mine.yaml")
    assert "sound" in call(python, "-I", "-m", "infermodel", "run", "mine.yaml", "--dry-run")
    shutil.copy(CHECKOUT / "scenarios" / "cerebras_launch.yaml", tmp_path)
    said = call(python, "-I", "-m", "infermodel", "run", "cerebras_launch.yaml")
    assert "At the largest load that keeps the objectives:" in said
    assert "CS-3, 8B" in said
    report = tmp_path / "reports" / "cerebras_launch"
    assert {"report.html", "summary.csv", "speed_price.svg"} <= {path.name for path in report.iterdir()}
