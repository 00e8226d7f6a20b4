"""What is wrong with files that say who may do what."""


class AccessError(ValueError):
    """A file of certificates, of the policy or of the token cannot be used.

    The text is one line that names the setting or the file, what is wrong, and the rule.

    AccessError
    +-- TokenError           the token of the admin port
    """


class TokenError(AccessError):
    """The token of the admin port cannot be used."""
