"""The messages of the contract and the model of the core, and the conversions between them."""
