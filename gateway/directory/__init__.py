"""The campaign directory: names and tags of Amazon Connect's campaigns, beside their ids."""
