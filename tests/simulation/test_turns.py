"""Logs whose requests follow answers: each is sent so long after the answer before it, worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel

from infermodel.formats import mooncake
from infermodel.formats.columns import TraceColumns, trace_columns
from infermodel.formats.turns import text_ids
from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import REJECTED, ServiceRecord
from infermodel.workload.requests import Requests
from infermodel.workload.trace import requests_of
from infermodel.workload.traffic import TraceTraffic

TO_THE_END = Horizon()


def played(requests: Requests, horizon: Horizon = TO_THE_END, **changes: Any) -> ServiceRecord:
    """On a replica whose steps take 10 ms whatever is in them, 4 ms from the client and 2 ms back."""
    window = {key: changes.pop(key) for key in ("repeat", "rate_scale", "from_s", "to_s") if key in changes}
    limits = changes.pop("limits", Limits(64, 100_000, 8192, prefix_caching=True))
    traffic = TraceTraffic(requests, **window)
    spec = one_pool("s", AffineModel(), traffic, limits, ingress_s=0.004, egress_s=0.002, **changes)
    (record,) = simulate([spec], 1, horizon)
    check_laws(record)
    return record


def conversation(*, starts: list[float], turns: int = 4, wait_s: float = 2.0) -> Requests:
    """Of 100 tokens at first, answers of 10 and 30 new ones a turn."""
    after = [-1 if k == 0 else i * turns + k - 1 for i in range(len(starts)) for k in range(turns)]
    at = np.repeat(starts, turns)
    prompts = np.tile([100 + 40 * k for k in range(turns)], len(starts))
    outputs, follows = np.full(len(at), 10), np.array(after)
    ids = text_ids(prompts, outputs, follows, np.arange(len(at)))
    waits = np.where(follows < 0, 0.0, wait_s)
    log = trace_columns(
        Path("log"), at, prompts, outputs, hash_ids=ids, hash_block_tokens=16, hash_answers=True, after=follows,
        wait_s=waits,
    )  # fmt: skip
    return requests_of(log)


TURN_S = 0.004 + 10 * 0.010 + 0.002
"""In, a step for the prompt and nine for the rest of ten tokens, and out."""


def test_turns_are_sent_after_the_answers_before_them() -> None:
    record = played(conversation(starts=[5.0]))
    assert record.requests.arrived_at == pytest.approx([5 + k * (TURN_S + 2.0) for k in range(4)])
    assert record.requests.prompt_tokens.tolist() == [100, 140, 180, 220]
    # Prompt and answer before it: 110, 150 and 190 tokens, of which the last was never computed.
    assert record.requests.cached_tokens.tolist() == [0, 96, 144, 176]


def test_conversations_are_played_beside_each_other() -> None:
    record = played(conversation(starts=[0.0, 0.5, 0.5], turns=2))
    arrived = sorted([0.0, 0.5, 0.5, *(at + TURN_S + 2.0 for at in (0.0, 0.5, 0.5))])
    # Two that come within a step of others wait for it: at most 10 ms each time.
    assert record.requests.arrived_at == pytest.approx(arrived, abs=0.021)


def test_a_rate_moves_beginnings_and_no_delays_and_repeats_are_others() -> None:
    record = played(conversation(starts=[0.0, 8.0], turns=2), rate_scale=2.0, repeat=2)
    window_s = (8.0 + 8.0 / 3) / 2  # a mean gap of all four after the last, then half of it
    begins = [0.0, 4.0, window_s, window_s + 4.0]
    assert record.requests.arrived_at == pytest.approx(sorted(begins + [at + TURN_S + 2.0 for at in begins]))
    # 110 tokens before, of which the last was never computed; none finds a text of the turn before.
    assert sorted(record.requests.cached_tokens.tolist()) == [0, 0, 0, 0, 96, 96, 96, 96]


def test_calls_in_a_row_and_their_waits() -> None:
    # Of 4 calls each with three waits of 2 s; a log without conversations has calls that stand alone.
    assert TraceTraffic(conversation(starts=[0.0, 10.0])).in_a_row == (4.0, 6.0)
    assert TraceTraffic(conversation(starts=[0.0, 10.0], turns=1)).in_a_row == (1.0, 0.0)


def test_a_window_keeps_conversations_whole() -> None:
    record = played(conversation(starts=[0.0, 10.0, 20.0], turns=3), from_s=5.0, to_s=15.0)
    assert record.requests.arrived_at == pytest.approx([5 + k * (TURN_S + 2.0) for k in range(3)])


def test_a_duration_ends_what_is_measured() -> None:
    record = played(conversation(starts=[0.0], turns=4), Horizon(duration_s=3.0))
    assert len(record.requests) == 2  # the third would come after 4.2 s


def test_a_refused_turn_ends_its_conversation() -> None:
    limits = Limits(64, 100_000, 160)  # the third turn has 180 + 10 tokens
    record = played(conversation(starts=[0.0, 1.0]), limits=limits)
    assert len(record.requests) == 6
    assert (record.requests.status == REJECTED).sum() == 2


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.integers(1, 5), st.floats(0, 2)), min_size=1, max_size=8),
    st.integers(1, 3),
)
def test_all_are_sent_and_none_before_its_answer(asked: list[tuple[float, int, float]], replicas: int) -> None:
    after: list[int] = []
    for at, turns, _ in sorted(asked):
        after += [-1, *range(len(after), len(after) + turns - 1)]
        assert at >= 0
    at_s = np.concatenate([np.full(turns, at) for at, turns, _ in sorted(asked)])
    wait_s = np.concatenate([np.full(turns, wait) for _, turns, wait in sorted(asked)])
    prompts = np.full(len(after), 50)
    log = trace_columns(Path("log"), at_s, prompts, np.full(len(after), 5), after=np.array(after), wait_s=wait_s)
    record = played(requests_of(log), replicas=replicas)
    assert len(record.requests) == len(after)
    assert np.isfinite(record.requests.finished_at).all()
    # The least that a call can come after its conversation began: turns and waits before it, one after the other.
    least = sorted(
        at + k * (0.004 + 5 * 0.010 + 0.002 + wait) for at, turns, wait in sorted(asked) for k in range(turns)
    )
    assert (record.requests.arrived_at >= np.array(least) - 1e-9).all()


FIRST = {"session_id": "a", "timestamp": 1000, "input_length": 300, "output_length": 40}


def read(folder: Path, *lines: dict[str, object]) -> TraceColumns:
    path = folder / "trace.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return mooncake.read(path)


def test_lengths_of_what_is_new_as_aiperf_takes_them(tmp_path: Path) -> None:
    """Its documentation's own example: 300 tokens, then 150 more after 2 ms."""
    log = read(tmp_path, FIRST, {"session_id": "a", "delay": 2, "input_length": 150, "output_length": 20})
    assert log.prompt_tokens.tolist() == [300, 300 + 40 + 150]
    assert log.after is not None
    assert log.after.tolist() == [-1, 0]
    assert log.wait_s is not None
    assert log.wait_s.tolist() == [0.0, 0.002]
    assert log.notes == (
        "trace.jsonl: 1 calls follow an answer of their session; by their lengths these are of what is new in a turn, "
        "the text before it comes on top",
    )
    assert log.hash_ids is not None
    assert [len(ids) for ids in log.hash_ids] == [340 // 16, 510 // 16]
    assert log.hash_ids[1][: 340 // 16] == log.hash_ids[0]


def test_lengths_of_whole_prompts_as_dynamo_takes_them(tmp_path: Path) -> None:
    first = {**FIRST, "input_length": 600, "hash_ids": [1, 2]}
    second = {"session_id": "a", "delay": 500, "input_length": 1200, "output_length": 20, "hash_ids": [1, 3, 4]}
    log = read(tmp_path, first, {**first, "session_id": "b", "timestamp": 0}, second)
    assert log.prompt_tokens.tolist() == [600, 600, 1200]
    assert log.after is not None
    assert log.after.tolist() == [-1, -1, 1]  # by time: b, a, and a's second
    assert log.hash_ids == ((1, 2), (1, 2), (1, 3, 4))
    assert "of whole prompts" in log.notes[0]
