"""A discrete-event performance model of LLM inference datacenters."""

__version__ = "0.1.0"
