"""The reference of every file that people write: scenarios, plans, sweeps."""

from __future__ import annotations

from pydantic import BaseModel

from infermodel.scenario.reference import reference, reference_rows
from infermodel.scenario.schema.scenario import Scenario
from infermodel.search.plan_schema import Plan
from infermodel.search.sweep_schema import Sweep

FILES: dict[str, type[BaseModel]] = {"scenario": Scenario, "plan": Plan, "sweep": Sweep}


def reference_of(kind: str) -> str:
    """Markdown: a table for each mapping of a file of this kind, one of `FILES`."""
    return reference(f"The {kind}", FILES[kind])


def reference_rows_of(kind: str) -> list[dict[str, str]]:
    """The same for a program: a row for each key."""
    return reference_rows(f"The {kind}", FILES[kind])
