"""The one way to a step model: what a replica of this model on these devices costs a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infermodel.architecture import ModelArchitecture
from infermodel.cost.deployment import Deployment
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.lpu import lpu_ring
from infermodel.cost.step import StepModel
from infermodel.cost.wafer import wafer_ring
from infermodel.engine import Engine
from infermodel.hardware import System

STEP_MODELS: Mapping[str, Callable[[ModelArchitecture, System, Deployment, Engine], StepModel]] = {
    "gpu": GpuStepModel,
    "wafer": wafer_ring,
    "lpu": lpu_ring,
}
"""By device family."""


def step_model(architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine) -> StepModel:
    """The cost model of one replica.

    Raises:
        DoesNotFit: model and devices do not go together; the message says why and what would do.
        KeyError: nobody models this family of devices.
    """
    return STEP_MODELS[system.device.family](architecture, system, deployment, engine)
