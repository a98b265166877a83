"""Whose life is it? Names for the cluster's session and for the processes in it that drive runs.

A session is one life of a cluster's control store: whoever finds the same name there belongs together. A driver is named
after its session, so that a later one can tell its own processes from those of a session that is gone for good.
"""

from __future__ import annotations

import secrets
from typing import Any

import ray
from ray.experimental import internal_kv

_KEY = b"session"
_NAMESPACE = b"stellarator"


def open_session(seat: str = "") -> str:
    """The session's name, given to it by whoever comes first.

    `seat` is a place where only one session can be at a time (a state folder of this machine, which is locked), and begins
    the name: all others whose names begin so are over.
    """
    kv: Any = internal_kv
    name = f"{seat}.{secrets.token_hex(6)}".encode()
    kv._internal_kv_put(_KEY, name, overwrite=False, namespace=_NAMESPACE)  # noqa: SLF001  # Ray has no public one
    found: bytes = kv._internal_kv_get(_KEY, namespace=_NAMESPACE)  # noqa: SLF001  # as above
    return found.decode()


def new_driver() -> str:
    """A name for this process as one that drives runs."""
    return named_driver(secrets.token_hex(6))


def named_driver(name: str) -> str:
    """The name of a driver that keeps it however often its process is restarted."""
    return f"{open_session()}/{name}"


def is_restarted() -> bool:
    """Whether the actor that asks has died before and is in another life."""
    context: Any = ray.get_runtime_context()
    return bool(context.was_current_actor_reconstructed)
