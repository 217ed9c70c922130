"""Scenario files, resolved with changes to them, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.scenario import ResolvedScenario, ScenarioErrors, load, resolve


def resolved(path: Path, *changes: str) -> ResolvedScenario:
    return resolve(load(path, changes))


def refused(path: Path, *changes: str) -> list[str]:
    """First lines of what is wrong, without the file's name."""
    with pytest.raises(ScenarioErrors) as caught:
        resolved(path, *changes)
    return [str(error).splitlines()[0].removeprefix(str(path)) for error in caught.value.errors]
