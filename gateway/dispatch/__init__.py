"""The shell around the core: it wakes the core, sends the calls it decides on, and returns the results."""
