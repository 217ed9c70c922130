"""The page's compiled template is kept where that is possible, and nothing depends on it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import DictLoader, Environment

from infermodel.report.template import BesideTheSource


def rendered(folder: Path, source: str) -> str:
    environment = Environment(loader=DictLoader({"page": source}), bytecode_cache=BesideTheSource(str(folder)))
    return environment.get_template("page").render(answer=42)


def test_what_was_compiled_is_found_again_and_follows_the_source(tmp_path: Path) -> None:
    assert rendered(tmp_path, "{{ answer }}") == "42"
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    assert rendered(tmp_path, "{{ answer }}") == "42"
    assert kept.stat().st_mtime_ns == written
    assert rendered(tmp_path, "{{ answer + 1 }}") == "43"


def test_a_folder_that_is_not_there_costs_nothing_but_time(tmp_path: Path) -> None:
    assert rendered(tmp_path / "missing", "{{ answer }}") == "42"
    assert not (tmp_path / "missing").exists()
