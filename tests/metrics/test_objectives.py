from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.metrics.hand_records import in_pool, one_at_a_time, request_table

from infermodel.metrics.objectives import Objective, Verdict, evaluate, judged_columns, meets_all, objective, objectives
from infermodel.metrics.steady import Window, whole_run
from infermodel.tables import REJECTED, UNFINISHED, GapHistogram, RequestTable, ServiceRecord

NAN = np.nan
ALL = Window(0.0, 100.0)


def holding(table: RequestTable) -> ServiceRecord:
    return replace(one_at_a_time([0.0], [5]), requests=table)


def four_requests() -> RequestTable:
    """TTFT 1, 2, 3 and never; TPOT 0.5, 0.1, one token and never; the last was rejected."""
    return request_table(
        arrived_at=[0.0, 10.0, 20.0, 30.0],
        output_tokens=[3, 11, 1, 7],
        first_scheduled_at=[0.0, 11.0, 21.0, NAN],
        first_token_at=[1.0, 12.0, 23.0, NAN],
        last_token_at=[2.0, 13.0, 23.0, NAN],
        finished_at=[2.0, 13.0, 23.0, NAN],
        status=[0, 0, 0, REJECTED],
    )


def measured(record: ServiceRecord, window: Window, promised: tuple[Objective, ...]) -> tuple[Verdict, ...]:
    return evaluate(record, judged_columns(record, window), promised)


def value_of(name: str, limit: float, table: RequestTable | None = None) -> tuple[float, bool]:
    (verdict,) = measured(holding(table or four_requests()), ALL, (objective(name, limit),))
    return verdict.value, verdict.met


def test_names_are_read() -> None:
    speed = objective("output_speed_p10", 100.0)
    assert (speed.metric, speed.percent) == ("output_speed", 10.0)
    assert objective("queue_time_p99.9", 1.0).percent == 99.9
    assert [each.name for each in objectives({"ttft_p99": 1.0, "attainment": 0.99})] == ["ttft_p99", "attainment"]


@pytest.mark.parametrize(
    "name", ["ttft", "ttft_99", "speed_p10", "ttft_p100", "ttft_p99x", "itl_mean", "output_speed_mean", ""]
)
def test_unknown_names_list_the_known(name: str) -> None:
    with pytest.raises(ValueError, match=f"no objective named '{name}'; there are ttft_p<percent>, .* attainment"):
        objective(name, 1.0)


def test_rejected_requests_are_late_for_ever() -> None:
    assert value_of("ttft_p75", 3.0) == (3.0, True)
    assert value_of("ttft_p76", 3.0) == (np.inf, False)
    assert value_of("e2e_p50", 3.0) == (3.0, True)
    assert value_of("queue_time_p50", 0.9) == (1.0, False)


def test_a_mean_is_over_all_requests_and_no_limit_of_one() -> None:
    three = request_table(arrived_at=[0.0, 10.0, 20.0], first_scheduled_at=[0.0, 11.0, 25.0])
    assert value_of("queue_time_mean", 2.0, three) == (2.0, True)  # (0 + 1 + 5) / 3
    assert value_of("queue_time_mean", 1.9, three) == (2.0, False)
    assert value_of("ttft_mean", 9.0) == (np.inf, False)
    assert meets_all(judged_columns(holding(three), ALL), (objective("queue_time_mean", 0.5),)).all()


def test_one_token_meets_any_tpot() -> None:
    assert value_of("tpot_p25", 1e-9) == (0.0, True)  # the one-token request is a quarter
    assert value_of("tpot_p75", 0.5) == (0.5, True)


def test_speed_is_a_minimum() -> None:
    # speeds: 2 (TPOT 0.5), 10, infinite for one token, 0 for the rejected one: three of four reach 2
    assert value_of("output_speed_p25", 2.0) == (2.0, True)
    assert value_of("output_speed_p24", 2.0) == (0.0, False)


def test_attainment_counts_each_limit_of_each_request() -> None:
    promised = objectives({"ttft_p99": 2.0, "tpot_p50": 0.5, "attainment": 0.5})
    good = meets_all(judged_columns(holding(four_requests()), ALL), promised)
    assert good.tolist() == [True, True, False, False]  # the third has TTFT 3
    verdicts = {each.objective.name: each for each in measured(holding(four_requests()), ALL, promised)}
    assert verdicts["attainment"].value == 0.5
    assert verdicts["attainment"].met
    assert not verdicts["ttft_p99"].met


def test_speed_limit_counts_per_request() -> None:
    good = meets_all(judged_columns(holding(four_requests()), ALL), objectives({"output_speed_p10": 5.0}))
    assert good.tolist() == [False, True, True, False]


def test_without_limits_finishing_is_enough() -> None:
    assert meets_all(judged_columns(holding(four_requests()), ALL), ()).tolist() == [True, True, True, False]


def test_unfinished_requests_are_misses() -> None:
    table = replace(
        four_requests(), status=np.array([0, UNFINISHED, 0, REJECTED]), finished_at=np.array([2.0, NAN, 23.0, NAN])
    )
    assert value_of("tpot_p50", 9.0, table) == (0.5, True)
    assert value_of("tpot_p51", 9.0, table) == (np.inf, False)
    assert value_of("ttft_p50", 9.0, table) == (2.0, True)  # its first token did come
    assert value_of("attainment", 0.6, table) == (0.5, False)


def test_only_arrivals_of_the_window_are_judged() -> None:
    (verdict,) = measured(holding(four_requests()), Window(0.0, 20.0), (objective("ttft_p99", 2.0),))
    assert (verdict.value, verdict.met) == (2.0, True)


def test_gaps_are_judged_per_token() -> None:
    record = one_at_a_time([0.0, 0.0], [3, 3])
    record = in_pool(record, gaps=GapHistogram(np.array([0.1, 0.2, 0.4, 0.8]), np.array([2, 1, 1]), 1.2, 4))
    met, missed = measured(record, whole_run(record), objectives({"itl_p75": 0.4, "itl_p99": 0.4}))
    assert met.value == pytest.approx(0.4)
    assert met.met
    assert 0.4 < missed.value <= 0.8
    assert not missed.met


def test_no_gaps_are_no_waiting_and_no_requests_no_value() -> None:
    record = one_at_a_time([0.0], [1])
    promised = objectives({"itl_p99": 0.1, "ttft_p99": 5.0, "attainment": 0.9})
    assert all(each.met for each in measured(record, whole_run(record), promised))
    nobody = measured(record, Window(50.0, 60.0), promised)
    assert not any(each.met for each in nobody)
    assert all(np.isnan(each.value) for each in nobody)
