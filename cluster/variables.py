"""What an environment variable's text means: words, numbers, choices, files, addresses.

Each function gets the environment as a mapping and the variable's name, and says in its `SetupError` which variable to
mend, and how. Reading the process' own environment is `cluster.settings`' business alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cluster.errors import SetupError


def private_folder(path: Path, variable: str) -> Path:
    """The folder, created with mode 0700 when it is missing."""
    # A folder that is already there keeps its mode: it may be one that the user shares on purpose.
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"The folder {path} cannot be created ({error.strerror}). Set {variable} to a folder that you may write."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise SetupError(f"The folder {path} cannot be written. Set {variable} to one that you may write.")
    return path


def existing_file(env: Mapping[str, str], name: str) -> Path | None:
    """The file that the variable names, absolute; None when it is unset."""
    given = text(env, name)
    if given is None:
        return None
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise SetupError(f"{name} is `{given}`, which is not a file. Set it to the file, or unset it.")
    return path


def web_address(env: Mapping[str, str], name: str) -> str:
    """An http(s) address without a slash at the end; empty when it is unset."""
    given = text(env, name) or ""
    if given and not given.startswith(("http://", "https://")):
        raise SetupError(f"{name} is `{given}`; set it to an address that begins with http:// or https://.")
    return given.rstrip("/")


def text(env: Mapping[str, str], name: str) -> str | None:
    """The variable's text without space around it; None when it is unset or empty."""
    return env.get(name, "").strip() or None


def either(env: Mapping[str, str], first: str, second: str) -> str:
    """The text of the first of two variables that is set; empty without any."""
    return text(env, first) or text(env, second) or ""


def yes(env: Mapping[str, str], name: str) -> bool:
    """Whether the variable says yes, in any of the usual ways."""
    return env.get(name, "").strip().lower() in {"1", "true", "yes", "on"}


def choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    """The allowed word that the variable has, in whatever case."""
    value = text(env, name) or default
    match = next((word for word in allowed if word.lower() == value.lower()), None)
    if match is None:
        raise SetupError(f"{name} is `{value}`; set it to one of {', '.join(allowed)}, or unset it.")
    return match


def number(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number between two bounds, both included."""
    given = text(env, name)
    if given is None:
        return default
    try:
        value = int(given)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise SetupError(f"{name} is `{given}`; set it to a whole number from {low} to {high}, or unset it.")
    return value
