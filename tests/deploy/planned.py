"""Names that the manifests already use and the gateway does not have yet. Both are empty once it has them."""

SETTINGS: set[str] = {
    "DIAL_GATEWAY_SHARED_STATE_" + name
    for name in (
        "PASSWORD_FILE",
        "PREFIX",
        "TIMEOUT",
        "LONGEST_OUTAGE",
        "FINGERPRINT_KEY_FILE",
        "TLS_CA_FILE",
        "TLS_CERT_FILE",
        "TLS_KEY_FILE",
    )
}
SERVICES: set[str] = set()
