"""What an OpenAI-compatible server's refusals and broken connections are in our tree. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from workflows.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)

MAX_DETAIL = 300
_SECRET = re.compile(r"\b(?:sk|key|pk|gsk|xai|AIza)[-_][\w-]{8,}|Bearer\s+\S+", re.IGNORECASE)
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, 529}
_TIMEOUT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT}


def from_status(model: str, status: int, headers: Mapping[str, str], content: bytes) -> UpstreamError:
    """The error behind an answer that is not 200."""
    detail = detail_of(content) or _phrase(status)
    if status in _BUSY:
        return UpstreamBusy(model, detail, status, retry_after(headers))
    if status in _TIMEOUT:
        return UpstreamTimeout(model, detail, status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UpstreamUnavailable(model, detail, status)
    return UpstreamRefused(model, detail, status)


def from_event(model: str, error: object) -> UpstreamError:
    """The error that a server sends as an event in the middle of a stream."""
    told = error if isinstance(error, dict) else {"message": str(error)}
    code = told.get("code") or told.get("status") or told.get("type")
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 500
    return from_status(model, status, {}, json.dumps({"error": told}).encode())


def detail_of(content: bytes) -> str:
    """The message of an error body, short and without anything that looks like a key."""
    try:
        told = json.loads(content)
    except ValueError:
        return safe(content.decode("utf-8", "replace")) if not content.lstrip().startswith(b"<") else ""
    return safe(_message(told))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from ``Retry-After`` in seconds or as a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _message(told: Any) -> str:
    if isinstance(told, dict):
        inner = told.get("error", told)
        if isinstance(inner, dict):
            return str(inner.get("message") or inner.get("detail") or inner.get("type") or "")
        return str(inner)
    return str(told)


def safe(text: str) -> str:
    """A message on one line, short, without anything that looks like a key."""
    line = " ".join(_SECRET.sub("[secret]", text).split())
    return line if len(line) <= MAX_DETAIL else f"{line[:MAX_DETAIL]}..."


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "the server refused"
