"""What operators see and do: snapshots, monitoring, the console, and hold, release and purge."""
