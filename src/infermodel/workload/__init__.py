"""What clients ask for: arrival processes, token lengths and traces, as columns of requests."""
