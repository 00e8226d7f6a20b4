"""The process: clocks, memory, logs and supervision of tasks."""
