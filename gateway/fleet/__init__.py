"""A replica's part in its fleet: beats, claims of tokens, operators' actions, and suppressed numbers."""
