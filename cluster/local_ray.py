"""A Ray for one machine: only the processes that runs need, on loopback, behind a token, and quiet.

`ray.init` alone starts a dashboard, an autoscaler and a log reader besides, opens ports on every interface, and
takes twice as long (cluster/README.md has the figures). Ray has no options for that, so this module replaces
some of its private functions while it starts. Each replacement is one entry of `_REPLACED`; a Ray release
without that function fails in tests/cluster/test_local_ray.py, by name.

Whoever wants Ray's dashboard starts a cluster with `ray start --head --include-dashboard=true` and joins it.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cluster import open_files, processes
from cluster.errors import SetupError
from cluster.roles import LOCAL_CPUS, NAMESPACE
from cluster.settings import Settings
from cluster.signals import uninterrupted

OBJECT_STORE_BYTES: Final = 128 * 1024 * 1024  # messages are small; Ray's default is 30 % of the memory
RAY_FOLDER: Final = "r"
"""In the session's folder; Ray opens its own folder to everybody, so that it has to lie in a private one."""
LONGEST_FOLDER: Final = (103 if sys.platform == "darwin" else 107) - len(
    f"/{RAY_FOLDER}/session_2026-11-22_20-00-00_123456_4194304/sockets/plasma_store"
)
"""Of the folder given to `started`, in bytes: the kernel bounds the length of a socket's path."""

KNOCK_S: Final = 5.0
STOP_S: Final = 60.0
"""How long Ray's own end may take, before its processes are ended from outside: it has no bound. Serve's has one."""

_log = logging.getLogger(__name__)


@contextmanager
def started(folder: Path, metrics_port: int | None = None) -> Iterator[str]:
    """A local Ray that keeps its files in `folder` and works there; yields its address, stops it at the end.

    With a `metrics_port` its node serves metrics to Prometheus there, on loopback.

    The environment must hold `settings.worker_environment`. Serve, when it was started, is shut down first.

    Raises:
        SetupError: Ray does not start.
    """
    import ray  # noqa: PLC0415  # Ray reads its environment while it is imported

    _forget_older_token()
    open_files.raised()
    with _replaced(_REPLACED if metrics_port else _REPLACED | _NO_AGENT):
        try:
            with chdir(folder):  # the folder marks Ray's processes as this session's: see cluster.processes
                ray.init(
                    address="local",
                    namespace=NAMESPACE,
                    num_cpus=max(os.cpu_count() or 1, LOCAL_CPUS),
                    object_store_memory=OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                    _temp_dir=str(folder / RAY_FOLDER),
                    _metrics_export_port=metrics_port,
                )
            hasten_serve()
            yield str(ray.get_runtime_context().gcs_address)
        except Exception as error:  # a node that is late (an overloaded machine) raises nothing narrower
            if ray.is_initialized():
                raise
            raise SetupError(
                f"Ray does not start: {error}. Its logs are in the state folder's `logs`."
            ) from error
        finally:
            _stop(folder)


