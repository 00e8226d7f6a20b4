"""Access control: operators, certificates, identities and the policy.

Decisions are pure functions of facts. Only `files` reads the disk, and only the modules named in
pyproject.toml use cryptography and YAML. Nothing here uses gRPC or HTTP.
"""
