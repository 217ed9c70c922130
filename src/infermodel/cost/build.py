"""The one way to a step model: what a replica of this model on these devices costs a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infermodel.architecture import CompressedAttention, Layer, ModelArchitecture
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


def unpriced(layer: Layer) -> str:
    """What of a layer no step model knows the cost of; empty where all is known."""
    attention = layer.attention
    if layer.recurrence is not None:
        return "recurrences (linear attention, Mamba, short convolutions)"
    if isinstance(attention, CompressedAttention):
        return "compressed attention"
    if attention.indexer is not None or attention.top_k is not None:
        return "attention to what an indexer picks"
    if layer.past or layer.again or not layer.attention.heads:
        return "layers without attention of their own, or that use the weights of others"
    return "" if attention.keeps_kv else "keys and values of other layers"


def step_model(architecture: ModelArchitecture, system: System, deployment: Deployment, engine: Engine) -> StepModel:
    """The cost model of one replica.

    Raises:
        DoesNotFit: model and devices do not go together; the message says why and what would do.
        KeyError: nobody models this family of devices.
    """
    for layer, _ in architecture.distinct_layers:
        if reason := unpriced(layer):
            raise DoesNotFit(
                f"{architecture.title} has {reason}, whose time is not modelled yet;"
                " `infermodel catalog model` shows its sizes"
            )
    return STEP_MODELS[system.device.family](architecture, system, deployment, engine)
