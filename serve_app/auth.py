"""The one key that opens the doors: made once, kept in the state folder, compared in constant time."""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from cluster.settings import Settings
from workflows.errors import SetupInvalid

_BEARER = b"bearer "


def presented_keys(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Every key in these raw headers: OpenAI's clients send a bearer token, Anthropic's ``x-api-key``."""
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
            yield value[len(_BEARER) :].strip()


def is_authorized(headers: Iterable[tuple[bytes, bytes]], key: str) -> bool:
    """Whether one of the keys in these raw headers is `key`."""
    expected = key.encode()
    return any(hmac.compare_digest(presented, expected) for presented in presented_keys(headers))


def key_file(settings: Settings) -> Path:
    """Where the server keeps its key."""
    return settings.home / "api-key"


def known_key(settings: Settings) -> str:
    """The key that a server with these settings opens to; empty when none was made yet."""
    file = key_file(settings)
    return settings.api_key or (file.read_text("utf-8").strip() if file.is_file() else "")


def ensure_key(path: Path, given: str | None) -> tuple[str, bool]:
    """The server's key and whether it was made just now.

    `given` wins and is not stored. Otherwise the key in the file at `path`, which is made when it is missing
    and is readable by its owner only. Two servers that start at once agree on one key.

    Raises:
        SetupInvalid: the key cannot be sent in a header, or the file cannot be read or written.
    """
    if given is not None:
        return _checked(given.strip(), "The given API key"), False
    try:
        is_new = _store(path, f"sk-stellarator-{secrets.token_urlsafe(32)}")
        path.chmod(0o600)
        key = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupInvalid(f"The API key in {path} cannot be read or written: {error}") from error
    return _checked(key, f"The API key in {path}"), is_new


def _store(path: Path, key: str) -> bool:
    """Put `key` there unless there is a file already; never a moment in which the file is half written."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".key-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(key + "\n")
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        Path(draft).unlink()
    return True


def _checked(key: str, whose: str) -> str:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise SetupInvalid(f"{whose} must be one word of printable ASCII characters.")
    return key
