"""Write requirements.lock and requirements-dev.lock: the exact versions that pip finds now for pyproject.toml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

BUILD = ("setuptools>=77",)
"""What an installation without build isolation needs beside the project's own requirements."""


def resolved(*wanted: str) -> dict[str, str]:
    """Name and version of everything that pip would install for `wanted` into an empty environment."""
    asked = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = subprocess.run([*asked, *wanted], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = (each["metadata"] for each in json.loads(report)["install"])
    return {each["name"]: each["version"] for each in found if each["name"] != "infermodel"}


def write(path: Path, versions: dict[str, str]) -> None:
    """One `name==version` a line, by name."""
    path.write_text(
        "".join(f"{name}=={versions[name]}\n" for name in sorted(versions, key=str.lower)), encoding="utf-8"
    )


if __name__ == "__main__":
    everything = resolved(".[dev]", *BUILD)
    runtime = {name: everything[name] for name in resolved(".", *BUILD)}
    write(ROOT / "requirements.lock", runtime)
    write(ROOT / "requirements-dev.lock", {name: everything[name] for name in everything.keys() - runtime.keys()})
