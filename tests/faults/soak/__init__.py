"""Mixed load for a chosen time, with faults, restarts and changing callers."""
