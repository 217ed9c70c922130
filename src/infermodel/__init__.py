"""A discrete-event performance model of LLM inference datacenters.

    >>> import infermodel as im
    >>> answer = im.run("scenarios/cerebras_launch.yaml")  # doctest: +SKIP
    >>> answer.summary[["service", "rpm", "ttft_p99_s"]]  # doctest: +SKIP

The names below are imported when they are first used, so that `import infermodel` is quick; docs/python.md shows each.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from infermodel import compiled

if TYPE_CHECKING:
    from infermodel.api import (
        Answer,
        InputError,
        Progress,
        Scenario,
        ScenarioErrors,
        Served,
        availability,
        capacity,
        compare,
        fit,
        load,
        plan,
        run,
        sweep,
        validate,
    )

compiled.use()

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "InputError",
    "Progress",
    "Scenario",
    "ScenarioErrors",
    "Served",
    "availability",
    "capacity",
    "compare",
    "fit",
    "load",
    "plan",
    "run",
    "sweep",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module("infermodel.api"), name)
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
