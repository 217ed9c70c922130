from __future__ import annotations

import pytest

from infermodel.economics.band import NOTHING, Band
from infermodel.hardware import Quantity


def test_arithmetic_goes_case_by_case() -> None:
    price = Band(1.0, 2.0, 8.0)
    assert price + Band(1.0, 1.0, 2.0) == Band(2.0, 3.0, 10.0)
    assert price * 3 == Band(3.0, 6.0, 24.0)
    assert price * Band(1.0, 2.0, 3.0) == Band(1.0, 4.0, 24.0)
    assert price / 2 == Band(0.5, 1.0, 4.0)
    assert sum([price, price], NOTHING) == Band(2.0, 4.0, 16.0)
    assert Band.exactly(3.0).is_exact
    assert not price.is_exact


@pytest.mark.parametrize("cases", [(2.0, 1.0, 3.0), (1.0, 3.0, 2.0), (float("nan"), 1.0, 2.0)])
def test_cases_out_of_order_are_refused(cases: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="low <= mid <= high"):
        Band(*cases)


def test_a_catalog_figure_brings_its_range() -> None:
    cs3 = Quantity(1.0e6, "USD", "assumed", "between bill of materials and average price", low=0.45e6, high=2.26e6)
    assert Band.of(cs3) == Band(0.45e6, 1.0e6, 2.26e6)
    assert Band.of(Quantity(5.0, "USD", "datasheet", "a list")) == Band.exactly(5.0)
