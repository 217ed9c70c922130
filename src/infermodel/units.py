"""Unit strings at the edge, SI floats inside."""
