"""The pure core: decides what becomes of every dial request.

No input or output, no clock, no randomness of its own: `now` (seconds on one steadily growing
scale) and a random generator come in as arguments. The way of a dial request through it:
`validate` → `outstanding` (with the `ledger` of tokens; `refusals` and `forecast` may answer it at once)
→ `queues`, in the order of the `scheduler`, at the pace of `pacing`, as the `conditions` of its
campaign allow → a call → `settle` says what the answer means, `outcomes` does it. `engine` is the
door through which the shell outside goes to all of them.
"""
