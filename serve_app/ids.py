"""Identifiers that the doors give out, ordered by time."""

from __future__ import annotations

import secrets
import time


def uuid7_hex() -> str:
    """A UUID of version 7 (RFC 9562) as 32 hex digits: 48 bits of milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    version = 0x7000 | secrets.randbits(12)
    variant = 0x8000 | secrets.randbits(14)
    return f"{milliseconds:012x}{version:04x}{variant:04x}{secrets.randbits(48):012x}"


def new_run_id() -> str:
    """An id for a new run; later runs sort after earlier ones (to the millisecond)."""
    return f"run_{uuid7_hex()}"


def new_request_id() -> str:
    """An id for a request whose client sent none."""
    return f"req_{uuid7_hex()}"
