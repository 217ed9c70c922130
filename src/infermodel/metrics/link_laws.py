"""Laws of services whose prompts one pool reads and another decodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.statement import Law, Statement
from infermodel.tables import FINISHED, LinkRecord, ServiceRecord


def joined(link: LinkRecord) -> NDArray[np.bool_]:
    """Requests that have come to a pool which decodes what another one has read."""
    come: NDArray[np.bool_] = ~np.isnan(link.handover.joined_at)
    return come


def between_pools_s(record: ServiceRecord) -> NDArray[np.float64]:
    """Of each request, how long it was on its way to the pool that decodes after its client had the first token."""
    waits_s, link = np.zeros(len(record.requests)), record.link
    if link is not None and link.prefilled_gives_first:
        come = joined(link)
        waits_s[come] = (link.handover.joined_at - link.handover.prefilled_at)[come]
    return waits_s


def what_crosses_is_what_was_read(record: ServiceRecord) -> Iterator[Statement]:
    """The link's bytes = the blocks of the prompts that it carried, each once, and of those that failures made
    worthless; no lane is used for longer than the run. A request is read, has blocks at the destination, crosses and
    decodes, in this order."""
    requests, link, pool = record.requests, record.link, record.pools[-1]
    if link is None:
        return
    handover = link.handover
    begun, (whole, groups) = handover.link_bytes > 0, pool.kv_groups
    block = pool.kv_block_tokens
    there = handover.cached_tokens[begun] // block
    prompts = -(-(requests.prompt_tokens + handover.answer_tokens)[begun] // block)
    least, most = (count * link.block_bytes * float((prompts - there).sum()) for count in (whole, groups))
    yield Statement("bytes over the link", link.link_bytes - link.lost_bytes, least, most)
    yield Statement(
        "bytes of requests over the link", float(handover.link_bytes.sum()) + link.lost_bytes, link.link_bytes
    )
    crossed = ~np.isnan(handover.transferred_at)
    handed = ~np.isnan(handover.prefilled_at) & (requests.status == FINISHED)
    yield Statement("requests that finished without what was read for them", int(np.sum(handed & ~crossed)), 0)
    yield Statement("answers of one token that crossed", int(np.sum(crossed & (requests.output_tokens == 1))), 0)
    if not (np.any(begun & ~crossed) or link.lost_bytes):
        busy_s = float(max(link.out_busy_s.max(), link.in_busy_s.max(), link.shared_busy_s))
        yield Statement("busy seconds of a lane of the link", busy_s, 0.0, record.ended_at)
    way = (
        (requests.first_scheduled_at, handover.prefilled_at),
        (np.fmax(handover.prefilled_at, handover.reserved_at), handover.begun_at),
        (handover.begun_at, handover.transferred_at),
        (handover.transferred_at, handover.joined_at),
    )
    for number, (before, after) in enumerate(way, 1):
        yield Statement(f"requests out of order at stage {number} of their way", int(np.sum(after < before)), 0)
        yield Statement(f"requests that left out stage {number}", int(np.sum(np.isnan(before) & ~np.isnan(after))), 0)


LINK_LAWS: Mapping[str, Law] = {"what crosses = what was read": what_crosses_is_what_was_read}
"""Name of each law to its check."""
