"""Tests judge results, not the clock: on a busy machine any case may take long."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
