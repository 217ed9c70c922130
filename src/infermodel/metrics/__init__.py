"""Latencies, rates, objectives, windows and laws: everything that is derived from a simulation's record."""
