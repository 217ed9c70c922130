"""One scheduled copy of a model: time, batch and queue."""
