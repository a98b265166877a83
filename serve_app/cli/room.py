"""Room for a server: its state folder and its port, looked at before anything is fetched, loaded or started."""

from __future__ import annotations

import errno
import socket

from cluster import session
from cluster.settings import Settings
from workflows.errors import SetupInvalid


def require_room(settings: Settings) -> None:
    """Make sure that a server could start with these settings.

    Raises:
        SetupInvalid: it could not; says why and what to do.
    """
    other = session.running(settings)
    if other is not None and settings.ray_address is None:
        raise SetupInvalid(
            f"A server runs with the state folder {settings.home} already, at {other.base_url}/v1 (process "
            f"{other.pid}). Stop it with `stellarator down`, or set STELLARATOR_HOME to another folder."
        )
    require_free(settings.host, settings.port)


def require_free(host: str, port: int) -> None:
    """Make sure that a server could listen there.

    Raises:
        SetupInvalid: it could not; says why and what to do.
    """
    try:
        _listener(host, port).close()
    except OSError as error:
        raise SetupInvalid(_explanation(host, port, error)) from error


def free_port(host: str) -> int:
    """A port on which nobody listens now."""
    with _listener(host, 0) as listener:
        port: int = listener.getsockname()[1]
        return port


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _explanation(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program. Choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} may not be used by this user. Choose one above 1023 with --port."
    return f"{host}:{port} cannot be listened on ({error.strerror or error}). Choose others with --host and --port."
