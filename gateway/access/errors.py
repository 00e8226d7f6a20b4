"""What is wrong with files that say who may do what."""


class AccessError(ValueError):
    """A file of certificates, of the policy or of the token cannot be used.

    The text is one line that names the setting or the file, what is wrong, and the rule.

    AccessError
    +-- TokenError           the token of the admin port
    +-- PairError            certificate, key, or the authority of callers
    +-- PolicyError          the policy
    """


class TokenError(AccessError):
    """The token of the admin port cannot be used."""


class PairError(AccessError):
    """The certificate, its key or the authority of callers cannot be used."""


class PolicyError(AccessError):
    """The policy cannot be used; the text names the path of what is wrong in it, `callers[2].dial[0]`."""
