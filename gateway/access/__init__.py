"""Who may do what: operators, certificates, identities and the policy.

Decisions are pure: facts come in, an answer goes out. `files` alone looks at the disk, and only the
modules named in pyproject.toml know cryptography and YAML. Nothing here speaks gRPC or HTTP.
"""
