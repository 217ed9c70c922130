"""The fitted constants of the catalog follow from the speeds they name, and the rest is prediction."""

import pytest

from infermodel.catalog import load_device, load_system
from infermodel.fidelity.dataflow import (
    EFFECTIVE_CLOCK_FIT,
    LAYER_FIXED_FIT,
    PREDICTED,
    PublishedSpeed,
    effective_clock_hz,
    layer_fixed_s,
    speed_tok_s,
    table,
    unfitted,
)
from infermodel.hardware import LpuDevice, WaferDevice

C05 = PREDICTED[0]


def test_the_effective_clock_is_the_one_that_c01_gives() -> None:
    """33 layer times at 22,558 cores, side 150.2, and 218.1M + 2.2 x 8.192M multiply-adds (a = 2.2), 1,800 a second.

    4927 + 15.41 x 150.19 + 0.889 x 0.5 x (218,112,000 + 18,022,400) / 22,558 = 11,894.5 cycles; x 33 x 1,800.
    """
    wafer = load_device("wse-3")
    assert isinstance(wafer, WaferDevice)
    assert effective_clock_hz() == pytest.approx(11_894.5 * 33 * 1800, rel=1e-4)
    assert wafer.effective_clock_hz == pytest.approx(effective_clock_hz(), rel=1e-4)
    assert speed_tok_s(EFFECTIVE_CLOCK_FIT) == pytest.approx(1800, rel=1e-4)


def test_70b_on_four_is_predicted() -> None:
    assert C05.claim == "C05"
    assert 0.85 <= speed_tok_s(C05) / C05.speed_tok_s <= 1.15


@pytest.mark.parametrize("published", [EFFECTIVE_CLOCK_FIT, C05])
def test_the_column_without_a_fitted_speed(published: PublishedSpeed) -> None:
    """At 0.75 instead of 0.7065 GHz; hops are 1 % of 70B and do not scale."""
    bare = unfitted(load_system("cs-3"))
    assert speed_tok_s(published, bare) / speed_tok_s(published) == pytest.approx(0.75 / 0.7065, rel=1e-3)


def test_the_fixed_time_of_an_lpu_layer_is_the_one_that_two_speeds_give() -> None:
    """Weights and 1,000 tokens of KV at 9.216 TB/s a chip, on 2 and on 7.2 chips a layer.

    8B: 1 / 751 / 32 - (218.1 + 4.1) MB / 18.43 TB/s = 41.61 - 12.06 = 29.55 us.
    70B: 1 / 250 / 80 - (855.7 + 4.1) MB / 66.36 TB/s = 50.00 - 12.96 = 37.04 us. Mean 33.30, half of the gap 3.74.
    """
    lpu = load_device("groq-lpu-v1")
    assert isinstance(lpu, LpuDevice)
    fixed_s, error_s = layer_fixed_s()
    assert fixed_s == pytest.approx(33.30e-6, abs=0.01e-6)
    assert error_s == pytest.approx(3.74e-6, abs=0.01e-6)
    assert lpu.layer_fixed_s == pytest.approx(fixed_s, abs=0.05e-6)
    assert lpu.provenance["layer_fixed_s"].standard_error == pytest.approx(error_s, abs=0.05e-6)


@pytest.mark.parametrize("published", LAYER_FIXED_FIT)
def test_lpu_speeds_within_a_fifth(published: PublishedSpeed) -> None:
    assert speed_tok_s(published) == pytest.approx(published.speed_tok_s, rel=0.2)


def test_the_table_has_a_row_for_every_published_speed() -> None:
    rows = table().splitlines()
    assert len(rows) == 2 + 1 + len(LAYER_FIXED_FIT) + len(PREDICTED)
    assert rows[2].startswith(
        "| Llama 3.1 8B | Cerebras CS-3 | 1 | 1,800 (Cerebras launch, 2024-08-27) | 1,800 | 1.00 |"
    )
