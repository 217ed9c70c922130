"""All claims of the launch have a verdict, and verdicts follow the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infermodel import catalog
from infermodel.claims import answer_claims, check_claims, services_at_capacity
from infermodel.claims.answers import QUESTIONS
from infermodel.claims.page import KINDS, kind, page
from infermodel.experiment import Capacity, Result, Verdict, run
from infermodel.hardware import System
from infermodel.scenario import ScenarioErrors, load, resolve

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "scenarios" / "cerebras_launch.yaml"
IDS = [f"C{number:02d}" for number in range(1, 42)]
NEVER = {"C10", "C24", "C31", "C34", "C36", "C40"}  # records, rivals, accuracy, quality, vague comparisons
WITHOUT_LOAD = ("C01", "C05", "C06", "C12", "C21", "C25", "C28", "C29", "C38")


def at_the_offered_load(result: Result) -> dict[str, Capacity]:
    """Stands for the search: what the services deliver at the scenario's own load."""
    return {
        each.service.name: Capacity(
            each.service.name, "requests/s", 2.0, 2.2, each.summary, each.economics, "", "compute", ()
        )
        for each in result.services
    }


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    scenario = load(LAUNCH, ["duration=60 s"])
    check_claims(scenario)
    result = run(resolve(scenario))
    return {each.id: each for each in answer_claims(result, at_the_offered_load(result))}


def test_every_claim_has_a_verdict(verdicts: dict[str, Verdict]) -> None:
    assert list(verdicts) == IDS
    for each in verdicts.values():
        assert kind(each.verdict) in KINDS
        assert each.reason
        assert each.group in ("speed", "price", "memory", "scale", "rate limits", "context")


def test_what_cannot_be_simulated_has_no_figure(verdicts: dict[str, Verdict]) -> None:
    silent = {name for name, each in verdicts.items() if each.verdict == "cannot be simulated"}
    assert silent == NEVER
    assert all(verdicts[name].modelled is None for name in NEVER)
    assert all(verdicts[name].modelled is not None for name in set(IDS) - NEVER)


def test_arithmetic_that_a_reader_can_redo(verdicts: dict[str, Verdict]) -> None:
    assert verdicts["C09"].low == pytest.approx(0.6 / ((3 * 2.68 + 3.54) / 4))  # Azure's list price, 3 in for 1 out
    assert verdicts["C18"].modelled == pytest.approx((50e6 + 132 * 512 * 1024) / 1e6)
    assert verdicts["C27"].modelled == pytest.approx(4 * 5e-6 * 483.7, rel=1e-3)  # four hops of 5 us, 484 tok/s
    assert verdicts["C35"].high == pytest.approx(30 * 1800 / 500, rel=1e-3)
    assert verdicts["C37"].modelled == pytest.approx(1_000_000 / 1440)
    assert verdicts["C41"].modelled == pytest.approx(23 / 10.2)


def test_speeds_within_what_was_asked_for_with_one_set_of_constants(verdicts: dict[str, Verdict]) -> None:
    assert verdicts["C01"].ratio == pytest.approx(1, abs=0.15)
    assert verdicts["C05"].ratio == pytest.approx(1, abs=0.15)
    groq_8b_tok_s = 1800 / (verdicts["C04"].modelled or 1)
    assert groq_8b_tok_s == pytest.approx(751, rel=0.2)


def changed_wafer(change: Callable[[System], System], monkeypatch: pytest.MonkeyPatch) -> dict[str, Verdict]:
    """Verdicts that need no load, with another CS-3 in the catalog."""
    real_system, real_device = catalog.load_system, catalog.load_device
    monkeypatch.setattr(catalog, "load_system", lambda name: change(real_system(name)))
    wafer = change(real_system("cs-3")).device
    monkeypatch.setattr(catalog, "load_device", lambda name: wafer if name == "wse-3" else real_device(name))
    loaded = load(LAUNCH, ["duration=1 s", "services.CS-3, 70B.fleet.systems=9"])
    scenario = resolve(loaded)
    wanted = tuple(claim for claim in scenario.claims if claim.id in WITHOUT_LOAD)
    assert not services_at_capacity(wanted)
    result = run(replace(scenario, claims=wanted))
    return {each.id: each for each in answer_claims(result, {})}


