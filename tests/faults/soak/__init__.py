"""Mixed load for a chosen time, under faults, restarts and callers who come and go."""
