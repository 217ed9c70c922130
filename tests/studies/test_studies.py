"""The pages of the studies say what their tables of results say, and name files that are there and sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infermodel.report.sweep_markdown import PLACE, pictures_of, read_rows, renewed
from infermodel.search.sweep_schema import load_sweep

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "studies").glob("*.md"))
COMMAND = re.compile(r"^    infermodel (sweep|run|capacity|plan) (scenarios/studies/\S+\.yaml)", re.MULTILINE)


def sweeps_of(page: str) -> set[str]:
    return {found["head"].split(",")[0] for found in PLACE.finditer(page)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_table_is_what_its_sweep_found(page: Path) -> None:
    text = page.read_text()
    assert sweeps_of(text)
    for name in sweeps_of(text):
        assert renewed(text, name, read_rows((page.parent / f"{name}.csv").read_text())) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_picture_and_command_of_a_page_is_there(page: Path) -> None:
    text = page.read_text()
    shown = {path for name in sweeps_of(text) for path in pictures_of(text, name)}
    assert shown
    for path in shown:
        assert (page.parent / path).stat().st_size < 300_000
    asked = {Path(file) for what, file in COMMAND.findall(text) if what == "sweep"}
    assert {file.stem for file in asked} == sweeps_of(text)
    for file in asked:
        load_sweep(ROOT / file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_row_of_a_plan_that_has_no_fleet_says_why(page: Path) -> None:
    for name in sweeps_of(page.read_text()):
        rows = read_rows((page.parent / f"{name}.csv").read_text())
        notes = {(row["point"], row["service"]): row["note"] for row in rows if row["measure"] == "note"}
        for row in rows:
            if row["measure"] == "usd_per_mtok" and not row["value"]:
                assert notes[row["point"], row["service"]]


def test_contexts_that_fit_are_the_memory_over_the_context() -> None:
    page = (ROOT / "docs" / "studies" / "context.md").read_text()
    rows = read_rows((ROOT / "docs" / "studies" / "context.csv").read_text())
    tokens = {row["service"]: float(row["value"]) for row in rows if row["measure"] == "kv_tokens"}
    (heading,) = re.findall(r"^\| contexts that fit \| (.+) \|$", page, re.MULTILINE)
    services = heading.split(" | ")
    assert services == list(tokens)
    for context, told in re.findall(r"^\| (8192|32768|131072) \| ([\d |]+) \|$", page, re.MULTILINE):
        replicas = {name: 1 if "CS-3" in name or "Groq" in name else 2 for name in services}
        fit = [replicas[name] * int(tokens[name] / replicas[name] // int(context)) for name in services]
        assert told.split(" | ") == [str(each) for each in fit]
