"""What a replica asks of the shared state, as calls of scripts, and the replies as plain data."""
