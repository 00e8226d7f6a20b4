"""Names that the manifests already use and the gateway does not have yet. Both are empty once it has them."""

SETTINGS: set[str] = set()
SERVICES: set[str] = set()
