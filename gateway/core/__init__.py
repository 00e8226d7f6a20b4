"""The pure core: decides what becomes of every dial request.

No input or output, no clock, no randomness of its own: `now` (seconds on one steadily growing
scale) and a random generator come in as arguments. The way of a dial request through it:
`validate` → `ledger` → `queues` → `scheduler` (with `pacing`) → a call → `settle`; `engine` is the
door through which the shell outside goes to all of them.
"""
