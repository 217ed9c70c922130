"""The scenario language: pydantic models, one module for each concept."""

from infermodel.scenario.schema.scenario import Scenario, Service

__all__ = ["Scenario", "Service"]
