"""The layer law against figures from outside the code: facts/cs3_predictions.csv and E.2 of the fact report."""

from dataclasses import replace

import pytest
from tests.kit.dataflow_cases import CS_3, GPT_OSS_120B, LLAMA_8B, LLAMA_70B, LLAMA_405B, RUNTIME, WSE_3

from infermodel.architecture import ModelArchitecture
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.step import DoesNotFit
from infermodel.cost.wafer import hops_s, layer_cores, layer_cycles, layer_stage, without_fitted_speed
from infermodel.hardware import Link


def ring(architecture: ModelArchitecture, wafers: int, weights: str = "bf16") -> Ring:
    deployment = Deployment(devices=wafers, precision=Precision(weights=weights), max_context=8192)
    built = step_model(architecture, CS_3, deployment, RUNTIME)
    assert isinstance(built, Ring)
    return built


def test_a_layer_of_8b_in_cycles() -> None:
    """893,064 x 0.93 x 218.1M / 8,030M = 22,558 cores, a side of 150.2; 8,192 attention multiply-adds a token.

    At a context of 1,000: 10,031 multiply-adds a core, 4927 + 15.41 x 150.2 + 0.889 x 0.5 x 10,031 = 11,700 cycles.
    """
    layer = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336 + 2 * 4096
    cores = layer_cores(WSE_3, 1, layer, 8_030_261_248)
    assert cores == pytest.approx(22_558, abs=1)
    assert layer_cycles(WSE_3, cores, layer + 8192 * 1000, experts=False) == pytest.approx(11_700, abs=1)
    assert layer_cycles(WSE_3, cores, layer, experts=True) == pytest.approx(11_700 - 161.4 + 2000, abs=1)


@pytest.mark.parametrize(
    ("architecture", "wafers", "published"),
    [(LLAMA_8B, 1, 1943), (LLAMA_70B, 4, 519), (LLAMA_405B, 12, 212), (LLAMA_405B, 23, 280)],
)
def test_speed_of_one_sequence_at_the_measured_clock(
    architecture: ModelArchitecture, wafers: int, published: float
) -> None:
    """Tokens/s at 0.75 GHz, a context of 1,000 and a = 1, as facts/cs3_predictions.csv has them (it rounds sides).

    The law alone, without a placement: cut at layer boundaries, 405B in 16 bits needs 26 wafers, not 23.
    """
    stage = layer_stage(WSE_3, wafers, architecture, architecture.layers[0], len(architecture.layers))
    latency_s = (stage.layers + 1) * stage.token_s(1000) + hops_s(CS_3, wafers)
    assert 1 / latency_s == pytest.approx(published, rel=2e-3)


@pytest.mark.parametrize(("architecture", "wafers", "published"), [(LLAMA_8B, 1, 1943), (LLAMA_70B, 4, 519)])
def test_a_ring_has_the_latency_of_its_layers_and_one_more(
    architecture: ModelArchitecture, wafers: int, published: float
) -> None:
    assert 1 / ring(architecture, wafers).token_latency_s(1000) == pytest.approx(published, rel=2e-3)


def test_405b_is_cut_at_layer_boundaries() -> None:
    """A layer of 405B is 6.31 GB: five on a wafer of 37.4 GB, 126 layers on 26 wafers."""
    with pytest.raises(DoesNotFit, match="at least 26"):
        ring(LLAMA_405B, 23)


def test_experts_and_windows() -> None:
    """gpt-oss-120b on two wafers, 1,728 tok/s in the table, which lets all 36 layers see all 1,000 tokens.

    Here 18 of them see 128: 872 x 8,192 multiply-adds less on 45,752 cores, 69.4 cycles of 11,526 in half the layers.
    """
    assert 1 / ring(GPT_OSS_120B, 2, "mxfp4").token_latency_s(1000) == pytest.approx(
        1728 * (1 + 69.4 / 2 / 11526), abs=2
    )


def test_the_slowest_kind_of_layer_sets_the_slot() -> None:
    oss = ring(GPT_OSS_120B, 2, "mxfp4")
    windowed, full = sorted((stage for stage in oss.stages), key=lambda stage: stage.window is None)
    assert oss.slot_s(1000) == full.token_s(1000) > windowed.token_s(1000) == windowed.token_s(128)


def test_attention_costs_a_times_as_much() -> None:
    """a = 2.2 on 8B: 0.889 x 0.5 x 2.2 x 8,192 / 22,558 = 0.355 cycles per token of context and layer."""
    twice = replace(CS_3, device=replace(WSE_3, attention_mac_ratio=2.2))
    (stage,) = step_model(LLAMA_8B, twice, Deployment(devices=1), RUNTIME).stages
    assert stage.per_context_s * 0.75e9 == pytest.approx(0.355, abs=5e-4)


def test_hops() -> None:
    assert hops_s(CS_3, 1) == 0
    assert hops_s(CS_3, 4) == pytest.approx(20e-6)  # three forward, one back to the first
    three = replace(CS_3, devices=3, link=Link(900e9, 2e-6), network=Link(900e9, 3e-6))
    assert hops_s(three, 3) == pytest.approx(6e-6)
    assert hops_s(three, 6) == pytest.approx(4 * 2e-6 + 2 * 3e-6)


def test_power_is_drawn_busy_or_idle() -> None:
    four = ring(LLAMA_70B, 4)
    assert four.idle_w == pytest.approx(4 * 0.9 * 23e3)
    assert four.peak_bandwidth == 4 * 21e15
    assert four.peak_flops == 4 * 15.6e15  # bf16 and fp16 run at one rate


def test_70b_on_three_wafers_is_refused() -> None:
    with pytest.raises(DoesNotFit, match=r"Llama 3.1 70B in bf16 does not fit on 3 WSE-3: .* at least 4"):
        ring(LLAMA_70B, 3)


def test_the_fewest_wafers_that_hold_one_sequence() -> None:
    """17,002 tokens fit on four wafers; at 16 layers each, five leave (37.4 - 2.1 - 27.4) GB / 65,536 B and more."""
    for context, wafers in ((8192, 4), (17000, 4), (32768, 5)):
        deployment = Deployment(max_context=context)
        assert step_model(LLAMA_70B, CS_3, deployment, RUNTIME).devices == wafers


def test_kv_memory_is_whole_blocks() -> None:
    memory = ring(LLAMA_70B, 4).kv_memory
    assert memory.tokens == 17_002 // 16 * 16
    assert memory.bytes_per_token == 327_680


def test_the_column_without_a_fitted_speed() -> None:
    fitted = replace(WSE_3, effective_clock_hz=0.69e9)
    assert without_fitted_speed(fitted) == WSE_3
