"""Dollars: annuity, power, price per token."""
