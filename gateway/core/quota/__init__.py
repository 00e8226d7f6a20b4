"""The permits of a replica of a fleet: what the shared state grants, and what the replica reports."""
