"""What a replica asks the ledger of its fleet, and what it does with the answers."""
