"""What share of prompts is found in KV memory: cases small enough to be worked by hand, or by the engine's own list."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel

from infermodel.engine import Findable
from infermodel.formats import mooncake
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.simulation.memory.unheld import Unheld
from infermodel.tables import ServiceRecord
from infermodel.workload import trace
from infermodel.workload.arrivals import Arrivals, Offline
from infermodel.workload.lengths import Fixed
from infermodel.workload.requests import Requests
from infermodel.workload.sessions import BestOf, Chain, Pattern, SessionTraffic
from infermodel.workload.traffic import ThinkTime, TraceTraffic

LIMITS = Limits(64, 40_000, 1 << 20, prefix_caching=True)
"""As vLLM: blocks are found from when they are scheduled on, answers too."""


def asked(pattern: Pattern, question: int, arrivals: Arrivals, limits: Limits = LIMITS) -> ServiceRecord:
    traffic = SessionTraffic(arrivals, Fixed(question), pattern)
    return simulate([one_pool("s", AffineModel(), traffic, limits)], 1, Horizon())[0]


def cached_share(record: ServiceRecord) -> float:
    return float(record.requests.cached_tokens.sum() / record.requests.prompt_tokens.sum())


def test_eight_answers_at_once_read_their_prompt_once() -> None:
    # 4,000 tokens are 250 blocks. The last token is computed by everyone, and its block with it: seven find 249.
    record = asked(BestOf(8, Fixed(300)), 4000, Offline(1))
    assert record.requests.cached_tokens.tolist() == [0] + 7 * [249 * 16]
    assert cached_share(record) == pytest.approx(0.872, abs=0.001)
    # Where a block is found only once it is computed, eight that come together compute eight times.
    computed = dataclasses.replace(LIMITS, blocks_findable="computed")
    assert not asked(BestOf(8, Fixed(300)), 4000, Offline(1), computed).requests.cached_tokens.any()


@pytest.mark.parametrize(("answers", "share"), [(True, 0.900), (False, 0.788)])
def test_a_chain_finds_what_it_read_and_wrote(answers: bool, share: float) -> None:
    # Prompts of 1,000, 1,600, ... 5,200 tokens: each goes on from a prompt and an answer of 400, whose last token was
    # never computed, by 200 more.
    chain = Chain(Fixed(8), Fixed(400), Fixed(200), ThinkTime(1.0))
    limits = dataclasses.replace(LIMITS, caches_answers=answers)
    record = asked(chain, 1000, Offline(1), limits)
    before = [1000 + 600 * k + (399 if answers else 0) for k in range(7)]
    assert record.requests.cached_tokens.tolist() == [0] + [tokens // 16 * 16 for tokens in before]
    assert cached_share(record) == pytest.approx(share, abs=0.002)


def repeated(prompt_ids: Sequence[int], gap_s: float, prompt: int, answer: int) -> TraceTraffic:
    """Requests with these prompts, one every `gap_s`."""
    count = len(prompt_ids)
    nothing = np.zeros(count, np.int64)
    arrived_at, ids = np.arange(count) * gap_s, np.array(prompt_ids, np.int64)
    return TraceTraffic(Requests(arrived_at, nothing + prompt, nothing + answer, nothing, ids))


def test_answers_push_prompts_out() -> None:
    """20 prompts of 2,000 tokens at random, answers of 1,000, one after the other in 60,000 tokens of KV memory.

    The blocks of requests that have ended wait in one line, whether anybody may look for them or not: of a prompt 125
    blocks, of its answer 62 (and 7 tokens that fill no block). 3,750 blocks in all; what was given back first goes
    first, of a text its last block.
    """
    prompts = np.random.default_rng(5).integers(20, size=1500).tolist()
    model = AffineModel(kv_tokens=60_000)
    spec = one_pool("s", model, repeated(prompts, 100.0, 2000, 1000), LIMITS)
    record = simulate([spec], 1, Horizon())[0]
    line: list[tuple[int, int]] = []  # of free blocks with a name (prompt or -1, block), the next to go first
    expected = []
    for prompt in prompts:
        there = {block for kept, block in line if kept == prompt}
        found = min(next((block for block in range(125) if block not in there), 125), 124)  # the last token is computed
        expected.append(16 * found)
        line = [each for each in line if each[0] != prompt or each[1] >= found]
        nameless = 3750 - len(line) - found
        line = line[max(0, 188 - found - nameless) :]  # 2,999 tokens lie in 188 blocks
        line += [(-1, block) for block in range(186, 124, -1)] + [(prompt, block) for block in range(124, -1, -1)]
    assert record.requests.cached_tokens.tolist() == expected
    assert cached_share(record) == pytest.approx(0.765, abs=0.02)


limits = st.builds(
    Limits,
    max_sequences=st.integers(1, 8),
    max_batched_tokens=st.integers(8, 60),
    max_context=st.just(1 << 20),
    prefix_caching=st.just(True),
    blocks_findable=st.sampled_from(get_args(Findable)),
    caches_answers=st.booleans(),
    schedules_ahead=st.booleans(),
    reserves_output=st.booleans(),
)
texts = st.lists(
    st.tuples(
        st.integers(0, 30),  # arrives so many quarters of a step after the one before
        st.lists(st.integers(0, 2), max_size=12),  # names of its blocks, given what came before
        st.integers(1, 30),
        st.integers(1, 30),
    ),
    min_size=1,
    max_size=40,
)


def requests_of(drawn: Sequence[tuple[int, list[int], int, int]], block: int) -> Requests:
    """Requests whose texts of blocks may begin alike, and part anywhere, within prompts or answers."""
    names: dict[tuple[int, ...], int] = {}
    hashes = []
    for _, branches, prompt, answer in drawn:
        whole = tuple(branches)[: (prompt + answer) // block]
        hashes.append(tuple(names.setdefault(whole[: i + 1], len(names)) for i in range(len(whole))))
    gaps, _, prompts, answers = zip(*drawn, strict=True)
    count = len(drawn)
    return Requests(
        np.cumsum(np.array(gaps) * 0.25 * BASE),
        np.array(prompts),
        np.array(answers),
        np.zeros(count, np.int64),
        np.full(count, -1, np.int64),
        tuple(hashes),
        block,
    )


BASE = 2.0**-6


@settings(max_examples=200, deadline=None)
@given(texts, limits, st.integers(15, 40), st.sampled_from([2, 4, 8]), st.integers(1, 2))
def test_leaps_equal_steps_by_every_rule(
    drawn: Sequence[tuple[int, list[int], int, int]], limits: Limits, blocks: int, name_tokens: int, replicas: int
) -> None:
    model = AffineModel(BASE, 2.0**-10, 2.0**-20, 2.0**-14, kv_tokens=blocks * 4, block_tokens=4)
    traffic = TraceTraffic(requests_of(drawn, name_tokens))
    spec = one_pool("s", model, traffic, limits, replicas)
    leap, every = (simulate([spec], 1, Horizon(), stepping=stepping)[0] for stepping in ("leap", "every"))
    for column in dataclasses.fields(leap.requests):
        np.testing.assert_array_equal(getattr(leap.requests, column.name), getattr(every.requests, column.name))
    assert (leap.requests.cached_tokens < leap.requests.prompt_tokens).all()
    assert not leap.replica_totals["kv_blocks_left"].any()


@settings(max_examples=60, deadline=None)
@given(texts, limits, st.integers(40, 60))
def test_prompts_that_share_nothing_cost_what_they_cost_without_a_cache(
    drawn: Sequence[tuple[int, list[int], int, int]], limits: Limits, blocks: int
) -> None:
    """To the bit, as long as nobody gives way: who does finds its own blocks again."""
    drawn = [(gap, [], prompt, answer) for gap, _, prompt, answer in drawn]
    model = AffineModel(BASE, 2.0**-10, 2.0**-20, 2.0**-14, kv_tokens=blocks * 16, block_tokens=4)
    requests = dataclasses.replace(requests_of(drawn, 4), block_hashes=None, hash_block_tokens=0)
    records = [
        simulate([one_pool("s", model, TraceTraffic(requests), each)], 1, Horizon())[0]
        for each in (limits, dataclasses.replace(limits, prefix_caching=False))
    ]
    if not records[1].requests.preemptions.any():
        np.testing.assert_array_equal(*[each.requests.last_token_at for each in records])
        assert not records[0].requests.cached_tokens.any()


def test_a_service_that_nobody_shares_keeps_one_entry_for_all_that_has_ended() -> None:
    """What nobody looks for joins what lies beside it in the line: 300 requests leave one run of blocks."""
    unheld = Unheld()
    for _ in range(300):
        unheld.append_nameless(7)
    assert unheld.first().end == 300 * 7
    assert unheld.first().after.after is unheld.first()


@pytest.mark.skipif("INFERMODEL_TRACES" not in os.environ, reason="needs the Mooncake traces")
def test_an_unbounded_cache_hits_as_often_as_the_hour_of_conversations_says() -> None:
    """36.6 % of the file's blocks were there before, each of them from the prompt's beginning on; played, as many are
    found but for those that hold a last token or are not full.
    """
    log = mooncake.read(Path(os.environ["INFERMODEL_TRACES"]) / "mooncake_fast25_conversation.jsonl.gz")
    assert log.hash_ids is not None
    written, expected = set[int](), 0
    for ids, prompt in zip(log.hash_ids, log.prompt_tokens.tolist(), strict=True):
        expected += len(list(takewhile(written.__contains__, ids[: (prompt - 1) // 512])))
        written.update(ids[: prompt // 512])
    requests = trace.requests_of(log)
    alone = dataclasses.replace(requests, output_tokens=np.ones_like(requests.output_tokens))
    model = AffineModel(1e-6, kv_tokens=512 * 400_000, block_tokens=512)
    limits = Limits(64, 1 << 20, 1 << 20, prefix_caching=True)
    (record,) = simulate([one_pool("s", model, TraceTraffic(alone), limits)], 1, Horizon())
    found = int(record.requests.cached_tokens.sum()) // 512
    assert found == expected
    assert found / sum(map(len, log.hash_ids)) == pytest.approx(0.366, abs=0.0005)
