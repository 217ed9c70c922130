"""Every page there is: it loads nothing, runs nothing, says what was checked, and takes any name for text."""

from __future__ import annotations

import csv
import json
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from tests.faults.commands import COMMANDS, ROWS, SCENARIO, lay_out

from infermodel import __version__
from infermodel.cli import infermodel
from infermodel.metrics.laws import LAWS
from infermodel.scenario import load, resolve

NASTY = "=cmd|' /C calc'!A0 <img src=x onerror=alert(1)> $\\frac{1}$ {{7*7}} 中文 λ \U0001f9ff \"q\" & ../../x"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
HARMLESS = """html head meta title style body header main footer h1 h2 h3 p table thead tbody tr th td
small br div span i ul li code strong figure figcaption img dl dt dd"""
PAGES = {
    "run": ("run with pictures", "report.html"),
    "capacity": ("capacity", "report.html"),
    "compare": ("compare", "compare.html"),
    "sweep": ("sweep", "sweep.html"),
    "plan": ("plan", "plan.html"),
    "validate": ("validate", "accuracy.html"),
}


class Page(HTMLParser):
    """What a page holds that could do something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.policies: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self.tags & {"body", "style", "img", "link", "script"} and tag == "meta" and "http-equiv" in given:
            self.policies.append(str(given["content"]))
        self.tags.add(tag)
        self.addresses += [str(given[name]) for name in ("src", "href", "action", "data", "srcset") if name in given]
        self.handlers += [name for name in given if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk where every page was written, and every name is nasty."""
    folder = tmp_path_factory.mktemp("pages")
    lay_out(folder)
    named = json.dumps(NASTY, ensure_ascii=False)
    text = SCENARIO.replace("title: T", f"title: {named}\ndescription: {named}").replace("name: CS-3", f"name: {named}")
    text = text.replace("service: CS-3", f"service: {named}").replace("statement: fast", f"statement: {named}")
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    sweep = (folder / "sweep.yaml").read_text()
    (folder / "sweep.yaml").write_text(
        sweep.replace("name: seats", f"name: {named}").replace("title: T", f"title: {named}")
    )
    (folder / "plan.yaml").write_text((folder / "plan.yaml").read_text().replace("title: T", f"title: {named}"))
    quoted = '"' + NASTY.replace('"', '""') + '"'
    (folder / "rows.csv").write_text(ROWS.replace("\na,", f"\n{quoted},").replace(",ours", f",{quoted}"))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.chdir(folder)
        for seed in ("1", "2"):
            out = ("--out", "one" if seed == "1" else "two", "--no-figures", "--seed", seed, "--set", "capacity=false")
            assert CliRunner().invoke(infermodel, ["run", "s.yaml", *out]).exit_code == 0
        for name in (*(command for command, _ in PAGES.values()), "claims"):
            command = COMMANDS[name]
            given = [
                part.replace("o/", f"{name}/") if part != "o" else name
                for part in command.arguments
                if part != "--no-figures"
            ]
            said = CliRunner().invoke(infermodel, [*given, "--quiet"])
            assert said.exit_code == 0, said.output
            assert said.stderr == ""
    return folder


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_loads_nothing_and_runs_nothing(desk: Path, kind: str) -> None:
    command, name = PAGES[kind]
    text = (desk / command / name).read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags <= set(HARMLESS.split())
    assert page.policies == [POLICY]
    assert page.handlers == []
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", address) for address in page.addresses)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert not re.search(r"url\(|@import|expression|https?:", style)


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_ends_with_what_was_checked_and_what_it_is_made_from(desk: Path, kind: str) -> None:
    command, name = PAGES[kind]
    text = (desk / command / name).read_text(encoding="utf-8")
    footer = " ".join("".join(Page(text[text.rindex("<footer>") :]).text).split())
    assert re.fullmatch(r"Made from .*; checked laws: .*\d+.*all held.*\.", footer), footer
    checked = int(re.findall(r"\d+", footer[footer.rindex("checked laws:") :].replace(NASTY, ""))[0])
    assert checked >= len(LAWS)
    assert f"infermodel {__version__}" in footer
    assert re.search(r"[0-9a-f]{64}", footer)
    assert re.search(r"seed \d", footer)
    if kind in ("run", "sweep"):
        assert resolve(load(desk / "s.yaml", ["capacity=false"] if kind == "run" else [])).digest in footer


@pytest.mark.parametrize("kind", ["run", "capacity", "sweep"])
def test_a_nasty_name_is_text_in_a_page(desk: Path, kind: str) -> None:
    command, name = PAGES[kind]
    page = Page((desk / command / name).read_text(encoding="utf-8"))
    assert any(NASTY in text for text in page.text)


def test_no_cell_of_any_table_starts_a_formula(desk: Path) -> None:
    tables = [path for path in desk.rglob("*.csv") if path.name != "rows.csv"]
    assert len({path.name for path in tables}) >= 10
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                for cell in row:
                    assert cell[:1] not in {*"=+@|%\t\r"}, (path.name, cell)
                    assert cell[:1] != "-" or float(cell) < 0, (path.name, cell)


def test_no_nasty_name_is_a_path(desk: Path) -> None:
    assert all(re.fullmatch(r"[\w.-]+", path.name) for path in desk.rglob("*") if path.is_file())
    assert not (desk.parent.parent / "x").exists()


def test_every_picture_is_one_and_asks_for_nothing(desk: Path) -> None:
    pictures = list(desk.rglob("*.png"))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    drawings = list(desk.rglob("*.svg"))
    assert len(drawings) >= 10
    for path in drawings:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        for each in root.iter():
            assert each.tag.rsplit("}")[-1] not in ("script", "foreignObject", "a")
            assert not [name for name in each.attrib if name.startswith("on")]
            links = [value for name, value in each.attrib.items() if name.endswith("href")]
            assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
