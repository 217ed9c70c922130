"""Dollars: what a fleet costs an hour, what a token costs, and what is left of its list price. Pure functions."""
