"""The logic of the scripts as plain Python, over data in memory, for simulations, tests and benchmarks."""
