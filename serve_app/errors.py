"""Errors as clients see them: every exception becomes a `Fault` here, and a fault becomes a response.

Three steps, each once: `fault_of` (exception -> fault, by the stable `code` of `workflows.errors`), an envelope
(fault -> the JSON of one family of APIs: the request decides which), `fault_response` (status, headers, body).
An error that nobody foresaw is logged with its type and place, never with its message: that may quote a prompt
or a key.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope
from typing_extensions import TypedDict

from serve_app.bodies import Json
from serve_app.dialect import speaks_anthropic
from workflows.errors import Failure, RequestInvalid, StellaratorError

log = logging.getLogger(__name__)

STATUSES: Mapping[str, int] = {
    "usage": 400,
    "invalid_request": 400,
    "workflow_invalid": 400,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "publication_not_found": 404,
    "probe_failed": 400,
    "run_not_found": 404,
    "response_not_found": 404,
    "idempotency_conflict": 422,
    "cancelled": 409,
    "setup_invalid": 500,
    "upstream_error": 502,
    # A provider that refuses our key has not refused the client's: never its 401.
    "upstream_refused": 502,
    # The one refusal that the client can mend.
    "context_length_exceeded": 400,
    "upstream_unavailable": 502,
    "upstream_malformed": 502,
    "upstream_busy": 429,
    "rate_limited": 429,
    "upstream_timeout": 504,
    "run_failed": 500,
    "prompt_failed": 500,
    # Nothing is broken, and the same request would end in the same way.
    "limit_reached": 400,
    "step_mismatch": 500,
    "run_lost": 500,
    "cluster_error": 503,
    "lane_lost": 503,
    "coordinator_lost": 503,
    "keeper_lost": 503,
    "run_not_driven": 503,
    "replica_lost": 503,
    "publish_failed": 500,
    "overloaded": 429,
    "journal_unavailable": 503,
    "journal_refused": 500,
}
"""The HTTP status of every error code; an unknown code is a 500."""

_RATE_LIMITS = {"upstream_busy", "rate_limited"}
_RETRY_AFTER = {429: 5.0, 503: 1.0}
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What went wrong, in HTTP's terms and in no API's shape.

    Attributes:
        status: the HTTP status.
        code: stable and for programs.
        message: for people; without secrets, prompts and tracebacks.
        param: the field at fault, in the client's own terms (``messages.0.content``); empty when there is none.
        retryable: whether the same request may succeed later.
        headers: response headers that belong to it (Allow, WWW-Authenticate, Retry-After...).
    """

    status: int
    code: str
    message: str
    param: str = ""
    retryable: bool = False
    headers: Mapping[str, str]


class ErrorBody(TypedDict):
    """What went wrong, as OpenAI's APIs say it."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(TypedDict):
    """The body of a response that is an error."""

    error: ErrorBody


AnthropicErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
]

_ANTHROPIC_TYPES: Mapping[int, AnthropicErrorType] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicErrorBody(TypedDict):
    """What went wrong, as Anthropic's API says it."""

    type: AnthropicErrorType
    message: str


class AnthropicErrorEnvelope(TypedDict):
    """The body of a response of Anthropic's API that is an error."""

    type: Literal["error"]
    error: AnthropicErrorBody
    request_id: str


class AnswerError(StellaratorError):
    """An `AnswerFailed` as an exception, so that failures take one way out whatever their form."""

    def __init__(self, answer_failure: Failure) -> None:
        super().__init__(answer_failure)
        self.answer_failure = answer_failure

    def __str__(self) -> str:
        return self.answer_failure.message

    def failure(self) -> Failure:
        """The failure that the virtual model reported."""
        return self.answer_failure


def fault_of(error: Exception, request_id: str) -> Fault:
    """Say what `error` means to a client. Logs it when it was not foreseen, so ask once per error."""
    if isinstance(error, StellaratorError):
        return _of_failure(error.failure(), error.field if isinstance(error, RequestInvalid) else "")
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        return _of_http(error)
    log.error("request %s: unexpected %s at %s", request_id, type(error).__qualname__, _place(error))
    message = f"The server could not handle this request. Its log has details under {request_id}."
    return Fault(status=500, code="internal_error", message=message, headers={})


def openai_envelope(fault: Fault) -> ErrorEnvelope:
    """A fault in the shape of OpenAI's APIs (Chat Completions and Responses); our own API shares it."""
    return {
        "error": {
            "message": fault.message,
            "type": _openai_type(fault.status),
            "param": fault.param or None,
            "code": "rate_limit_exceeded" if fault.code in _RATE_LIMITS else fault.code,
        }
    }


