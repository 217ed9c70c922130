"""What clients ask for, as columns of requests (arrival processes, token lengths, traces), and how much they may."""
