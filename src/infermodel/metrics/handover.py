"""What requests wait for between the pool that reads their prompts and the one that decodes."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from infermodel.metrics.latency import Column, percentile
from infermodel.metrics.schema import column as _column
from infermodel.metrics.steady import Window
from infermodel.tables import LinkRecord, ServiceRecord


@dataclass(frozen=True)
class HandoverSummary:
    """Requests that arrived in the measured window and were handed over; the parts of their way in order."""

    service: str = _column("", "name of the service")
    handed_over: int = _column("requests", "arrived in the window and have come to the decoding pool")
    queue_mean_s: float = _column("s", "mean; arrival to the first step that read the prompt")
    prefill_mean_s: float = _column("s", "mean; that step to the end of the one that read the last of the prompt")
    room_mean_s: float = _column("s", "mean; from there until blocks were set aside where it decodes, if not before")
    transfer_mean_s: float = _column("s", "mean; from there until all keys and values had come")
    transfer_p99_s: float = _column("s", "percentile 99 of the same")
    join_mean_s: float = _column("s", "mean; from there to the first step of the decoding pool that worked on it")
    bytes_mean: float = _column("bytes", "that crossed for a request")
    found_share: float = _column("share", "of prompt tokens that the decoding pool found in its own cache")
    sending_use: float = _column("share", "of the time that the busiest sender's cards were in use, whole run")
    receiving_use: float = _column("share", "of the time that the busiest receiver's cards were in use, whole run")
    shared_use: float = _column("share", "of the time that what all transfers share was in use, whole run")


def handover_summary(record: ServiceRecord, window: Window) -> HandoverSummary | None:
    """Of a service of two pools; None of any other."""
    requests, link = record.requests, record.link
    if link is None:
        return None
    handover = link.handover
    kept = window.holds(requests.arrived_at) & np.isfinite(handover.joined_at)
    ready = np.fmax(handover.prefilled_at, handover.reserved_at)
    transfer_s = handover.transferred_at - ready

    def mean(values: Column) -> float:
        return float(values[kept].mean()) if kept.any() else nan

    prompts = float(requests.prompt_tokens[kept].sum())
    return HandoverSummary(
        service=record.name,
        handed_over=int(kept.sum()),
        queue_mean_s=mean(requests.first_scheduled_at - requests.arrived_at),
        prefill_mean_s=mean(handover.prefilled_at - requests.first_scheduled_at),
        room_mean_s=mean(ready - handover.prefilled_at),
        transfer_mean_s=mean(transfer_s),
        transfer_p99_s=percentile(transfer_s[kept], 99),
        join_mean_s=mean(handover.joined_at - handover.transferred_at),
        bytes_mean=mean(handover.link_bytes),
        found_share=float(handover.cached_tokens[kept].sum()) / prompts if prompts else nan,
        **uses(link, record.ended_at),
    )


def uses(link: LinkRecord, ended_at_s: float) -> dict[str, float]:
    """Shares of the run in which the parts of a link were in use."""
    busy_s = {
        "sending_use": float(link.out_busy_s.max(initial=0.0)),
        "receiving_use": float(link.in_busy_s.max(initial=0.0)),
        "shared_use": link.shared_busy_s,
    }
    return {name: min(1.0, seconds / ended_at_s) if ended_at_s else nan for name, seconds in busy_s.items()}
