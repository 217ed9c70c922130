"""A change to a scenario as `--set` would write it."""

from __future__ import annotations

import json
from typing import Any


def override_text(path: str, value: Any) -> str:
    """`path=value`, the value in YAML (of which JSON is a part).

    >>> override_text("traffic.arrivals.rate", "10 /min")
    'traffic.arrivals.rate="10 /min"'
    """
    return f"{path}={json.dumps(value, ensure_ascii=False)}"
