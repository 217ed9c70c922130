"""LPU figures of the fact report, E.3."""

import pytest
from tests.kit.dataflow_cases import LLAMA_8B, LLAMA_70B, LPU, LPU_RACK, RUNTIME

from infermodel.architecture import ModelArchitecture
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.lpu import layer_stage
from infermodel.cost.step import DoesNotFit

INT8 = Precision(weights="int8", kv_cache="fp16", compute="int8")


def ring(architecture: ModelArchitecture, chips: int, max_context: int = 4096) -> Ring:
    built = step_model(
        architecture, LPU_RACK, Deployment(devices=chips, precision=INT8, max_context=max_context), RUNTIME
    )
    assert isinstance(built, Ring)
    return built


def test_a_layer_of_70b_on_576_chips() -> None:
    """855.7 MB on 7.2 chips at 9.2 TB/s: 12.9 us; a token of context is 4,096 B more at the same rate."""
    stage = layer_stage(LPU, 576, LLAMA_70B, LLAMA_70B.layers[0], 80, INT8)
    assert stage.fixed_s == pytest.approx(33e-6 + 12.9e-6, abs=0.05e-6)
    assert stage.per_context_s == pytest.approx(4096 / (7.2 * 9.2e12))


@pytest.mark.parametrize(("architecture", "chips", "published"), [(LLAMA_70B, 576, 272), (LLAMA_8B, 64, 698)])
def test_speed_of_one_sequence(architecture: ModelArchitecture, chips: int, published: float) -> None:
    """At an empty context, where the report's formula has no term for it; the report rounds layers to 0.1 us."""
    assert 1 / ring(architecture, chips).token_latency_s(0) == pytest.approx(published, rel=2.5e-3)


def test_room_for_kv() -> None:
    """(576 x 230 MB x 0.9 - 70.55 GB) / 327,680 B: about 148k tokens."""
    assert ring(LLAMA_70B, 576).kv_memory.tokens == pytest.approx(148_500, abs=100)


def test_power_is_shared_by_the_chips_of_a_rack() -> None:
    assert ring(LLAMA_70B, 576).idle_w == pytest.approx(9 * 0.64 * 35e3)


def test_too_few_chips() -> None:
    """70.55 GB of weights and 16 tokens of 327,680 B on chips of 207 MB: 340.9."""
    with pytest.raises(DoesNotFit, match="at least 341"):
        ring(LLAMA_70B, 320)
    assert ring(LLAMA_70B, 0).devices == 348  # and 4,096 tokens: 71.90 GB
