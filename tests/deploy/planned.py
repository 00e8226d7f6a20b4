"""Names that the manifests use already and the gateway does not know yet. Empty both when it does."""

SETTINGS = {
    "DIAL_GATEWAY_POLICY",
    "DIAL_GATEWAY_TLS_CERT",
    "DIAL_GATEWAY_TLS_CLIENT_CA",
    "DIAL_GATEWAY_TLS_KEY",
    "DIAL_GATEWAY_TRUSTED_PROXIES",
}
SERVICES: set[str] = set()
