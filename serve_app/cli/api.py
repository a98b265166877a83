"""One question to the JSON API of the server that runs here (or elsewhere), asked and answered at once."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import httpx
import typer

from cluster import session
from cluster.settings import Settings
from serve_app.auth import key_file
from workflows.errors import RunError, UsageError

ServerOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        show_default="the one that `up` runs here",
        help="The server, for example http://127.0.0.1:8000; its key is STELLARATOR_API_KEY or the kept one.",
    ),
]

_CONNECT_SECONDS = 10.0


def server_here(settings: Settings, given: str | None) -> str | None:
    """The address of the server to be asked: the given one, or the one that runs in this state folder, or None."""
    if given is not None:
        return given.rstrip("/").removesuffix("/v1")
    running = session.running(settings)
    return running.base_url if running else None


def require_server(settings: Settings, given: str | None) -> str:
    """The same; raises `UsageError` when there is none."""
    found = server_here(settings, given)
    if found is None:
        raise UsageError(
            f"No server runs with the state folder {settings.home}. Start one with `stellarator up FILE`, which "
            "publishes the file, or name one with `--server URL`."
        )
    return found


def call(settings: Settings, server: str, method: str, path: str, body: Any = None) -> Any:
    """The answer's JSON, however long it takes.

    Raises:
        UsageError: the server says what must be put right (a status of 400 to 499).
        RunError: it cannot be reached, or failed.
    """
    try:
        with httpx.Client(
            base_url=server, timeout=httpx.Timeout(_CONNECT_SECONDS, read=None), trust_env=False
        ) as http:
            response = http.request(
                method, path, json=body, headers={"authorization": f"Bearer {_key(settings)}"}
            )
            told = response.json()
    except httpx.HTTPError as error:
        raise RunError(f"The server at {server} cannot be reached ({type(error).__name__}).") from error
    except ValueError as error:
        raise RunError(f"What answers at {server} is not Stellarator.") from error
    if response.is_success:
        return told
    message = _message(told) or f"The server answered with status {response.status_code}."
    raise UsageError(message) if response.is_client_error else RunError(message)


def _key(settings: Settings) -> str:
    file = key_file(settings)
    return settings.api_key or (file.read_text("utf-8").strip() if file.is_file() else "")


def _message(told: Any) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""
