"""The part of docs/tables.md that describes the files which only a report has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infermodel.metrics.exports import REQUEST_COLUMNS, TIMELINE_COLUMNS
from infermodel.metrics.laws import LAWS
from infermodel.metrics.link_laws import LINK_LAWS
from infermodel.metrics.schema import Column, columns, markdown
from infermodel.metrics.state_laws import STATE_LAWS
from infermodel.metrics.summary import Summary
from infermodel.metrics.total import Total
from infermodel.report.tables import PRICE_ITEMS, RARE_SCHEMAS, SCHEMAS

INTRODUCTIONS: Mapping[str, str] = {
    "capacity.csv": "One row a service with a capacity: the bracket, and what it delivers at its low end.",
    "capacity_points.csv": "One row a load that the search tried: these columns, then those of summary.csv.",
    "prices.csv": "One row a figure: service, load, item.",
    "claims.csv": "One row a claim, in the scenario's order.",
    "placement.csv": "One row a wafer of each service whose model is cut over wafers.",
    "pools.csv": "One row a pool of each service that has several.",
    "handover.csv": "One row a service of two pools: what its requests wait for on their way from one to the other.",
    "tenants.csv": "One row a tenant of each service with rate limits; counts and times of the whole run.",
    "questions.csv": "One row a service whose requests are calls of questions; of those that arrived in the window.",
    "fleets.csv": "Of each service whose systems fail or whose replicas start and stop: a row for its own fleet, then "
    "one for each fixed fleet beside it.",
    "states.csv": "One row for each time that a replica of such a service stays in a state.",
    "bands.csv": "With `run --draws`: one row an answer of a service, over draws of the uncertain constants.",
}
"""Files in the order of the document, with the sentence before their columns."""


LONG: Mapping[str, Sequence[Column]] = {
    "summary": columns(Summary),
    "total": columns(Total),
    "requests": REQUEST_COLUMNS,
    "timeline": TIMELINE_COLUMNS,
}
"""Tables whose sections are written by hand, but for the columns."""


def columns_of(name: str) -> str:
    """The columns of a table of `LONG` as a Markdown table."""
    return markdown(LONG[name])


def laws() -> str:
    """Each law with what it compares, as a Markdown table."""
    return "\n".join(
        ["| law | what is compared |", "|---|---|"]
        + [
            f"| {name} | {' '.join((law.__doc__ or '').split())} |"
            for name, law in {**LAWS, **LINK_LAWS, **STATE_LAWS}.items()
        ]
    )


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
