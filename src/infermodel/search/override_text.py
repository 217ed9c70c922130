"""A change to a scenario as `--set` would write it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def override_text(path: str, value: Any) -> str:
    """`path=value`, the value in YAML (of which JSON is a part).

    >>> override_text("traffic.arrivals.rate", "10 /min")
    'traffic.arrivals.rate="10 /min"'

    Raises:
        TypeError: the value is none that YAML has.
    """
    return f"{path}={json.dumps(value, ensure_ascii=False, default=_plain)}"


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a scenario cannot hold a {type(value).__name__}")