def anthropic_envelope(fault: Fault, request_id: str) -> AnthropicErrorEnvelope:
    """A fault in the shape of Anthropic's API, which names the field at fault in the message only."""
    return {
        "type": "error",
        "error": {"type": _anthropic_type(_anthropic_status(fault)), "message": fault.message},
        "request_id": request_id,
    }


def fault_response(fault: Fault, scope: Scope) -> Response:
    """The whole answer to a request that failed, in the shape of the API that the request speaks."""
    if not speaks_anthropic(scope):
        return Json(openai_envelope(fault), fault.status, fault.headers)
    return Json(
        anthropic_envelope(fault, scope["state"]["request_id"]), _anthropic_status(fault), fault.headers
    )


def error_body(error: Exception, scope: Scope) -> bytes:
    """The body of an answer that failed after its status had been sent."""
    return bytes(fault_response(fault_of(error, scope["state"]["request_id"]), scope).body)


def client_path(loc: Sequence[str | int], body: object, *, missing: bool) -> str:
    """Where in the client's `body` pydantic's `loc` points, for example ``messages.0.content``.

    Pydantic also names the union members that it tried; the client never wrote those, so they are left out.
    Of a missing field the last name is kept although the body does not have it.
    """
    path: list[str] = []
    value = body
    for name in loc:
        try:
            value = value[name]  # type: ignore[index]  # what cannot be indexed so is what we look for
        except (LookupError, TypeError):
            continue
        path.append(str(name))
    if missing:
        path.append(str(loc[-1]))
    return ".".join(path)


def _openai_type(status: int) -> str:
    if status == 429:  # noqa: PLR2004  # HTTP's own number
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004  # HTTP's own number


def _anthropic_status(fault: Fault) -> int:
    """Anthropic has a status of its own for what others call unavailable, and tells being full from a rate limit."""
    is_overloaded = fault.status == 503 or fault.code == "overloaded"  # noqa: PLR2004  # HTTP's own number
    return 529 if is_overloaded else fault.status


def _anthropic_type(status: int) -> AnthropicErrorType:
    other: AnthropicErrorType = "api_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004  # HTTP's own number
    return _ANTHROPIC_TYPES.get(status, other)


def _of_failure(failure: Failure, param: str) -> Fault:
    status = STATUSES.get(failure.code, 500)
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}  # noqa: PLR2004  # HTTP's own number
    message = failure.message
    retry_after = failure.retry_after if failure.retry_after is not None else _RETRY_AFTER.get(status)
    if retry_after is not None:
        headers["retry-after"] = str(math.ceil(retry_after))
    if status == 429:  # noqa: PLR2004  # HTTP's own number
        # Also in words: a stream that has begun has no headers left, and Codex reads it from there.
        message = f"{message.rstrip('.')}. Please try again in {headers['retry-after']}s."
    if not failure.retryable:
        # The official SDKs repeat every 5xx unless told not to; each try may be a panel.
        headers["x-should-retry"] = "false"
    return Fault(
        status=status,
        code=failure.code,
        message=message,
        param=param,
        retryable=failure.retryable,
        headers=headers,
    )


def _of_validation(error: RequestValidationError) -> Fault:
    """The deepest problem: of several union members that were tried, the one that came furthest."""
    problem = max(error.errors(), key=lambda found: len(found["loc"]))
    source, *loc = problem["loc"]
    kind = problem["type"]
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        loc.append(problem["ctx"]["discriminator"].strip("'"))
    if kind == "json_invalid" or (source == "body" and not loc):
        message = "The body must be a JSON object, sent as `Content-Type: application/json`."
        return _invalid("", message)
    body = error.body if source == "body" else {loc[0]: None}
    missing = kind in {"missing", "union_tag_not_found"}
    param = client_path(loc, body, missing=missing)
    return _invalid(param, f"{param}: {problem['msg']}")


def _invalid(param: str, message: str) -> Fault:
    return Fault(status=400, code="invalid_request", message=message, param=param, headers={})


def _of_http(error: HTTPException) -> Fault:
    code = _HTTP_CODES.get(error.status_code, "invalid_request")
    return Fault(
        status=error.status_code,
        code=code,
        message=str(error.detail),
        headers=dict(error.headers or {}),
    )


def _place(error: Exception) -> str:
    """The innermost frames of its traceback, innermost first; places only, no values."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{frame.filename}:{frame.lineno} ({frame.name})" for frame in reversed(frames))
