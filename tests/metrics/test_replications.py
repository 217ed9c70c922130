from __future__ import annotations

from dataclasses import replace
from math import inf, nan, sqrt

import numpy as np
import pytest
from tests.metrics.hand_records import one_at_a_time

from infermodel.metrics.objectives import objectives
from infermodel.metrics.replications import combine, decided
from infermodel.metrics.steady import Window
from infermodel.metrics.summary import Summary, summarise

PROMISED = objectives({"e2e_p99": 10.0, "output_speed_p10": 1.5})


def replication(tokens: int, offset_s: float = 0.0) -> Summary:
    """A request every 8 s for 2,400 s, each of so many tokens: 1 s and 0.5 s a token after the first."""
    record = one_at_a_time(np.arange(300) * 8.0 + offset_s, [tokens] * 300, bin_s=40.0)
    return summarise(record, Window(800.0, 2000.0), PROMISED)


def test_means_and_intervals_by_hand() -> None:
    # end-to-end times 5, 6 and 7 s: mean 6, standard deviation 1, t(0.975, 2) = 4.30265
    combined = combine([replication(9), replication(11), replication(13)])
    assert combined.e2e_mean_s == pytest.approx(6.0)
    assert combined.intervals["e2e_mean_s"].half_width == pytest.approx(4.30265 / sqrt(3), rel=1e-5)
    assert combined.intervals["e2e_mean_s"].samples == 3
    assert combined.rpm == pytest.approx(7.5)
    assert combined.arrived == 3 * 150
    assert combined.systems == combined.replicas == 1
    assert combined.service == "by hand"


def test_objectives_are_judged_by_the_means() -> None:
    combined = combine([replication(13), replication(15)])  # 7 and 8 s
    late, fast = combined.verdicts
    assert late.value == pytest.approx(7.5)
    assert late.met
    assert fast.value == pytest.approx(2.0)
    assert combined.objectives_met
    assert combined.intervals["e2e_p99"].mean == pytest.approx(7.5)


def test_an_overloaded_replication_spoils_the_means() -> None:
    combined = combine([replication(9), replication(21)])  # 11 s of work every 8 s
    assert combined.overloaded
    assert np.isnan(combined.e2e_mean_s)
    assert combined.intervals == {}
    assert combined.missed_objectives == "e2e_p99"


def test_a_warning_is_kept() -> None:
    short = replace(replication(9), warning="99 requests in the window, fewer than 100")
    assert combine([replication(9), short]).warning == short.warning
    assert combine([replication(9), short]).intervals == {}


def test_one_replication_is_itself() -> None:
    one = replication(9)
    assert combine([one]) is one


def test_what_cannot_be_combined() -> None:
    with pytest.raises(ValueError, match="one service"):
        combine([])
    with pytest.raises(ValueError, match="one service"):
        combine([replication(9), replace(replication(9), service="another")])


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ((8.0, 8.1, 7.9), True),
        ((12.0, 12.1, 11.9), False),
        ((9.0, 10.5, 10.0), None),  # the interval holds the limit of 10 s
        ((8.0, 9.0, inf), False),  # a replication in which the percentile never came
    ],
)
def test_replications_decide_or_do_not(values: tuple[float, ...], answer: bool | None) -> None:
    runs = []
    for value in values:
        one = replication(9)
        late, fast = one.verdicts
        runs.append(replace(one, verdicts=(replace(late, value=value, met=value <= 10), fast)))
    assert decided(combine(runs)) is answer


def test_one_run_decides_by_its_value() -> None:
    assert decided(replication(9)) is True
    assert decided(replication(21)) is False
    assert decided(replace(replication(9), verdicts=())) is True


def test_missing_values_stay_missing() -> None:
    lonely = [replace(replication(9), tpot_mean_s=nan) for _ in range(2)]
    assert np.isnan(combine(lonely).tpot_mean_s)
