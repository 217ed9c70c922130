"""What a log says of its requests, played: tokens that need not be computed, and whose keys they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel

from infermodel.metrics.laws import check_laws
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.tables import FINISHED, ServiceRecord
from infermodel.workload.quotas import RateLimit, RateLimits, Tenant
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import TraceTraffic


def log(
    at: list[float],
    prompts: list[int],
    outputs: list[int],
    cached: list[int] | None = None,
    key: list[int] | None = None,
) -> TraceTraffic:
    nothing = np.zeros(len(at), dtype=np.int64)
    known, keys = (None if each is None else np.array(each) for each in (cached, key))
    columns = (np.array(at), np.array(prompts), np.array(outputs), nothing, nothing - 1)
    return TraceTraffic(Requests(*columns, cached_tokens=known, key=keys))


def served(traffic: TraceTraffic, model: AffineModel, **changes: Any) -> ServiceRecord:
    limits = changes.pop("limits", Limits(64, 100_000, 8192, prefix_caching=False))
    spec = one_pool("s", model, traffic, limits, **changes)
    (record,) = simulate([spec], 1, Horizon())
    check_laws(record)
    return record


@pytest.mark.parametrize("caching", [False, True])
def test_what_was_cached_is_not_computed(caching: bool) -> None:
    # 1 ms a token of prompt. Of 60 cached tokens three blocks of 16 are whole; of a prompt that is cached whole the
    # last token is computed, so five blocks of 96 tokens are found.
    model = AffineModel(base_s=0.0, per_prompt_token_s=1e-3)
    traffic = log([0.0, 10.0, 20.0], [100, 100, 96], [1, 1, 1], cached=[0, 60, 96])
    record = served(traffic, model, limits=Limits(64, 100_000, 8192, prefix_caching=caching))
    took_s = record.requests.first_token_at - record.requests.arrived_at
    assert took_s == pytest.approx([0.100, 0.100 - 0.048, 0.096 - 0.080])
    assert record.requests.cached_tokens.tolist() == [0, 48, 80]


def test_it_takes_memory_all_the_same() -> None:
    # Eight blocks of 16: two prompts of 64 tokens with answers of 1 fill them, however much of them was cached.
    model = AffineModel(kv_tokens=16 * 8)
    traffic = log([0.0, 0.0, 0.0], [64, 64, 64], [1, 1, 1], cached=[48, 48, 48])
    record = served(traffic, model)
    assert record.requests.first_scheduled_at.tolist() == [0.0, 0.0, 0.010]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 120), st.integers(1, 60), st.integers(0, 120)), min_size=1,
             max_size=25),
    st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_scarce_memory_breaks_no_law(asked: list[tuple[float, int, int, int]], caching: bool, ahead: bool) -> None:
    """Sequences give way and come back; each ends, and nothing is held at the end."""
    at, prompts, outputs, cached = (list(column) for column in zip(*sorted(asked), strict=True))
    known = [min(a, b) for a, b in zip(cached, prompts, strict=True)]
    limits = Limits(16, 64, 8192, prefix_caching=caching, schedules_ahead=ahead)
    record = served(log(at, prompts, outputs, cached=known), AffineModel(kv_tokens=16 * 14), limits=limits)
    assert (record.requests.status == FINISHED).all()
    assert (record.requests.cached_tokens <= known).all()
    assert record.replica_totals["kv_blocks_left"].tolist() == [0.0]


def test_requests_are_charged_to_the_keys_that_they_had() -> None:
    # Two keys of `free` may send one request a minute each, `paying` what it likes.
    limits = RateLimits((Tenant("paying"), Tenant("free", keys=2, limits=(RateLimit(60, requests=1),))))
    keys = [1, 1, 2, 0, 0, 0]
    record = served(log([0.0] * 6, [10] * 6, [1] * 6, key=keys), AffineModel(), rate_limits=limits)
    assert record.requests.admitted_at.tolist() == [0.0, 60.0, 0.0, 0.0, 0.0, 0.0]
    paying, free = record.tenants
    assert paying.requests.tolist() == [3, 4, 5]
    assert free.requests.tolist() == [0, 1, 2]
    assert free.tokens_of_keys.tolist() == [22, 11]
    assert free.refusals == 1
