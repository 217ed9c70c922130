"""Tests, by package; what several of them share is in `kit`."""
