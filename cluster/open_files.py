"""How many files and sockets this process may have open: a server wants all that the system lets it have.

The usual soft limit is 1,024, for the sake of programs that use `select`; asyncio does not. Child processes inherit it.
"""

from __future__ import annotations

import resource

NO_LIMIT = 1_000_000
"""What stands for no limit at all."""


def allowed() -> int:
    """How many this process could have open, once its limit is raised."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return NO_LIMIT if hard == resource.RLIM_INFINITY else min(hard, NO_LIMIT)


def raised() -> int:
    """Raise the limit as far as the system allows; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= allowed():
        return allowed()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed(), hard))
    except (ValueError, OSError):  # macOS has another bound, which it does not tell
        return soft
    return allowed()
