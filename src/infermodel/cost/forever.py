"""A number of steps or tokens that nothing comes to the end of."""

from __future__ import annotations

from typing import Final

FOREVER: Final = 1 << 40
"""More than any run has."""
