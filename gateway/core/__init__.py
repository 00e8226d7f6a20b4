"""The pure core decides what happens to every dial request.

It does no input or output, reads no clock and has no randomness of its own: `now`, in seconds on one steadily
growing scale, and a random generator are arguments. A dial request passes through it in this order:

1. `intake` validates and admits it. A refused campaign, a replay or the forecast may answer it at once.
2. `tokens` keeps it as outstanding, under its campaign and client token.
3. `scheduling` lets it wait in a queue, and takes it when its campaign may call (`campaigns`) at the pace of
   the account's quota (`call_permits`). `batches` forms the call; `calls_in_flight` keeps it until it ends.
4. `settlement` says what the result of the call means for it: an answer, or another call.
5. `outbox` keeps the answer until the shell takes it.

The shell uses `engine` only, which calls all of them; `assembly` puts them together.
"""
