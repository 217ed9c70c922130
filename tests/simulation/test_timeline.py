"""What the timeline says of each bin, by hand: steps that last longer than a bin, and bins that grow wider."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kit.few_requests import ONE_AT_A_TIME, requests
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, one_pool, simulate
from infermodel.tables import Timeline
from infermodel.workload.traffic import TraceTraffic


def timeline(arrivals: list[float], prompts: list[int], outputs: list[int]) -> Timeline:
    """Steps of 1 s, and 1/8 s for each token of a prompt; twice as many joules as seconds. Blocks of 16 tokens."""
    traffic = TraceTraffic(requests(arrivals, prompts, outputs))
    model = AffineModel(1.0, per_prompt_token_s=1 / 8)
    return simulate([one_pool("s", model, traffic, ONE_AT_A_TIME)], 1, Horizon())[0].timeline


def test_a_long_step_is_spread_evenly_over_its_bins() -> None:
    """A prompt of 8 tokens takes 2 s and gives a token; three more take 1 s each. Bins of 1/64 s."""
    found = timeline([0.0], [8], [4])
    assert found.edges_s.tolist() == [number / 64 for number in range(5 * 64 + 1)]
    prompt, decode = np.repeat([1.0, 0.0], [128, 192]), np.repeat([0.0, 1.0], [128, 192])
    assert found.columns["prompt_tokens"] == pytest.approx(prompt * 8 / 128)
    assert found.columns["output_tokens"] == pytest.approx(prompt / 128 + decode / 64)
    assert found.columns["busy_s"] == pytest.approx(np.full(320, 1 / 64))
    assert found.columns["joules"] == pytest.approx(np.full(320, 2 / 64))
    assert found.columns["flops"] == pytest.approx(np.full(320, 3 / 64))
    assert found.columns["bytes"] == pytest.approx(np.full(320, 5 / 64))
    assert found.columns["sequence_s"] == pytest.approx(decode / 64)
    assert found.columns["bound_memory_s"] == pytest.approx(np.full(320, 1 / 64))
    assert found.columns["bound_compute_s"].tolist() == [0.0] * 320
    # The mean of the blocks held before and after a leap: 0 and 1 for the prompt, 1 and 1 until its end for the rest.
    assert found.columns["kv_block_s"] == pytest.approx(prompt * 0.5 / 64 + decode / 64)


def test_bins_grow_wider_in_a_long_run() -> None:
    """1,024 bins of 1/64 s are 16 s; the last of two requests of 2 s each ends after 32.5 s: bins of 1/16 s."""
    found = timeline([0.0, 30.5], [8, 8], [1, 1])
    assert np.diff(found.edges_s) == pytest.approx(np.full(len(found.edges_s) - 1, 1 / 16))
    busy = found.columns["busy_s"]
    assert busy[:32] == pytest.approx(np.full(32, 1 / 16))
    assert busy[32:488].tolist() == [0.0] * 456
    assert busy[488:520] == pytest.approx(np.full(32, 1 / 16))
    assert found.columns["output_tokens"][:32] == pytest.approx(np.full(32, 1 / 32))
    assert found.columns["prompt_tokens"].sum() == pytest.approx(16.0)


def test_steps_that_others_completed_before_the_end_count() -> None:
    """Two replicas; the measured request ends at 2 + 2 = 4 s. The other came at 0.5: a prompt of 2 s, a token, and one
    more by 3.5 s; its next step would end at 4.5. So its replica was busy with whole steps for 3 s.
    """
    traffic = TraceTraffic(requests([0.0, 0.5], [8, 8], [3, 10]))
    model = AffineModel(1.0, per_prompt_token_s=1 / 8)
    spec = one_pool("s", model, traffic, ONE_AT_A_TIME, replicas=2, router="round_robin")
    for stepping in ("leap", "every"):
        (record,) = simulate([spec], 1, Horizon(requests=1, drain_s=100.0), stepping=stepping)
        assert record.ended_at == 4.0
        assert record.replica_totals["output_tokens"].tolist() == [3, 2]
        assert record.replica_totals["busy_s"].tolist() == [4.0, 3.0]
        assert record.timeline.columns["output_tokens"].sum() == pytest.approx(5)
        assert record.gaps.gaps == 3
