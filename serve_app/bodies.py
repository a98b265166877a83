"""JSON as the doors write it."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


def compact(value: Any) -> str:
    """JSON on one line and in ASCII: safe for any text of a model, even half a surrogate pair, which UTF-8 is not."""
    return json.dumps(value, separators=(",", ":"))


class Json(JSONResponse):
    """A JSON response in that form."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return compact(content).encode()
