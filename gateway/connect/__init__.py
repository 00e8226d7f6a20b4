"""Amazon Connect, from the gateway's side: a port, its boto3 adapter, and the retries around it."""
