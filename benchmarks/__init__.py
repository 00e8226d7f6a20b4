"""The gateway beside what a service would do instead; `python -m benchmarks` runs all of it."""
