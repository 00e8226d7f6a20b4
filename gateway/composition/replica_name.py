"""The name of this replica, in a module of its own: also a gateway without a fleet has one."""

import re
import socket

from gateway.settings import Settings


def replica_name(settings: Settings) -> str:
    """Return the name of this replica: as set, or that of the host, which is the pod's name in Kubernetes."""
    return settings.replica or re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:100] or "replica"
