from __future__ import annotations

import numpy as np
import pytest
from tests.metrics.hand_records import BUSY_W, IDLE_W, in_pool, one_at_a_time, request_table

from infermodel.metrics.steady import Window, whole_run
from infermodel.metrics.throughput import Balance, balance, bin_joules, load, overlap, throughput
from infermodel.tables import REJECTED, UNFINISHED, Timeline


def test_rates_count_what_finished_inside_the_window() -> None:
    # five requests of 100 + 11 tokens and 6 s, one after the other from 0: they finish at 6, 12, 18, 24, 30
    record = one_at_a_time([0.0] * 5, [11] * 5)
    rates = throughput(record.requests, Window(10.0, 30.0))  # 12, 18 and 24; 30 is the next window's
    assert rates.rpm == 3 * 60 / 20
    assert rates.itpm == 300 * 3
    assert rates.otpm == 33 * 3
    assert rates.tpm == 333 * 3


def test_unfinished_requests_deliver_nothing() -> None:
    table = request_table(arrived_at=[0.0, 1.0], finished_at=[5.0, np.nan], status=[0, UNFINISHED])
    assert throughput(table, Window(0.0, 60.0)).rpm == 1.0


def test_balance_of_arrivals() -> None:
    table = request_table(arrived_at=np.arange(6.0), status=[0, 0, UNFINISHED, REJECTED, 0, 0])
    assert balance(table, Window(1.0, 5.0)) == Balance(arrived=4, finished=2, unfinished=1, rejected=1)


def test_load_by_hand() -> None:
    # two requests of 21 tokens, 11 s each, at 0 and 15; 14 s of idling after them: bins 0-10, 10-20, 20-30, 30-40
    record = one_at_a_time([0.0, 15.0], [21, 21], idle_after_s=14.0)
    assert record.ended_at == 40.0
    whole = load(record, whole_run(record))
    assert whole.utilisation == pytest.approx(22 / 40)
    assert whole.mfu == pytest.approx(22 * 4 / (8 * 40))  # 4 FLOPs a busy second, peak 8
    assert whole.mbu == pytest.approx(22 * 6 / (8 * 40))
    assert whole.running_mean == pytest.approx(20 / 40)  # two times 10 s of decoding
    assert whole.kv_use_mean == pytest.approx(22 * 8 / (40 * 20))  # 121 tokens are 8 blocks of 16; room for 20
    assert whole.kv_use_peak == pytest.approx(8 / 20)  # the first bin is busy throughout
    assert whole.bound_shares == pytest.approx((2 / 22, 20 / 22, 0, 0, 0))
    assert whole.joules == pytest.approx(22 * BUSY_W + 18 * IDLE_W)
    assert whole.power_mean_w == pytest.approx((22 * 300 + 18 * 100) / 40)
    assert whole.power_peak_w == pytest.approx(300)


def test_load_of_a_part() -> None:
    record = one_at_a_time([0.0, 15.0], [21, 21], idle_after_s=14.0)
    middle = load(record, Window(10.0, 20.0))  # busy 10-11 and 15-20
    assert middle.utilisation == pytest.approx(0.6)
    assert middle.power_peak_w == middle.power_mean_w == pytest.approx(0.6 * 300 + 0.4 * 100)


def test_nothing_is_counted_after_the_end() -> None:
    record = one_at_a_time([0.0], [10])  # 5.5 s, in a bin of 10
    whole = load(record, whole_run(record))
    assert whole.utilisation == pytest.approx(1.0)
    assert whole.joules == pytest.approx(5.5 * 300)


def test_a_service_is_idle_after_its_last_answer() -> None:
    record = one_at_a_time([0.0], [10])  # 5.5 s
    window = load(record, Window(0.0, 22.0))
    assert window.utilisation == pytest.approx(0.25)
    assert window.mfu == pytest.approx(0.25 * 4 / 8)
    assert window.power_mean_w == pytest.approx(0.25 * 300 + 0.75 * 100)
    later = load(record, Window(10.0, 22.0))
    assert later.utilisation == 0.0
    assert later.power_mean_w == later.power_peak_w == IDLE_W


def test_replicas_that_are_down_draw_nothing() -> None:
    record = one_at_a_time([0.0], [19])  # busy 0 to 10
    columns = {**record.timeline.columns, "up_s": record.timeline.columns["busy_s"] + 1.0}
    down = in_pool(record, timeline=Timeline(record.timeline.edges_s, columns), replicas=4)
    assert bin_joules(down)[0] == pytest.approx(10 * 300 + 1 * 100)


def test_an_idle_service_has_no_shares() -> None:
    record = one_at_a_time([50.0], [5])
    idle = load(record, Window(0.0, 40.0))
    assert idle.utilisation == 0.0
    assert idle.power_mean_w == IDLE_W
    assert np.isnan(idle.bound_shares).all()


def test_overlap_shares_bins() -> None:
    assert overlap(np.array([0.0, 4.0, 8.0, 12.0]), Window(1.0, 8.0)).tolist() == [0.75, 1.0, 0.0]
