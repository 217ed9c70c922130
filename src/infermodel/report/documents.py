"""The part of docs/tables.md that describes the files which only a report has."""

from __future__ import annotations

from collections.abc import Mapping

from infermodel.metrics.schema import Column, markdown
from infermodel.report.tables import PRICE_ITEMS, RARE_SCHEMAS, SCHEMAS

INTRODUCTIONS: Mapping[str, str] = {
    "capacity.csv": "One row a service with a capacity: the bracket, and what it delivers at its low end.",
    "capacity_points.csv": "One row a load that the search tried: these columns, then those of summary.csv.",
    "prices.csv": "One row a figure: service, load, item.",
    "claims.csv": "One row a claim, in the scenario's order.",
    "placement.csv": "One row a wafer of each service whose model is cut over wafers.",
    "tenants.csv": "One row a tenant of each service with rate limits; counts and times of the whole run.",
    "questions.csv": "One row a service whose requests are calls of questions; of those that arrived in the window.",
    "bands.csv": "With `run --draws`: one row an answer of a service, over draws of the uncertain constants.",
}
"""Files in the order of the document, with the sentence before their columns."""


def sections() -> str:
    """Markdown sections on the columns of these files."""
    parts = []
    for name, introduction in INTRODUCTIONS.items():
        schema = SCHEMAS.get(name) or RARE_SCHEMAS[name]
        own = schema[:5] if name == "capacity_points.csv" else schema
        parts.append(f"## {name}\n\n{introduction}\n\n{markdown(own)}\n")
        if name == "prices.csv":
            items = (Column(item, unit, meaning) for item, (unit, meaning) in PRICE_ITEMS.items())
            parts.append(markdown(items).replace("column", "item", 1) + "\n")
    return "\n".join(parts)
