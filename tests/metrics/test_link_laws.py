"""Laws of two pools, each with a record that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.kit.toy_models import AffineModel

from infermodel.metrics.laws import BrokenLaw, check_laws
from infermodel.metrics.link_laws import what_crosses_is_what_was_read
from infermodel.metrics.statement import TOLERANCE
from infermodel.simulation import Horizon, Limits, LinkSpec, PoolSpec, ServiceSpec, simulate
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Table, Uniform
from infermodel.workload.traffic import OpenTraffic


def sound() -> ServiceRecord:
    """Thirty requests, answers of one token among them, over a link that takes about as long as a step."""
    pools = (
        PoolSpec(AffineModel(), Limits(8, 64, 200), role="prefill"),
        PoolSpec(AffineModel(), Limits(8, 64, 200), role="decode"),
    )
    traffic = OpenTraffic(Poisson(5.0), Uniform(10, 60), Table((1, 8, 20)))
    link = LinkSpec(4096.0, 4096.0, first_token="prefill")
    return simulate([ServiceSpec("two pools", traffic, pools, link=link)], 1, Horizon(requests=30))[0]


def linked(record: ServiceRecord, **changes: Any) -> ServiceRecord:
    assert record.link is not None
    return replace(record, link=replace(record.link, **changes))


def handed(record: ServiceRecord, name: str, change: Callable[[Any], Any]) -> ServiceRecord:
    """The record with a column of its handovers changed."""
    assert record.link is not None
    handover = record.link.handover
    return linked(record, handover=replace(handover, **{name: change(getattr(handover, name))}))


def crossed_of_one_token(record: ServiceRecord) -> ServiceRecord:
    single = record.requests.output_tokens == 1
    assert single.any()
    return handed(record, "transferred_at", lambda at: np.where(single, record.ended_at, at))


BROKEN: dict[str, Callable[[ServiceRecord], ServiceRecord]] = {
    "bytes over the link": lambda record: linked(record, link_bytes=1e-3),
    "bytes of requests over the link": lambda record: handed(record, "link_bytes", lambda size: size * 1.001),
    "finished without what was read": lambda record: handed(record, "transferred_at", lambda at: at * np.nan),
    "answers of one token that crossed": crossed_of_one_token,
    "busy seconds of a lane": lambda record: linked(record, in_busy_s=np.array([record.ended_at * 1.01])),
    "out of order at stage 1": lambda record: handed(record, "prefilled_at", lambda at: at - 100.0),
    "out of order at stage 2": lambda record: handed(record, "reserved_at", lambda at: at + 100.0),
    "out of order at stage 3": lambda record: handed(record, "begun_at", lambda at: at + 100.0),
    "out of order at stage 4": lambda record: handed(record, "joined_at", lambda at: at - 1e-6),
    "left out stage 2": lambda record: handed(
        handed(record, "prefilled_at", lambda at: at * np.nan), "reserved_at", lambda at: at * np.nan
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_record_is_refused(what: str) -> None:
    record = sound()
    check_laws(record)
    broken = BROKEN[what](record)
    refused = [str(each) for each in what_crosses_is_what_was_read(broken) if each.deviation > TOLERANCE]
    assert any(what in each for each in refused), refused
    with pytest.raises(BrokenLaw, match="two pools breaks the law"):
        check_laws(broken)
