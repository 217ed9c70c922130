"""The five recorded runs come out as they did, to the last bit; see moved.py for what moved and by how much."""

from __future__ import annotations

import copy

import pytest
from tests.golden.moved import SCENARIOS, Moved, figures, here, moved, played, recorded


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_run_has_not_moved(name: str) -> None:
    found = moved(name, figures(played(name)), recorded())
    assert not found, "\n".join(map(str, found)) + "\nmeant? python tests/golden/moved.py --record, and CHANGELOG.md"


@pytest.mark.parametrize("name", SCENARIOS)
def test_step_by_step_it_is_the_same_run(name: str) -> None:
    assert figures(played(name, "every")) == figures(played(name))


def test_there_are_five_and_each_has_obeyed_the_laws() -> None:
    runs = recorded()["runs"]
    assert set(runs) == set(SCENARIOS)
    assert len(runs) == 5
    for each in runs.values():
        assert all(count >= len(each["services"]) for count in each["laws held"].values())
        assert len(each["laws held"]) >= 12


def test_the_runs_hold_what_they_are_for() -> None:
    services = {name: each for run in recorded()["runs"].values() for name, each in run["services"].items()}
    assert services["short of memory"]["preemptions"] > 0
    assert 0 < services["short of memory"]["cached_share"] < 1
    assert services["CS-3"]["cached_share"] > 0
    assert all(each["finished"] > 0 for each in services.values())


def test_a_moved_figure_is_told_with_its_change() -> None:
    record = recorded()
    name = SCENARIOS[0]
    now = copy.deepcopy(record["runs"][name])
    service = next(iter(now["services"]))
    was = now["services"][service]["rpm"]
    now["services"][service]["rpm"] = was * 1.01
    (found,) = moved(name, now, record)
    assert (found.figure, found.was) == ("rpm", was)
    assert found.by == pytest.approx(0.01)
    assert str(found).endswith("+0.01 of it")
    now["services"][service]["rpm"] = was * (1 + 1e-12)
    assert moved(name, now, {**record, "made on": here()}) != []  # not one bit where it was recorded
    assert moved(name, now, {**record, "made on": "elsewhere"}) == []
    assert Moved("s", "", "digest", "a", "b").by == float("inf")
