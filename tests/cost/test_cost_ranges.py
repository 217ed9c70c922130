from dataclasses import replace
from math import isnan

import pytest
from tests.kit.dataflow_cases import CS_3, WSE_3

from infermodel.cost.ranges import band, range_ends, with_constant
from infermodel.cost.step import DoesNotFit
from infermodel.hardware import Quantity, System


def with_ranges(**ranges: tuple[float, float]) -> System:
    provenance = {
        name: Quantity(getattr(WSE_3, name), "", "assumed", "test", low=low, high=high)
        for name, (low, high) in ranges.items()
    }
    provenance["cores"] = Quantity(WSE_3.cores, "", "datasheet", "test")
    return replace(CS_3, device=replace(WSE_3, provenance=provenance))


def test_a_constant_or_an_entry_of_a_table_is_replaced() -> None:
    assert with_constant(WSE_3, "clock_hz", 1.1e9) == replace(WSE_3, clock_hz=1.1e9)
    assert with_constant(WSE_3, "peak_flops.fp16", 1e15).peak_flops == {"fp16": 1e15}


def test_one_entry_for_each_range() -> None:
    (ends,) = range_ends(with_ranges(moe_cycles=(0, 6000)).device)
    assert ends.constant == "moe_cycles"
    assert (ends.low.moe_cycles, ends.high.moe_cycles) == (0, 6000)


def test_deviations_add_in_quadrature() -> None:
    """cycles_fixed + 10 x moe_cycles = 24,927; down by 300 and 400 are 500 together, up by 50 and 120 are 130."""
    system = with_ranges(cycles_fixed=(4627, 4977), moe_cycles=(1960, 2012), prefill_share=(0, 1))
    around = band(lambda one: one.device.cycles_fixed + 10 * one.device.moe_cycles, system)
    assert around.mid == 24_927
    assert around.low == pytest.approx(24_927 - 500)
    assert around.high == pytest.approx(24_927 + 130)
    assert [one.constant for one in around.contributions] == ["moe_cycles", "cycles_fixed"]


def test_a_fit_makes_up_for_what_it_was_fitted_with() -> None:
    """Speed = clock / cycles, the clock fitted to 1,000 a second: no band is left but that of the clock itself."""

    def speed(system: System) -> float:
        return system.device.effective_clock_hz / system.device.cycles_fixed

    def refit(system: System) -> System:
        fixed = system.device.cycles_fixed
        return replace(system, device=replace(system.device, effective_clock_hz=1000 * fixed))

    start = refit(with_ranges(cycles_fixed=(4000, 6000)))
    assert band(speed, start).low == pytest.approx(1000 * 4927 / 6000)
    assert band(speed, start, refit)[:3] == pytest.approx((1000, 1000, 1000))


def test_where_the_model_no_longer_fits_there_is_no_answer() -> None:
    def speed(system: System) -> float:
        if system.device.cycles_fixed < 4900:
            raise DoesNotFit("too few")
        return system.device.cycles_fixed

    around = band(speed, with_ranges(cycles_fixed=(4000, 5027)))
    assert around[:3] == (4927, 4927, 5027)
    assert isnan(around.contributions[0].at_low)
