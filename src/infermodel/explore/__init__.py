"""A page on which a planner turns the numbers of a scenario, and the program answers; and a sweep as one file."""
