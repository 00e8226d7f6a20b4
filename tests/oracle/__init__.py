"""One oracle for the engine: every promise of the core is stated once, and checked at every step.

The state machine (`tests/unit/core/test_engine_machine.py`) and the simulation (`tests/simulation`) drive an
`ObservedEngine`, which passes all that goes in and comes out to the `Oracle`. Where each promise is stated:

1. Exactly one answer per request, shared by all who joined it, and true: `answers`.
2. Valid calls only: `oracle` (`Oracle.called`).
3. No late sends, whatever delays a call: `oracle` (`Oracle.check_may_send`, `Oracle.leaves`).
4. Idempotent by token: `tokens`.
5. The quota is never exceeded, and never wasted: `quota`; full calls: `oracle`; nothing due is left: `rest`.
6. Fair turns of callers, campaigns and priorities: `fairness`.
7. Memory is counted to the byte, and bounded: `rest`.
8. Callers that leave, withdraw or end their streams: `answers`.
9. A gateway that leaves answers everybody: `oracle`, `rest`.
11. Holds and purges take effect at once, and calls in flight are revoked: `oracle`.

Campaigns that do not flow are followed by `flow`, and what callers are told of them by `notices`. `records`
keeps what is outstanding.
"""
