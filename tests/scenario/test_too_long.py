"""Requests that are too long for a replica: told before the run, counted with the reason after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.experiment import run
from infermodel.report.refused import rejections
from infermodel.scenario import ScenarioErrors, load, resolve
from infermodel.scenario.too_long import bounds
from infermodel.tables import REJECTED

SCENARIO = """\
title: Some requests are too long
requests: 400
warm_up: 0 s
traffic:
  arrivals: {arrivals}
  prompt_tokens: {{kind: table, tokens: [500, 60000], weights: [19, 1]}}
  output_tokens: {{kind: fixed, tokens: 100}}
services:
  - name: S
    model: llama-3.1-8b
    engine: {engine}
    fleet: {{system: rtx-4090-8, replicas: 1}}
    {limits}
    price: {{rental: 0.4 USD/h}}
"""
OPEN = "{kind: poisson, rate: 2 /s}"


def scenario(folder: Path, engine: str = "vllm", limits: str = "", arrivals: str = OPEN) -> Path:
    path = folder / "s.yaml"
    path.write_text(SCENARIO.format(engine=engine, limits=limits, arrivals=arrivals))
    return path


@pytest.mark.parametrize("arrivals", [OPEN, "{kind: closed, users: 4}"])
def test_what_is_longer_than_the_served_context_is_told_and_counted(tmp_path: Path, arrivals: str) -> None:
    found = resolve(load(scenario(tmp_path, limits="limits: {max_context: 8192}", arrivals=arrivals), ()))
    (note,) = found.notes
    assert note.startswith("S: about ")
    assert "up to 60,100 tokens" in note
    assert note.endswith("will be rejected, longer than max_context, 8,192 tokens")
    said = float(note.split("about ")[1].split(" %")[0])
    assert said == pytest.approx(5, abs=2.5)  # one in twenty, of 400
    (result,) = run(found).services
    too_long = int((result.record.requests.prompt_tokens == 60_000).sum())
    assert too_long > 5
    assert f"{too_long} longer than max_context, 8,192 tokens" in rejections(result.summary, result)
    assert too_long == int((result.record.requests.status == REJECTED).sum())


def test_what_is_longer_than_the_memory_is_told_and_counted(tmp_path: Path) -> None:
    # SGLang starts with a context that does not fit, and turns away what is longer than its pool.
    found = resolve(load(scenario(tmp_path, "sglang"), ()))
    context, room = bounds(found.services[0])
    assert room < 60_100 < context == 131_072
    assert f"longer than the {room:,} tokens that the memory for keys and values of a replica holds" in found.notes[0]
    (result,) = run(found).services
    too_long = int((result.record.requests.prompt_tokens == 60_000).sum())
    assert too_long == int((result.record.requests.status == REJECTED).sum()) > 5
    assert f"{too_long} longer than the {room:,} tokens" in rejections(result.summary, result)


def test_one_token_more_than_fits_is_rejected(tmp_path: Path) -> None:
    """The bound that is told is the one that the simulation keeps, to the token."""
    path = scenario(tmp_path, "sglang")
    _, room = bounds(resolve(load(path, ())).services[0])
    for total, rejected in ((room, False), (room + 1, True)):
        changes = (f"traffic.prompt_tokens={{kind: fixed, tokens: {total - 100}}}", "requests=3")
        found = resolve(load(path, changes))
        assert bool(found.notes) == rejected
        status = run(found).services[0].record.requests.status
        assert ((status == REJECTED) == rejected).all()


def test_a_context_that_does_not_fit_tells_of_the_requests_as_well(tmp_path: Path) -> None:
    with pytest.raises(ScenarioErrors, match=r"not start, and about .* % of its requests \(up to 60,100 tokens\)"):
        resolve(load(scenario(tmp_path), ()))


def test_nothing_is_told_where_all_fits(tmp_path: Path) -> None:
    path = scenario(tmp_path, limits="limits: {max_context: 8192}")
    found = resolve(load(path, ("traffic.prompt_tokens={kind: fixed, tokens: 500}",)))
    assert found.notes == ()
