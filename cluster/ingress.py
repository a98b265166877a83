"""Which program takes HTTP requests in: Serve's own proxy, or HAProxy in front of the replicas.

HAProxy passes requests straight to the gateway's replicas, at a seventh of the CPU for each. It is not the default, as
it binds one port of its own (its statistics) to every interface, and its restart takes half a minute.
"""

from __future__ import annotations

import socket
from pathlib import Path


def haproxy_environment(folder: Path) -> dict[str, str]:
    """What every Ray process needs for HAProxy, with its files in this folder.

    Ray's defaults are paths and ports that two clusters on one machine would share.
    """
    return {
        "STELLARATOR_INGRESS": "haproxy",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(_free_port()),
    }


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("", 0))
        port: int = bound.getsockname()[1]
        return port
