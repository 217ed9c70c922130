"""The one way to a step model: what a replica of this model on these devices costs a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infermodel.architecture import CompressedAttention, GroupedAttention, Layer, ModelArchitecture
from infermodel.cost.deployment import Deployment
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.lpu import lpu_ring
from infermodel.cost.step import DoesNotFit, StepModel
from infermodel.cost.wafer import wafer_ring
from infermodel.engine import Engine
from infermodel.hardware import System

STEP_MODELS: Mapping[str, Callable[[ModelArchitecture, System, Deployment, Engine], StepModel]] = {
    "gpu": GpuStepModel,
    "wafer": wafer_ring,
    "lpu": lpu_ring,
}
"""By device family."""


def unpriced(layer: Layer, family: str) -> str:
    """What of a layer the step model of a family of devices does not know the cost of; empty where it knows all."""
    attention = layer.attention
    if isinstance(attention, GroupedAttention) and attention.projects_kv and not attention.keeps_kv:
        return "attention to images"
    if family == "gpu":
        return ""
    if layer.state_elements or not attention.heads:
        return "recurrences (linear attention, Mamba, short convolutions)"
    if isinstance(attention, CompressedAttention) or attention.top_k is not None:
        return "attention to what an indexer picks, or to compressed entries"
    return "" if attention.keeps_kv and not layer.again else "layers that use weights, keys or values of others"


def step_model(architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine) -> StepModel:
    """The cost model of one replica.

    Raises:
        DoesNotFit: model and devices do not go together; the message says why and what would do.
        KeyError: nobody models this family of devices.
    """
    for layer, _ in architecture.distinct_layers:
        if reason := unpriced(layer, system.device.family):
            raise DoesNotFit(
                f"{architecture.title} has {reason}, whose time on {system.title} is not modelled;"
                " `infermodel catalog model` shows its sizes"
            )
    return STEP_MODELS[system.device.family](architecture, system, deployment, engine)
