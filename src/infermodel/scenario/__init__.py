"""Scenarios: `load` reads and checks a YAML file, `resolve` looks up what it names, `to_yaml` writes it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from infermodel.scenario.canonical import to_yaml
from infermodel.scenario.document import read
from infermodel.scenario.errors import ScenarioError, ScenarioErrors
from infermodel.scenario.override import override
from infermodel.scenario.resolve import resolve
from infermodel.scenario.resolved import ResolvedPrices, ResolvedScenario, ResolvedService
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.validation import validate

__all__ = [
    "ResolvedPrices",
    "ResolvedScenario",
    "ResolvedService",
    "Scenario",
    "ScenarioError",
    "ScenarioErrors",
    "load",
    "resolve",
    "to_yaml",
]


def load(path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario file, write `path=value` overrides into it, and check it against the schema.

    Raises:
        ScenarioErrors: all that is wrong, each with its place.
    """
    return validate(override(read(path), overrides))