def test_verdicts_follow_the_size_of_the_sram(verdicts: dict[str, Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    def half(system: System) -> System:
        if system.name != "cs-3":
            return system
        return replace(system, device=replace(system.device, memory_capacity_bytes=22e9))

    found = changed_wafer(half, monkeypatch)
    for name in ("C06", "C21", "C28", "C29"):
        assert found[name].verdict != verdicts[name].verdict, name
    assert found["C12"].verdict == verdicts["C12"].verdict  # that weights have to be read does not depend on it


def test_verdicts_follow_the_clock(verdicts: dict[str, Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(system: System) -> System:
        if system.name != "cs-3":
            return system
        return replace(system, device=replace(system.device, effective_clock_hz=0.4e9))

    found = changed_wafer(slow, monkeypatch)
    assert found["C01"].verdict != verdicts["C01"].verdict
    assert found["C05"].verdict != verdicts["C05"].verdict
    assert found["C29"].verdict == verdicts["C29"].verdict


def test_the_page_has_a_row_for_each_claim(verdicts: dict[str, Verdict]) -> None:
    rendered = page(list(verdicts.values()), {"speed": "pictures/speed.png"}, "command")
    written = (ROOT / "docs" / "launch_claims.md").read_text()
    for text in (rendered, written):
        rows = [line for line in text.splitlines() if line.startswith("| C")]
        assert [row.split()[1] for row in rows] == IDS
        assert all("**" in row for row in rows)


SLIPS = """
title: slips
duration: 1 min
traffic:
  arrivals: {kind: constant, rate: 1 /min}
  prompt_tokens: {kind: fixed, tokens: 9}
  output_tokens: {kind: fixed, tokens: 9}
services: [{name: wafer, model: llama-3.1-8b, fleet: {system: cs-3}}]
claims:
  - {id: a, statement: s, published: 1, source: s, answer: {sped: {service: wafer}}}
  - {id: b, statement: s, published: 1, source: s, answer: {speed: {service: wafr}}}
  - {id: c, statement: s, published: 1, source: s, answer: {speed: {service: wafer, contxt: 8}}}
  - {id: d, statement: s, published: 1, source: s, answer: {weights: {}}}
  - {id: e, statement: s, published: 1, source: s, answer: {weights: {model: llama-3.1-8b}, relation: near}}
  - {id: f, statement: s, published: 1, unit: furlong, source: s, answer: {weights: {model: llama-3.1-8b}}}
  - {id: g, statement: s, source: s, answer: {weights: {model: llama-3.1-8b}}}
  - id: h
    statement: s
    published: 1
    source: s
    answer: {ratio: {of: {speed: {service: wafer}}, to: {device: {device: wse-4, field: cores}}}}
"""


def test_slips_are_found_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "slips.yaml"
    path.write_text(SLIPS)
    with pytest.raises(ScenarioErrors) as found:
        check_claims(load(path))
    said = [str(error).splitlines()[0] for error in found.value.errors]
    assert [line.split(":")[1] for line in said] == [str(number) for number in (10, 11, 12, 13, 14, 15, 16, 21)]
    for line, words in zip(
        said,
        (
            "no question named 'sped'; did you mean 'speed'?",
            "no service named 'wafr'; did you mean 'wafer'?",
            "no argument named 'contxt'; did you mean 'context'?",
            "the argument 'model' is missing",
            "no relation named 'near'",
            "furlong",
            "without a published figure",
            "no device named 'wse-4'",
        ),
        strict=True,
    ):
        assert words in line
    assert str(path) + ":21:" in said[-1]


def test_every_question_says_what_it_answers() -> None:
    assert all(question.answer.__doc__ for question in QUESTIONS.values())
