"""Settlement: what the result of a call means for each of its dial requests."""
