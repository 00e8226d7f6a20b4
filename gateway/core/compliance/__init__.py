"""What the core does with the verdicts of the compliance guard on dial requests."""
