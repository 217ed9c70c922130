"""The pages say what the code says."""

from pathlib import Path

import pytest

from infermodel.fidelity import dataflow
from infermodel.pages import speculation

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    "text", [dataflow.table(), dataflow.band_table(), dataflow.bound_table(), dataflow.context_table()]
)
def test_dataflow_page(text: str) -> None:
    assert text in (DOCS / "dataflow.md").read_text()


@pytest.mark.parametrize("target", speculation.TARGETS)
def test_speculation_page(target: dataflow.PublishedSpeed) -> None:
    assert speculation.table(target) in (DOCS / "speculation.md").read_text()
