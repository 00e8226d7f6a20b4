"""The compliance guard: decides whether, and until when, a dial request may be sent.

`guard` decides with rules that `guard_file` has read: numbers, calling hours, suppression lists, contact
limits. The decisions are pure: the time is an argument, and every instant is in seconds since the epoch, UTC.
"""
