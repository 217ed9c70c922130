"""What the clients of an API with rate limits see, by tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.latency import Column, percentile
from infermodel.metrics.objectives import Objective, evaluate, judged_columns, meets_all
from infermodel.metrics.schema import column as _column
from infermodel.metrics.steady import Window
from infermodel.tables import FINISHED, REJECTED, ServiceRecord, TenantRecord


@dataclass(frozen=True)
class TenantSummary:
    """Counts and times are of the whole run, rates and what is kept of the objectives of the measured window."""

    service: str = _column("", "name of the service")
    tenant: str = _column("", "name of the tenant")
    keys: int = _column("", "that the tenant has")
    sent: int = _column("requests", "that its clients wanted answered")
    finished: int = _column("requests", "of those, finished")
    rejected: int = _column("requests", "of those, given up: too large for a bucket, or the client does not back off")
    waiting: int = _column("requests", "of those, still waiting at their clients at the end")
    refusals: int = _column("", "attempts that were told to come later, or never")
    rpm: float = _column(
        "requests/min",
        "of all its keys: its part of the service's rate where the fleet keeps up, else finished inside the window",
    )
    tpm: float = _column("tokens/min", "input and output tokens of those")
    tpm_per_key: float = _column("tokens/min", "tpm / keys")
    charged_tokens: int = _column("tokens", "taken from the buckets of all its keys: prompts and requested output")
    charged_tokens_most: int = _column("tokens", "taken from the buckets of the key that took most")
    wait_p50_s: float = _column("s", "percentile 50; from the first attempt until admitted")
    wait_p99_s: float = _column("s", "percentile 99; from the first attempt until admitted")
    e2e_p50_s: float = _column("s", "percentile 50; from the first attempt to the end of the answer")
    makespan_s: float = _column("s", "from its first request to the end of its last answer; NaN if not all finished")
    ttft_p99_s: float = _column("s", "percentile 99; of its requests that arrive in the window")
    tpot_p99_s: float = _column("s", "percentile 99; of the same")
    attainment: float = _column("share", "share of the same that keep every limit of the tenant's objectives")
    missed: str = _column("", "its objectives that are not met")


def tenant_summaries(
    record: ServiceRecord, window: Window, promised: Sequence[tuple[Objective, ...]], rpm: float = nan
) -> tuple[TenantSummary, ...]:
    """A row for each tenant of a service, none where it has no rate limits.

    Args:
        record, window: of the run.
        promised: objectives of each tenant.
        rpm: of the service where the fleet keeps up: of those that came in the window and are answered, each tenant has
            its part. NaN: what finishes inside the window is counted.
    """
    table, minutes = record.requests, window.seconds / 60
    counted = (table.status == FINISHED) & window.holds(table.arrived_at if isfinite(rpm) else table.finished_at)
    if isfinite(rpm) and rpm > 0 and counted.any():
        minutes = float(counted.sum()) / rpm
    if not record.tenants:
        return ()
    arrived, judged = np.flatnonzero(window.holds(table.arrived_at)), judged_columns(record, window)
    found = []
    for tenant, own in zip(record.tenants, promised, strict=True):
        mine = np.isin(arrived, tenant.requests)
        columns = {metric: values[mine] for metric, values in judged.items()}
        found.append(_summary(record, tenant, counted, minutes, columns, own))
    return tuple(found)


def _summary(
    record: ServiceRecord,
    tenant: TenantRecord,
    counted: NDArray[np.bool_],
    minutes: float,
    columns: Mapping[str, Column],
    promised: tuple[Objective, ...],
) -> TenantSummary:
    table, verdicts, kept = record.requests, evaluate(record, columns, promised), meets_all(columns, promised)
    mine = tenant.requests
    status, arrived_at = table.status[mine], table.arrived_at[mine]
    finished, inside = status == FINISHED, counted[mine]
    tokens = (table.prompt_tokens[mine] + table.output_tokens[mine])[inside].sum()
    waits_s = np.nan_to_num(table.admitted_at[mine] - arrived_at, nan=inf)[status != REJECTED]
    ends_s = np.nan_to_num(table.finished_at[mine] - arrived_at, nan=inf)[status != REJECTED]
    whole = len(mine) > 0 and bool(finished.all())
    return TenantSummary(
        service=record.name,
        tenant=tenant.name,
        keys=tenant.keys,
        sent=len(mine),
        finished=int(finished.sum()),
        rejected=int((status == REJECTED).sum()),
        waiting=tenant.waiting,
        refusals=tenant.refusals,
        rpm=float(inside.sum() / minutes),
        tpm=float(tokens / minutes),
        tpm_per_key=float(tokens / minutes / tenant.keys),
        charged_tokens=int(tenant.tokens_of_keys.sum()),
        charged_tokens_most=int(tenant.tokens_of_keys.max()),
        wait_p50_s=percentile(waits_s, 50),
        wait_p99_s=percentile(waits_s, 99),
        e2e_p50_s=percentile(ends_s, 50),
        makespan_s=float(table.finished_at[mine].max() - arrived_at.min()) if whole else nan,
        ttft_p99_s=percentile(columns["ttft"], 99),
        tpot_p99_s=percentile(columns["tpot"], 99),
        attainment=float(kept.mean()) if len(kept) else nan,
        missed=" ".join(each.objective.name for each in verdicts if not each.met),
    )
