"""Read-only views of the core for operators and metrics."""
