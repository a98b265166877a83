"""Whose life is it? Names for the cluster's session and for the processes in it that drive runs.

A session is one life of a cluster's control store: whoever finds the same name there belongs together. A driver is named
after its session, so that a later one can tell its own processes from those of a session that is gone for good.
"""

from __future__ import annotations

import secrets
from typing import Any

import ray
from ray.experimental import internal_kv

_NAMESPACE = b"stellarator"


def open_session(seat: str = "") -> str:
    """The session's name, given to it by whoever comes first.

    `seat` is a place where only one session can be at a time (a state folder of this machine, which is locked), and begins
    the name: all others whose names begin so are over.
    """
    return agreed("session", f"{seat}.{secrets.token_hex(6)}")


def agreed(what: str, proposal: str) -> str:
    """What the processes of this session agree on: the proposal of whoever came first."""
    kv: Any = internal_kv
    key, value = what.encode(), proposal.encode()
    kv._internal_kv_put(key, value, overwrite=False, namespace=_NAMESPACE)  # noqa: SLF001  # Ray has no public one
    found: bytes = kv._internal_kv_get(key, namespace=_NAMESPACE)  # noqa: SLF001  # as above
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
