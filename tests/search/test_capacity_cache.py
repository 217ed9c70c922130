from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.search.search_cases import one_server

from infermodel.experiment.result import Capacity
from infermodel.scenario import ResolvedScenario
from infermodel.search import capacity_cache
from infermodel.search.capacity_cache import cached_capacities
from infermodel.search.probe import COARSE


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


def test_what_was_not_kept_so_is_found_anew_and_kept(
    scenario: ResolvedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached_capacities(scenario, tmp_path / "cache", width=0.3)
    (path,) = (tmp_path / "cache").glob("*.json")
    whole = path.read_text()
    searches: list[object] = []
    monkeypatch.setattr(capacity_cache, "find_capacities", lambda *_, **__: searches.append(1) or first)
    figure = f'"low": {first[0].low!r}'
    assert figure in whole
    broken = [
        "",
        "{",
        "[]",
        "{}",
        "[{}]",
        "[1]",
        '[{"service": "other"}]',
        "null",
        "\0",
        "[" * 100_000,
        '{"a":' * 100_000,
    ]
    broken += [whole[:-1], whole + " ", whole.replace(figure, f'"low": {2 * first[0].low!r}')]
    for number, text in enumerate(broken, 1):
        path.write_text(text)
        assert lines(cached_capacities(scenario, tmp_path / "cache", width=0.3)) == lines(first)
        assert len(searches) == number, text[:40]
        assert path.read_text() == whole
    # An answer to another question under this one's name is none.
    path.rename(path.with_name("0" * 32 + ".json"))
    cached_capacities(scenario, tmp_path / "cache", width=0.3)
    path.write_text(path.with_name("0" * 32 + ".json").read_text().replace(figure, figure + "0"))
    cached_capacities(scenario, tmp_path / "cache", width=0.3)
    assert len(searches) == len(broken) + 2


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_waited_for(
    scenario: ResolvedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(capacity_cache, "find_capacities", lambda *_, **__: ())
    path = tmp_path / f"{capacity_cache.key(scenario, 0.3, COARSE)}.json"
    make(path)
    os.mkfifo(tmp_path / f".{path.name}.draft-1-2")  # looks like what a killed writer left
    assert cached_capacities(scenario, tmp_path, width=0.3) == ()


def test_a_folder_that_cannot_be_made_is_no_error(scenario: ResolvedScenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert cached_capacities(scenario, tmp_path / "file" / "cache", width=0.3)
