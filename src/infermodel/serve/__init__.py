"""A server that answers as a service of a scenario would, in real time."""
