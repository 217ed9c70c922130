"""What a ring could carry, by hand, and how far its uncertain constants take that."""

from __future__ import annotations

from pathlib import Path

import pytest

from infermodel.claims.price import ROOM_AND_SLOTS, carried_rps, with_ends
from infermodel.scenario import load, resolve

LAUNCH = Path(__file__).parents[2] / "scenarios" / "cerebras_launch.yaml"


def test_memory_binds_70b_on_four_wafers_and_slots_bind_8b() -> None:
    services = {each.name: each for each in resolve(load(LAUNCH)).services}
    large, small = services["CS-3, 70B"], services["CS-3, 8B"]
    # 16,992 tokens hold 14 requests of 1,200; each takes 300 rounds of the latency at 1,050 tokens of context.
    latency_s = large.pool.step_model.token_latency_s(1050, 14)
    assert carried_rps(large, large.pool.system, 900, 300) == pytest.approx(14 / (300 * latency_s))
    # 162,800 tokens hold more than the 33 slots of 8B: 1,200 slots a request, one after the other.
    slot_s = small.pool.step_model.slot_s(1050)
    assert carried_rps(small, small.pool.system, 900, 300) == pytest.approx(1 / (1200 * slot_s))
    # With five prompt tokens a slot it is 300 + 900 / 5 = 480 slots.
    best = with_ends(small.pool.system, ROOM_AND_SLOTS)
    assert carried_rps(small, best, 900, 300) == pytest.approx(1 / (480 * slot_s))
