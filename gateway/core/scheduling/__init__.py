"""Scheduling: queues, turns of callers and campaigns, the pace of calls and expiries."""
