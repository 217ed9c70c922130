from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from search_cases import one_server

from infermodel.experiment.result import Capacity
from infermodel.scenario import ResolvedScenario
from infermodel.search import capacity_cache
from infermodel.search.capacity_cache import cached_capacities


@pytest.fixture
def scenario(tmp_path: Path) -> ResolvedScenario:
    return one_server(tmp_path, 0.01, objectives="{queue_time_p90: 10 ms}")


def lines(found: tuple[Capacity, ...]) -> str:
    """All of it as text: NaN is not equal to itself."""
    return repr([[replace(each, points=()), *each.points] for each in found])


def test_the_second_answer_is_the_first_without_a_search(
    scenario: ResolvedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached_capacities(scenario, tmp_path / "cache", width=0.3)
    monkeypatch.setattr(capacity_cache, "find_capacities", None)  # a search would fail
    second = cached_capacities(scenario, tmp_path / "cache", width=0.3)
    assert lines(first) == lines(second)


def test_other_settings_are_another_answer(scenario: ResolvedScenario, tmp_path: Path) -> None:
    cached_capacities(scenario, tmp_path / "cache", width=0.3)
    narrower = cached_capacities(scenario, tmp_path / "cache", width=0.1)
    assert narrower[0].high <= 1.1 * narrower[0].low
    assert len(list((tmp_path / "cache").glob("*.json"))) == 2


@pytest.mark.parametrize("broken", ["", "{", "[{}]", "[1]", '[{"service": "other"}]', "null", "\0"])
def test_a_broken_file_is_ignored_and_mended(scenario: ResolvedScenario, tmp_path: Path, broken: str) -> None:
    first = cached_capacities(scenario, tmp_path / "cache", width=0.3)
    (path,) = (tmp_path / "cache").glob("*.json")
    whole = path.read_text()
    path.write_text(broken)
    assert lines(cached_capacities(scenario, tmp_path / "cache", width=0.3)) == lines(first)
    assert path.read_text() == whole


def test_a_folder_that_cannot_be_made_is_no_error(scenario: ResolvedScenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert cached_capacities(scenario, tmp_path / "file" / "cache", width=0.3)
