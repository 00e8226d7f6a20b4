"""What is wrong with files that say who may do what."""


class AccessError(ValueError):
    """A file with certificates, the policy or the token cannot be used.

    The text is one line that names the setting or the file, the problem, and the rule.

        AccessError
        +-- TokenError           the token of the admin port
        +-- KeyPairError         certificate, key, or CA of client certificates
        +-- PolicyError          the policy
        +-- CampaignFileError    the names and tags of campaigns
        +-- GuardFileError       the rules of the guard (gateway.compliance.errors)
        +-- SuppressionListError a list of numbers that must not be called (there, too)
        +-- StillChangingError   a file that somebody may still be writing
    """


class TokenError(AccessError):
    """The token of the admin port cannot be used."""


class KeyPairError(AccessError):
    """The certificate, its key or the authority of callers cannot be used."""


class PolicyError(AccessError):
    """The policy cannot be used. The text names the path of the wrong entry, such as `callers[2].dial[0]`."""


class CampaignFileError(AccessError):
    """The campaign directory cannot be read from its file. The text names the path of the wrong entry."""


class StillChangingError(AccessError):
    """A file was changed a moment ago, so it may not be complete. It is read again soon."""
