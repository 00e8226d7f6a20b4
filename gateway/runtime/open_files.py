"""The limit of open files of this process: it is raised, and a part of it is kept from callers.

Each connection is an open file. Without a file to open, no call to Connect can be made and no probe answered,
and callers can hold as many connections as they like. Many systems start processes with a low limit, such as
1,024, that each process may raise.
"""

import resource

ENOUGH = 65_536
"""The limit is not raised further: each stream takes 40,000 bytes, so memory ends first."""
LARGEST = 2**31 - 2
"""The largest number of connections that gRPC takes as a limit."""


def raise_limit() -> None:
    """Raise the limit of this process to `ENOUGH`, or to what the system allows if that is less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < raised:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))


def open_files_limit() -> int:
    """Return the limit of this process, `LARGEST` if there is none."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return LARGEST if soft == resource.RLIM_INFINITY else min(soft, LARGEST)


def left_for_callers(limit: int, own: int) -> int:
    """Return how many connections callers may have if the gateway may need `own` files: half at least."""
    return max(limit - own, limit // 2, 1)
