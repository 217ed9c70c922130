"""Latency fields of every load generator, for docs/results.md."""

from __future__ import annotations

from infermodel.formats.results import RESULTS


def table() -> str:
    """What each tool puts into each field and what it is taken for, as a Markdown table."""
    heading = ("tool", "field", "unit", "what the tool puts into it", "ours", "how it is taken")
    lines = [f"| {' | '.join(heading)} |", "|---|---|---|---|---|---|"]
    for tool, known in RESULTS.items():
        lines += [
            f"| {tool} | {field.name} | {field.unit} | {field.means} | {field.of.upper()} | {field.taken} |"
            for field in known.fields
        ]
    return "\n".join(lines)
