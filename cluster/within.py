"""A bound on work that does not keep one itself."""

from __future__ import annotations

import threading
from collections.abc import Callable


def within(seconds: float, work: Callable[[], object]) -> bool:
    """Do `work` for at most so many seconds; whether it was done. What is late goes on in a daemon thread."""
    # The SDK's own timeouts are not kept; a daemon thread is what can be left behind.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
