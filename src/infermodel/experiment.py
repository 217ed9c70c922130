"""From a resolved scenario to its result."""
