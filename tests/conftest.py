"""Tests judge results, not the clock: on a busy machine any case may take long. `make test` draws the same cases each
time, so that a change is judged and not the luck of a draw; `make test-slow` draws others every time. Plain Python is
judged, whether or not the inner loops have been compiled; a test of its own compares them.
"""

import os

from hypothesis import settings

settings.register_profile("alike", deadline=None, derandomize=True)
settings.register_profile("exploring", deadline=None)
settings.load_profile("alike")

os.environ.setdefault("INFERMODEL_PLAIN", "1")
