"""Client tokens: the outstanding dial requests, and the ledger of those that were settled."""
