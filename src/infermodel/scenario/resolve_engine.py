"""An engine as a scenario has it started."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from infermodel.engine import Engine
from infermodel.scenario.resolve_fleet import FleetError
from infermodel.scenario.schema.fleet import EngineSettings

KEY = "engine_settings"
NO_GRAPHS = {"graph_tokens": 0.0, "graph_sequences": 0.0, "graph_sequences_wide": 0.0}
"""Constants of an engine that captures no steps."""

SHARE_CONSTANTS = ("answer_share", "answer_share_least", "answer_share_steps", "answer_share_steps_ahead")


def as_started(engine: Engine, settings: EngineSettings) -> Engine:
    """The engine with what is said of how it is started; what is not said is as it comes.

    Raises:
        FleetError: it has no such setting.
    """
    said = {key: value for key, value in settings if value is not None}
    fields: dict[str, Any] = {key: value for key, value in said.items() if key != "cuda_graphs"}
    for key in said:
        _check(engine, key, settings)
    if said.get("cuda_graphs") is False:
        fields |= {"graph_sizes": (), "constants": {**engine.constants, **NO_GRAPHS}}
    return replace(engine, **fields) if fields else engine


def _check(engine: Engine, key: str, settings: EngineSettings) -> None:
    """Refuse a setting that the engine does not know.

    Raises:
        FleetError: it does not.
    """
    known = "launch_s" in engine.constants if key == "cuda_graphs" else _has(engine, key)
    if not known:
        here = sorted(name for name, _ in settings if _has(engine, name))
        hint = f"it knows {', '.join(here)}" if here and engine.family == "batch" else f"leave {KEY} out"
        raise FleetError((KEY, key), f"{engine.title} has no such setting", hint)
    if settings.admission == "answer_share" and any(name not in engine.constants for name in SHARE_CONSTANTS):
        raise FleetError(
            (KEY, "admission"), f"{engine.title} keeps no share of answers free", "did you mean 'whole_prompt'?"
        )


def _has(engine: Engine, key: str) -> bool:
    """Whether a habit of the engine can be set: those that its file states, but that nobody who mixes prompts into
    steps of decoding can be kept from it.
    """
    return key in engine.rules and not (key == "mixes_prompts" and engine.mixes_prompts)
