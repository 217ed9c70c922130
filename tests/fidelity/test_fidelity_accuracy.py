from __future__ import annotations

import pytest
from tests.fidelity.measured_rows import row

from infermodel.fidelity.accuracy import Prediction, accuracy, knees_ms, scores, suspects
from infermodel.fidelity.coverage import coverage
from infermodel.fidelity.replay import Replayed


def predicted(tpot: float, measured: float, **fields: object) -> Prediction:
    return Prediction(
        row(measured={"tpot_mean_ms": measured}, **fields), Replayed({"tpot_mean_ms": tpot}, "memory", 20.0)
    )


def test_headline_figures_by_hand() -> None:
    # Errors of one group +10, -20, +30 %: median 20 %. Another group: 50 %. Over rows: median of 10, 20, 30, 50 = 25 %;
    # over groups: (20 + 50) / 2 = 35 %.
    predictions = [
        predicted(11, 10),
        predicted(8, 10),
        predicted(13, 10),
        predicted(5, 10, model="llama-3.1-70b"),
    ]
    lines = accuracy(predictions, ["tpot_mean_ms"])
    (score,) = scores(lines)
    assert (score.rows, score.groups) == (4, 2)
    assert score.median_over_rows == pytest.approx(0.25)
    assert score.mean_over_groups == pytest.approx(0.35)
    one = next(line for line in lines if line.grouping == "model" and line.group == "llama-3.1-8b")
    assert (one.rows, one.median_abs, one.median_signed) == (3, pytest.approx(0.2), pytest.approx(0.1))
    assert one.mean_abs == pytest.approx(0.2)


def test_ttft_is_scored_below_three_times_zero_load() -> None:
    def at(measured: float) -> Prediction:
        own = row(measured={"ttft_mean_ms": measured})
        return Prediction(own, Replayed({"ttft_mean_ms": 50.0}, "memory", 20.0), knee_ms=knees_ms([own], [20.0])[0])

    assert at(60.0).below_knee
    assert not at(61.0).below_knee
    lines = accuracy([at(50.0), at(100.0)], ["ttft_mean_ms"])
    assert [(line.metric, line.rows) for line in lines if line.grouping == "all"] == [
        ("ttft_mean_ms", 1),
        ("ttft_mean_ms (every row)", 2),
    ]


def test_a_model_that_is_too_fast_does_not_choose_its_rows() -> None:
    # The model says 20 ms alone, the lightest load measured 100 ms: the knee of the two loads is at 300 ms.
    light, heavy = (
        row(concurrency=users, measured={"ttft_mean_ms": ttft}) for users, ttft in ((4.0, 100.0), (64.0, 299.0))
    )
    assert knees_ms([light, heavy], [20.0, 20.0]) == [300.0, 300.0]
    assert knees_ms([heavy], [20.0]) == [60.0]


def test_a_row_that_contradicts_its_neighbours_is_flagged() -> None:
    # 4, 5.66 and 8 ms lie on a line in the logarithms; 7 ms is 24 % above it, 6.5 ms 15 %.
    def family(middle: float):
        return [
            row(id=str(users), concurrency=users, measured={"tpot_mean_ms": tpot})
            for users, tpot in ((8.0, 4.0), (16.0, middle), (32.0, 8.0))
        ]

    assert suspects(family(7.0)) == {"16.0"}
    assert suspects(family(6.5)) == frozenset()


def test_bands_hold_rows_that_had_no_part_in_them() -> None:
    """21 rows of one GPU measure 0.9 to 1.1 of what is predicted, 21 of another 0.8 to 1.2, evenly: nine in ten lie
    within 0.91 to 1.09 and 0.82 to 1.18. The narrow band holds 9 of the wide rows, the wide one all 21.
    """
    rows = [predicted(10, 9 + 0.1 * i, gpu="h100-sxm") for i in range(21)]
    rows += [predicted(10, 8 + 0.2 * i, gpu="b200") for i in range(21)]
    (found,) = coverage(rows)  # all of one family: nothing is left beside it
    assert (found.metric, found.left_out, found.folds, found.rows) == ("TPOT", "GPU", 2, 42)
    assert found.inside == pytest.approx(30 / 42)
    assert found.half_width == pytest.approx((0.09 + 0.18) / 2)
    assert coverage(rows[:21]) == ()
    (partly,) = coverage(rows[:26])  # beside the first 21 only five are left, which make no band
    assert (partly.folds, partly.rows) == (1, 5)
