"""What is kept before, during and after an outage, and in which minutes something is missed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.report.example_report import example

from infermodel.experiment.result import ServiceResult
from infermodel.metrics.objectives import Verdict, objective
from infermodel.metrics.steady import Window
from infermodel.report.kept import outage_table, verdict_sentence
from infermodel.report.stretches import Stretch, around_outages, missed_in, outages, slices
from infermodel.simulation.spec import Outage

TPOT = objective("tpot_p99", 0.04)


def down(*spans: tuple[int, float, float]) -> ServiceResult:
    """The first service of the example, its pool planned to lose systems: which, when, for how long."""
    each = example()[0].services[0]
    return replace(each, service=each.service.with_pool(outages=tuple(Outage(*span) for span in spans)))


def minute(number: int, value: float) -> Stretch:
    window = Window(60.0 * number, 60.0 * (number + 1))
    return Stretch("", window, False, 100, (Verdict(TPOT, value, value <= TPOT.limit),), 1.0)


def test_outages_that_overlap_are_one() -> None:
    assert outages(down((0, 10.0, 20.0), (1, 25.0, 10.0), (0, 60.0, 5.0))) == (Window(10, 35), Window(60, 65))


def test_the_parts_around_an_outage_hold_every_request_once() -> None:
    result, _, _ = example()
    each = down((0, 80.0, 30.0))
    parts = around_outages(each, result.window)
    arrived = each.record.requests.arrived_at[result.window.holds(each.record.requests.arrived_at)]
    assert [part.name for part in parts] == ["before", "during, 1:20 to 1:50", "after"]
    assert [part.arrived for part in parts] == np.histogram(arrived, [0, 80, 110, np.inf])[0].tolist()
    requests = each.record.requests
    inside = (requests.arrived_at >= 80) & (requests.arrived_at < 110)
    ttft = np.sort((requests.first_token_at - requests.arrived_at)[inside])
    (p90,) = (v.value for v in parts[1].verdicts if v.objective.metric == "ttft")
    assert p90 == ttft[int(np.ceil(0.9 * len(ttft))) - 1]
    assert around_outages(result.services[0], result.window) == ()


def test_minutes_that_miss_are_named_and_joined() -> None:
    values = [0.02, 0.05, 0.06, 0.03, 0.041, 0.02]
    spans = missed_in([minute(i, value) for i, value in enumerate(values)], "tpot_p99")
    assert spans == [Window(60, 180), Window(240, 300)]


def test_slices_are_whole_minutes_and_end_with_the_window() -> None:
    result, _, _ = example()
    parts = slices(result.services[0], result.window)  # 120 requests a minute
    assert parts[0].window.start_s == result.window.start_s
    assert parts[-1].window.end_s == result.window.end_s
    assert all(part.window.end_s % 60 == 0 for part in parts[:-1])


def test_the_sentence_says_what_is_missed_and_when() -> None:
    result, _, _ = example()
    each = down((0, 80.0, 30.0))
    strict = objective("ttft_p90", 1e-4)
    missed = replace(each.summary, verdicts=(Verdict(strict, 0.02, False),))
    hard = replace(each, service=replace(each.service, objectives=(strict,)), summary=missed)
    assert (
        verdict_sentence(hard, slices(hard, result.window))
        == "CS-3 8B misses TTFT p90 (20.0 ms of 0.1 ms) all the time."
    )
    table = outage_table(hard, result.window)
    assert table is not None
    assert [row[-1] for row in table.rows] == ["0 %"] * 3


def test_without_objectives_nothing_is_said() -> None:
    each = example()[0].services[0]
    bare = replace(each, summary=replace(each.summary, verdicts=()))
    assert verdict_sentence(bare, ()) == ""
