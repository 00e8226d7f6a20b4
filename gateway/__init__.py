"""The dial gateway: the only service of a company that calls Amazon Connect outbound campaigns."""
