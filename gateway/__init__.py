"""Dial gateway: the one service that talks to Amazon Connect outbound campaigns."""
