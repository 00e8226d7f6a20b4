"""The state that the replicas of a fleet share: the port, its rules in plain Python, and the engines."""
