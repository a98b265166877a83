"""Ports, looked at before anything is started: an error now costs a second, later it costs a whole start."""

from __future__ import annotations

import errno
import socket

from workflows.errors import SetupInvalid


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
