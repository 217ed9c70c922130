"""When a run ends whose traffic goes on: steps of 1 s, a request every second, those of the first 4 s measured, the
last of which comes at 3 s."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.kit.few_requests import ONE_AT_A_TIME, requests
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, one_pool, simulate
from infermodel.tables import FINISHED, ServiceRecord
from infermodel.workload.traffic import TraceTraffic


def run(output_tokens: int, seats: int, stepping: str = "leap") -> ServiceRecord:
    traffic = TraceTraffic(requests([float(second) for second in range(200)], [8] * 200, [output_tokens] * 200))
    spec = one_pool("s", AffineModel(1.0), traffic, replace(ONE_AT_A_TIME, max_sequences=seats))
    (record,) = simulate([spec], 1, Horizon(duration_s=4.0), stepping="every" if stepping == "every" else "leap")
    return record


def finished(record: ServiceRecord) -> int:
    return int((record.requests.status[:4] == FINISHED).sum())


@pytest.mark.parametrize("stepping", ["leap", "every"])
def test_answers_that_take_longer_than_arrivals_were_measured_are_waited_for(stepping: str) -> None:
    """Each begins at once, so the last one has its 20th token at 23 s."""
    record = run(20, seats=250, stepping=stepping)
    assert record.ended_at == 23.0
    assert finished(record) == 4


def test_but_no_longer_than_eight_times_as_long() -> None:
    record = run(40, seats=250)
    assert record.ended_at == 24.0
    assert finished(record) == 0


def test_a_request_that_nobody_has_begun_after_twice_as_long_ends_the_run() -> None:
    """One seat: the first request has it until 20 s."""
    record = run(20, seats=1)
    assert record.ended_at == 6.0
    assert finished(record) == 0


def test_nothing_is_waited_for_beyond_the_last_answer() -> None:
    """One seat, a token each: the fourth request has it at 4 s."""
    assert run(1, seats=1).ended_at == 4.0
