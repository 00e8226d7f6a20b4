"""One replica in a fleet: its messages to the shared state, and what the core does with the replies."""
