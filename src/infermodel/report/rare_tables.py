"""Tables that only some runs have, as a page shows them: which columns, what they are called, how cells are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infermodel.metrics.schema import Column
from infermodel.report.findings import Findings
from infermodel.report.human import number, seconds, share, usd, watts
from infermodel.report.palette import BOUNDS
from infermodel.report.tables import (
    RARE_SCHEMAS,
    band_rows,
    fleet_rows,
    handover_rows,
    pool_rows,
    question_rows,
    tenant_rows,
)

LEFT_TO_THE_FILE = frozenset(
    {
        "waiting",
        "tpm_per_key",
        "wait_p50_s",
        "recomputed_tokens",
        "arrived",
        "usd_per_h_outside",
        "charged_tokens",
        "charged_tokens_most",
        "e2e_p50_s",
        "kv_use_peak",
        "power_peak_w",
    }
    | {f"bound_{name}_share" for name in BOUNDS}
)
"""Columns of rare tables that a page has no room for."""


HEADS: Mapping[str, str] = {
    "serving_mean": "serving, mean",
    "serving_least": "serving, fewest",
    "serving_most": "serving, most",
    "paid_mean": "paid for, mean",
    "starts": "start-ups",
    "availability": "replicas up",
    "attainment": "within every limit",
    "makespan_s": "all done in",
    "outside": "requests outside",
    "ttft_p99_s": "TTFT p99",
    "tpot_p99_s": "TPOT p99",
    "tpm": "tokens/min",
    "rpm": "requests/min",
    "usd_per_h": "USD/h",
    "usd_per_mtok": "USD/Mtok",
    "usd_per_h_outside": "USD/h outside",
    "utilisation": "time with work",
    "mfu": "useful FLOPs of peak",
    "mbu": "useful bytes of peak",
    "prompt_tok_s": "prompt tokens/s",
    "output_tok_s": "output tokens/s",
    "running_mean": "sequences at a time",
    "kv_use_mean": "KV memory, mean",
    "power_mean_w": "power, mean",
    "found_share": "prompt tokens found there",
    "sending_use": "sender in use",
    "receiving_use": "receiver in use",
    "shared_use": "shared line in use",
    "bytes_mean": "bytes a request",
    "calls_mean": "requests a question",
    "input_tokens_mean": "input tokens a question",
    "output_tokens_mean": "output tokens a question",
}
"""What rare tables call columns on a page, unit included, where the name of the file's column is no word."""

STATISTICS = frozenset({"mean", "p50", "p95", "p99"})


def head(column: Column) -> str:
    """What a page calls a column of a rare table.

    >>> head(Column("queue_mean_s", "s", "")), head(Column("usd_per_h", "USD/h", "")), head(Column("sent", "", ""))
    ('queue, mean', 'USD/h', 'sent')
    """
    if column.name in HEADS:
        return HEADS[column.name]
    *words, last = column.name.removesuffix("_s").split("_")
    return f"{' '.join(words)}, {last}" if words and last in STATISTICS else " ".join([*words, last])


def shown(column: Column, value: Any) -> str:
    """A cell of a rare table, in the unit that fits."""
    if isinstance(value, str):
        return value
    if column.name.startswith("usd_"):
        return usd(value)
    fitting = {"s": seconds, "share": share, "W": watts}.get(column.unit, number)
    return fitting(value)


def rare_tables(findings: Findings) -> list[tuple[str, Sequence[Column], list[Mapping[str, Any]]]]:
    """Title, columns and rows of the tables that only some runs have."""
    found = [
        ("Pools at the offered load", "pools.csv", list(pool_rows(findings))),
        ("From one pool to the other, at the offered load", "handover.csv", list(handover_rows(findings))),
        ("Keys and their limits, the whole run", "tenants.csv", list(tenant_rows(findings))),
        ("Questions of several calls, at the offered load", "questions.csv", list(question_rows(findings))),
        ("Fleets that fail or scale, and fixed ones beside them", "fleets.csv", list(fleet_rows(findings))),
        ("Answers at the offered load within the uncertainty of the constants", "bands.csv", moving_bands(findings)),
    ]
    return [
        (title, [each for each in RARE_SCHEMAS[file] if each.name not in LEFT_TO_THE_FILE], rows)
        for title, file, rows in found
        if rows
    ]


def moving_bands(findings: Findings) -> list[Mapping[str, Any]]:
    """Bands of the answers that move at all with the constants."""
    return [line for line in band_rows(findings) if line["low"] != line["high"]]
