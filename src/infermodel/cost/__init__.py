"""The cost engine: seconds and joules of an engine step, a pure function of model, hardware, layout and batch."""
