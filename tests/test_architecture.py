"""docs/architecture.md and CONTRIBUTING.md name what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "infermodel"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def paths(text: str) -> list[str]:
    """What stands in backticks and looks like a path."""
    named = re.findall(r"`([\w./-]+)`", text)
    return [each for each in dict.fromkeys(named) if "/" in each or each.endswith((".py", ".md", ".toml"))]


@pytest.mark.parametrize("path", paths(section("A request's way") + section("To add one, touch these") + CONTRIBUTING))
def test_every_path_is_there(path: str) -> None:
    beside = [SOURCE / "simulation" / "clients" / path] if path in ("users.py", "askers.py") else []
    assert any(each.exists() for each in (ROOT / path, SOURCE / path, *beside)), (
        f"architecture.md or CONTRIBUTING.md names {path}: neither in the checkout nor below src/infermodel"
    )


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([\w./-]+)\)", CONTRIBUTING):
        assert (ROOT / target).is_file(), target


def test_the_rows_are_those_of_the_lint() -> None:
    contract, *_ = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    listed = re.findall(r"^\| [^|]+ \| ((?:`\w+`(?: \\\| )?)+) \|", section("Rows"), flags=re.MULTILINE)
    rows = [re.findall(r"`(\w+)`", row) for row in listed]
    assert rows == [row.replace("infermodel.", "").split(" | ") for row in contract["layers"]]
    parts = {path.stem for path in SOURCE.iterdir() if path.suffix in ("", ".py") and not path.name.startswith("_")}
    assert {name for row in rows for name in row} == parts - {"py"}


def test_the_way_has_ten_lines_and_the_glossary_is_sorted() -> None:
    assert re.findall(r"^(\d+)\. ", section("A request's way"), flags=re.MULTILINE) == [str(n) for n in range(1, 11)]
    words = re.findall(r"^\| ([a-z ]+) \| ", section("Words"), flags=re.MULTILINE)[1:]
    assert len(words) >= 40
    assert words == sorted(words)
