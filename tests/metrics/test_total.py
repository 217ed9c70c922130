from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.hand_records import one_at_a_time

from infermodel.metrics.objectives import objectives
from infermodel.metrics.schema import row
from infermodel.metrics.steady import Window
from infermodel.metrics.summary import summarise
from infermodel.metrics.total import total


def test_services_add_up() -> None:
    # every 8 s a request of 6 s, and every 4 s one of 3 s, each 100 tokens in and 11 or 5 out
    window, promised = Window(800.0, 1200.0), objectives({"e2e_p99": 4.0})
    slow = summarise(one_at_a_time(np.arange(300) * 8.0, [11] * 300, bin_s=40.0), window, promised, systems=[2])
    fast = summarise(one_at_a_time(np.arange(600) * 4.0, [5] * 600, bin_s=40.0), window, promised)
    both = total([slow, fast])
    assert (both.services, both.systems, both.replicas) == (2, 3, 2)
    assert (both.arrived, both.finished) == (150, 150)
    assert both.rpm == both.offered_rpm == pytest.approx(22.5)
    assert both.otpm == pytest.approx(7.5 * 11 + 15 * 5)
    assert both.itpm == pytest.approx(2250)
    assert both.tpm == pytest.approx(both.itpm + both.otpm)
    assert both.attainment == pytest.approx(100 / 150)
    assert both.goodput_rps == pytest.approx(0.25)
    assert both.power_mean_w == pytest.approx(2 * (0.75 * 300 + 0.25 * 100))
    assert both.joules_per_token == pytest.approx(500 * 60 / both.tpm)
    assert len(row(both)) == 14


def test_a_service_without_arrivals_takes_no_part_in_attainment() -> None:
    record = one_at_a_time([0.0], [1])
    idle = summarise(record, Window(5.0, 10.0))
    assert total([summarise(record, Window(0.0, 10.0)), idle]).attainment == 1.0
    assert np.isnan(total([idle]).attainment)
    assert np.isnan(total([replace(idle, tpm=0.0)]).joules_per_token)
    with pytest.raises(ValueError, match="at least one"):
        total([])
