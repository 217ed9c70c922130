"""docs/python.ipynb runs from its first cell to its last, and comes to what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

NOTEBOOK = Path(__file__).parents[2] / "docs" / "python.ipynb"


def test_the_notebook_runs() -> None:
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # they would be an older program's
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert names["found"].table("capacity").low[0] > 0
    assert isinstance(names["pictures"]["latency"], Figure)
    slow, fast = names["runs"]
    assert slow.summary.rpm[0] < fast.summary.rpm[0]
