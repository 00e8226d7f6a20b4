"""Names that the manifests use already and the gateway does not know yet. Empty both when it does."""

SETTINGS: set[str] = set()
SERVICES: set[str] = set()
