"""What an OpenAI-compatible server's refusals are in our tree, and what of its words may be shown. Pure.

Servers disagree about the shape of an error body; `detail_of` knows OpenAI's, Ollama's, FastAPI's and vLLM's. A body
may repeat the key or the prompt that it complains about, so keys are blotted out, what FastAPI repeats of the request
is left out, and the rest is cut to one short line.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from workflows.errors import (
    ContextExceeded,
    UpstreamBusy,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)

MAX_DETAIL = 300
_SECRET = re.compile(
    r"\b(?:sk|pk|rk|key|gsk|xai|hf|nvapi|csk)[-_][\w*-]{6,}"  # the prefixes that vendors give their keys
    r"|\bAIza[\w*-]{8,}"
    r"|\bBearer\s+\S+",
    re.IGNORECASE,
)
_BLOT = "[secret]"
_OVERLOADED = 529  # Anthropic's own status, also used by servers in front of it
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, _OVERLOADED}
_TIMEOUT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT}
_PASSING = {HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY}
_SPENT = re.compile(
    r"insufficient[_ ]quota|exceeded your current quota|insufficient[_ ](?:funds|credits)", re.IGNORECASE
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|(?:prompt|input) is too long"
    r"|exceeds? the (?:available|maximum) context|input token count .{0,40}exceeds|too large for model with",
    re.IGNORECASE,
)
"""How OpenAI, vLLM, llama.cpp, Anthropic, Bedrock, Gemini and Mistral say that a conversation is too long."""
_LENGTH = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
_SIGNS = (
    (re.compile(r"rate[_ ]limit|too[_ ]many", re.IGNORECASE), int(HTTPStatus.TOO_MANY_REQUESTS)),
    (re.compile(r"overloaded", re.IGNORECASE), _OVERLOADED),
    (re.compile(r"timeout|timed[_ ]out", re.IGNORECASE), int(HTTPStatus.GATEWAY_TIMEOUT)),
    (
        re.compile(r"invalid[_ ]request|context[_ ]length|bad[_ ]request", re.IGNORECASE),
        int(HTTPStatus.BAD_REQUEST),
    ),
)
"""What an error inside a stream may say of itself, for servers that give it no number."""


def from_status(
    model: str, status: int, headers: Mapping[str, str], content: bytes, secret: str | None = None
) -> UpstreamError:
    """The error behind an answer that is not 200. `secret` is the key, which must not be repeated."""
    detail = detail_of(content, secret) or _phrase(status)
    told = content.decode("utf-8", "replace")
    if _SPENT.search(told):
        return UpstreamRefused(model, detail, status)
    return of_status(model, status, detail, retry_after(headers), told)


def of_status(
    model: str, status: int, detail: str, wait: float | None = None, told: str = ""
) -> UpstreamError:
    """The error of an HTTP status. `wait` is in seconds, when the server gave it; `told` is all that it said, where that is more."""
    if status in _BUSY and not _SPENT.search(detail):
        return UpstreamBusy(model, detail, status, wait)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None:
        return UpstreamBusy(model, detail, status, wait)
    if status in _TIMEOUT:
        return UpstreamTimeout(model, detail, status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return UpstreamUnavailable(model, detail, status)
    is_too_long = status in _LENGTH and (_TOO_LONG.search(told) or _TOO_LONG.search(detail))
    return (ContextExceeded if is_too_long else UpstreamRefused)(model, detail, status)


def from_event(model: str, error: object, secret: str | None = None) -> UpstreamError:
    """The error that a server sends as an event in the middle of a stream."""
    told = error if isinstance(error, dict) else {"message": str(error)}
    return from_status(model, _status_of(told), {}, json.dumps({"error": told}).encode(), secret)


def detail_of(content: bytes, secret: str | None = None) -> str:
    """The message of an error body; empty when it has none for people."""
    text = content.decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except ValueError:
        return "" if text.lstrip().startswith("<") else safe(text, secret)
    return safe(_message(told), secret)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from ``Retry-After`` in seconds or as a date (RFC 9110, 10.2.3), or OpenAI's ``retry-after-ms``."""
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "").strip()
    if not value or (seconds := _number(value)) is not None:
        return seconds if value else None
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())


def safe(text: str, secret: str | None = None) -> str:
    """A message on one line, short, without the key or anything that looks like one."""
    if secret:
        text = text.replace(secret, _BLOT)
    line = " ".join(_SECRET.sub(_BLOT, text).split())
    return line if len(line) <= MAX_DETAIL else f"{line[:MAX_DETAIL]}..."


def _message(told: Any) -> str:
    if isinstance(told, dict):
        for key in ("error", "detail", "message", "type"):
            if told.get(key):
                return _message(told[key])
        return ""
    if isinstance(told, list):
        return "; ".join(_field_problem(item) for item in told)
    return str(told)


def _field_problem(item: Any) -> str:
    """One of FastAPI's validation problems: where and what, without the input that it repeats."""
    if not isinstance(item, dict):
        return _message(item)
    where = ".".join(str(step) for step in item.get("loc") or ())
    what = str(item.get("msg") or _message(item))
    return f"{where}: {what}" if where else what


def _status_of(told: Mapping[str, Any]) -> int:
    for key in ("code", "status", "status_code"):
        number = _number(str(told.get(key, "")))
        if number is not None and HTTPStatus.BAD_REQUEST <= number < 600:  # noqa: PLR2004  # the last HTTP class
            return int(number)
    words = " ".join(str(told.get(key, "")) for key in ("code", "type", "message"))
    return next((status for sign, status in _SIGNS if sign.search(words)), int(HTTPStatus.BAD_GATEWAY))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _phrase(status: int) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "the server redirects; set `base_url` to where it points"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "the server refused"
