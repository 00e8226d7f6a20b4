"""Lawful calling: what is known about phone numbers, and calling hours in their time zones."""
