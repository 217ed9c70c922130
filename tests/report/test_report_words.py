from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from tests.report.example_report import example, findings

from infermodel.report import words
from infermodel.report.findings import Findings
from infermodel.report.not_modelled import not_modelled
from infermodel.report.page import bound_shares, side_by_side, speeds


def test_the_answer_names_the_fastest_and_the_cheapest_of_each_model() -> None:
    _, capacities, _ = example()
    sentences = words.answers(findings())
    assert [sentence.split(" is ")[0] for sentence in sentences[:2]] == ["Llama 3.1 8B"] * 2
    assert [sentence.split(":")[0] for sentence in sentences[2:]] == [
        "Llama 3.1 70B on CS-3 70B, at the largest load that keeps the objectives"
    ]
    first, second = (each.summary for each in capacities[:2])
    assert first is not None
    assert second is not None
    fastest = "CS-3 8B" if first.output_speed_p50_tok_s > second.output_speed_p50_tok_s else "DGX H100 8B"
    assert f"fastest on {fastest}:" in sentences[0]
    prices = [each.economics.blended_usd_per_mtok.mid for each in capacities[:2] if each.economics is not None]
    assert f"cheapest on {'CS-3 8B' if prices[0] < prices[1] else 'DGX H100 8B'}:" in sentences[1]


def test_services_that_are_alike_to_the_digits_shown_are_called_so() -> None:
    result, _, _ = example()
    first = result.services[0]
    twin = replace(first, service=replace(first.service, name="twin"), summary=replace(first.summary, service="twin"))
    fastest, cheapest = words.answers(Findings.of(replace(result, services=(first, twin)), [], []))
    assert fastest.startswith("Llama 3.1 8B is equally fast on CS-3 8B and twin: half of its users see")
    assert cheapest.startswith("Llama 3.1 8B is equally cheap on CS-3 8B and twin: $")
    assert "next" not in fastest + cheapest
    assert "overlap" not in cheapest


def test_one_service_is_not_compared() -> None:
    result, capacities, _ = example()
    alone = Findings.of(replace(result, services=result.services[:1]), capacities[:1], [])
    first, second = words.answers(alone)
    kept = {v.objective.name: v.value for v in result.services[0].summary.verdicts}
    # both promises are kept on an idle fleet: the first token within 1 s, tokens within 50 ms, for 90 of 100
    assert f"TTFT p90 ({1e3 * kept['ttft_p90']:.3g} ms of 1 s)" in first
    assert f"TPOT p90 ({1e6 * kept['tpot_p90']:.3g} µs of 50 ms)" in first
    assert "misses" not in first
    assert not [word for word in ("fastest", "cheapest", "best") if word in second]


def test_an_unattainable_objective_is_said() -> None:
    result, capacities, _ = example()
    none = replace(capacities[0], low=0.0, summary=None, economics=None, note="ttft_p90 would have to be 3 s")
    told = Findings.of(result, [none], [])
    assert (
        words.holds(told, result.services[0]) == "CS-3 8B: no load keeps the objectives. ttft_p90 would have to be 3 s"
    )
    assert not told.headlines[0].at_capacity


def test_a_load_that_was_never_too_much_is_said() -> None:
    _, capacities, _ = example()
    assert words.stops(replace(capacities[0], high=inf), ()) == "No load was found that it does not hold."


def test_alternatives_are_not_summed() -> None:
    told = findings()
    assert not side_by_side(told)  # all three meet the same traffic
    apart = tuple(replace(each, service=replace(each.service, own_traffic=True)) for each in told.services)
    assert side_by_side(Findings.of(replace(told.result, services=apart), [], []))


def test_what_must_be_known_first_is_said() -> None:
    result, _, _ = example()
    first = result.services[0]
    bad = replace(first.summary, overloaded=True, rejected=3, warning="too few requests")
    told = Findings.of(replace(result, services=(replace(first, summary=bad),)), [], [])
    lines = words.warnings(told)
    assert any("overloaded" in line for line in lines)
    assert any(line.startswith("CS-3 8B rejects 3 of") for line in lines)
    assert any("too few requests" in line for line in lines)


def test_bound_shares_are_those_of_the_summary_largest_first() -> None:
    for each in findings().services:
        shares = bound_shares(each)
        assert sum(part for _, part in shares) == pytest.approx(1, abs=0.03)
        assert [part for _, part in shares] == sorted((part for _, part in shares), reverse=True)


def test_speeds_stand_side_by_side() -> None:
    told = findings()
    wafer, gpu = (speeds(told, each) for each in told.services[:2])
    # 8.03e9 parameters, 2 bytes each, from one 3.35 TB/s: 209 tok/s, less what the KV of 900 tokens adds
    assert 190 < gpu.bandwidth < 209
    assert gpu.stage is None
    assert wafer.stage is not None
    assert wafer.bandwidth > wafer.stage > wafer.alone >= 0.99 * wafer.offered
    assert wafer.published == 1800
    assert gpu.published is None


def test_what_is_not_modelled_depends_on_the_run() -> None:
    told = not_modelled(findings())
    assert any("compilers" in line for line in told)
    result, _, _ = example()
    gpus = Findings.of(replace(result, services=result.services[1:2]), [], [])
    assert not any("compilers" in line for line in not_modelled(gpus))
