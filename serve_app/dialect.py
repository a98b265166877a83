"""Which family of APIs a request speaks: that decides the shape of its errors, its lists and its ids.

OpenAI's is the default. A client of Anthropic's API shows itself by the path or, where both families share a path or
there is none, by the version header that Anthropic's API demands.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

ANTHROPIC_PATH = "/v1/messages"
ANTHROPIC_VERSION_HEADER = "anthropic-version"


def path_of(scope: Scope) -> str:
    """The request's path below the route prefix, which Serve and Starlette keep in the path."""
    return str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))


def speaks_anthropic(scope: Scope) -> bool:
    """Whether the client expects the shapes of Anthropic's API."""
    path = path_of(scope)
    is_below = path == ANTHROPIC_PATH or path.startswith(f"{ANTHROPIC_PATH}/")
    return is_below or ANTHROPIC_VERSION_HEADER in Headers(scope=scope)