@contextmanager
def joined(address: str) -> Iterator[str]:
    """A connection to a Ray that runs already; it keeps running at the end.

    Raises:
        SetupError: there is none at `address`, or it refuses the token.
    """
    import ray  # noqa: PLC0415  # see `started`

    _knock(address)
    _forget_older_token()
    with _replaced({**_JOINED, **_LOOPBACK} if address.startswith("127.") else _JOINED):
        try:
            ray.init(
                address=address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        except (
            RuntimeError,
            ConnectionError,
            OSError,
            TimeoutError,
            ray.exceptions.AuthenticationError,
        ) as error:
            raise SetupError(
                f"No Ray cluster can be joined at `{address}`: {type(error).__name__}. Check the address "
                "(`host:6379`), that the cluster runs, and that RAY_AUTH_TOKEN_PATH names its token."
            ) from error
        try:
            hasten_serve()
            yield str(ray.get_runtime_context().gcs_address)
        finally:
            ray.shutdown()


def _knock(address: str) -> None:
    # Ray itself asks for minutes before it says that nobody is there.
    host, _, port = address.rpartition(":")
    if not port.isdecimal():  # `auto`
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except OSError as error:
        raise SetupError(
            f"No Ray cluster can be joined at `{address}`: {error}. Check the address (`host:6379`) and "
            "that the cluster runs."
        ) from error


def write_token(settings: Settings) -> None:
    """Make the token that Ray's processes ask of each other, unless it is there. Mode 0600."""
    with suppress(FileExistsError):
        file = os.open(settings.ray_token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w") as out:
            out.write(secrets.token_hex(32))


def hasten_serve() -> None:
    """Make Serve's client look ten times a second, not once, whether an application is up; and quiet."""
    client = importlib.import_module("ray.serve._private.client")
    client.CLIENT_POLLING_INTERVAL_S = 0.1  # type: ignore[attr-defined]
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def _stop(folder: Path) -> None:
    import ray  # noqa: PLC0415  # see `started`
    from ray import serve  # noqa: PLC0415  # the same

    try:
        if ray.is_initialized():
            serve.shutdown()  # type: ignore[no-untyped-call]
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  # a second Ctrl-C: do not wait for requests
        _log.debug("Serve was not shut down in order: %r", error)
    finally:
        with uninterrupted(), processes.stopped_after(STOP_S, folder):
            ray.shutdown(wait_for_processes=True)


def _forget_older_token() -> None:
    """Make Ray read its token and mode again; an earlier session of this process had others."""
    raylet = importlib.import_module("ray._raylet")
    raylet.Config.initialize("")
    raylet.AuthenticationTokenLoader.instance().reset_cache()


def _no_dashboard(node: Any, **_: Any) -> None:
    """In place of starting it: say that there is none, so that the node's agent does not look for it forever."""
    constants = importlib.import_module("ray._private.ray_constants")
    node._webui_url = ""  # noqa: SLF001  # this function is a method of that class
    node.get_gcs_client().internal_kv_put(
        constants.DASHBOARD_ADDRESS.encode(), b"127.0.0.1:0", True, constants.KV_NAMESPACE_DASHBOARD
    )


def _nothing(*_: Any, **__: Any) -> None:
    """In place of starting a process that a local session has no use for."""


def _to_log(message: Mapping[str, Any], **_: Any) -> None:
    """In place of printing Ray's own messages into the middle of a program's output."""
    _log.debug("Ray: %s", " ".join(map(str, message.get("lines", ()))))


def _minimal() -> ImportError:
    """What Ray asks to know whether it is installed without its dashboard; then its agents open no HTTP ports."""
    return ImportError("Stellarator starts Ray without its dashboard")


_QUIET: Final[Mapping[str, Callable[..., Any] | int]] = {
    "ray._private.worker:print_to_stdstream": _to_log,
    # Under `uv run` Ray would upload the working directory and start every worker by another `uv run` in it.
    "ray._private.ray_constants:RAY_ENABLE_UV_RUN_RUNTIME_ENV": False,
}
_LOOPBACK: Final[Mapping[str, Callable[..., Any] | int]] = {
    # Read from the environment when Ray is imported, which may have been before the settings were applied.
    "ray._private.ray_constants:ENABLE_RAY_CLUSTER": False,
}
_NO_UV: Final[Mapping[str, Callable[..., Any] | int]] = {
    # Under `uv run` Ray packs the working folder and makes every worker's environment anew. Our workers use the
    # driver's own environment; and the folder that we start Ray in holds Ray's own files, so packing it never ends.
    "ray._private.ray_constants:RAY_ENABLE_UV_RUN_RUNTIME_ENV": False,
}
_JOINED: Final[Mapping[str, Callable[..., Any] | int]] = {
    **_QUIET,
    **_NO_UV,
    # A wrong token is as wrong the twentieth time; each takes a second and prints a line.
    "ray._private.ray_constants:NUM_REDIS_GET_RETRIES": 2,
}
_REPLACED: Final[dict[str, Callable[..., Any] | int]] = {
    **_QUIET,
    **_LOOPBACK,
    **_NO_UV,
    "ray._private.node:Node.start_api_server": _no_dashboard,
    "ray._private.node:Node.start_monitor": _nothing,
    "ray._private.node:Node.start_log_monitor": _nothing,
}
_NO_AGENT: Final[dict[str, Callable[..., Any] | int]] = {
    # The node's agent, which also serves metrics: 50 MB, and half a second of every start.
    "ray._private.utils:get_dashboard_dependency_error": _minimal,
}


@contextmanager
def _replaced(replacements: Mapping[str, Callable[..., Any] | int]) -> Iterator[None]:
    """Attributes of Ray (``module:dotted.name``) replaced; put back at the end."""
    with ExitStack() as undo:
        for path, value in replacements.items():
            module, _, dotted = path.partition(":")
            *owners, name = dotted.split(".")
            owner: Any = importlib.import_module(module)
            for part in owners:
                owner = getattr(owner, part)
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield
