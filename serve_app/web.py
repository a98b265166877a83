"""Every door of the server as one FastAPI application.

`serve_app.gateway` runs it as a Ray Serve ingress; any ASGI server runs it as well.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from serve_app.api.models import api_models_router
from serve_app.api.publications import api_publications_router
from serve_app.api.runs import api_runs_router
from serve_app.errors import ErrorEnvelope, fault_of, fault_response
from serve_app.hosting import Host, Limits, Publishing, Records
from serve_app.middleware import BodyLimit, Identity, Locked
from serve_app.protocols.anthropic_messages.routes import messages_router
from serve_app.protocols.models import models_router
from serve_app.protocols.openai_chat.routes import chat_router
from serve_app.protocols.openai_responses.routes import responses_router
from serve_app.tracing import Traced
from workflows.errors import StellaratorError

OPEN_PATHS = ("/healthz", "/docs", "/openapi.json")
"""What needs no key: nothing here tells more than the source code does."""

_FAILURES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorEnvelope},
    "5XX": {"model": ErrorEnvelope},
}

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that did not wait; nobody is left to read it."""


def web_app(
    host: Host,
    records: Records,
    key: str,
    limits: Limits,
    *,
    jaeger_url: str = "",
    publishing: Publishing | None = None,
) -> FastAPI:
    """Build the application in front of all these; every path but `OPEN_PATHS` needs `key`.

    `jaeger_url` is where Jaeger's page shows the traces; empty: nobody knows. Without `publishing` nothing can be
    published over HTTP.
    """
    app = _bare(key, limits, jaeger_url)
    # The key itself is `Locked`'s business; this makes OpenAPI, and so the page under /docs, ask for it.
    asks_for_key = [Depends(HTTPBearer(auto_error=False, description="The server's API key."))]
    for router in (
        chat_router(host, records, limits),
        responses_router(host, records, limits),
        messages_router(host, records, limits),
        models_router(host),
        api_models_router(host),
        api_runs_router(records, limits, jaeger_url),
        *([api_publications_router(publishing)] if publishing else []),
    ):
        app.include_router(router, dependencies=asks_for_key, responses=_FAILURES)
    app.add_api_route("/healthz", _healthz, methods=["GET"], tags=["Health"])
    return app


def _bare(key: str, limits: Limits, jaeger_url: str) -> FastAPI:
    """What every request passes on its way to a route, and every error on its way out."""
    return FastAPI(
        title="Stellarator",
        description="Publishes a panel of models as one model.",
        version="1",
        redoc_url=None,
        # Runs are traced by the driver; FastAPI would add spans of its own to every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(Identity),
            Middleware(Locked, key=key, free=OPEN_PATHS),
            Middleware(Traced, jaeger_url=jaeger_url),
            Middleware(BodyLimit, max_bytes=limits.max_body_bytes),
        ],
        exception_handlers={
            StellaratorError: _failed,
            RequestValidationError: _failed,
            HTTPException: _failed,
            ClientDisconnect: _nobody_left,
        },
    )


async def _healthz() -> dict[str, str]:
    """Whether this server answers requests."""
    return {"status": "ok"}


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {"allow": ", ".join(_allowed(request))}
    return fault_response(fault_of(error, request.state.request_id), request.scope)


def _allowed(request: Request) -> list[str]:
    """The other methods of a path. The router names only those of the first route that has it."""
    others = (method for method in _METHODS if method != request.method)
    scopes = ({**request.scope, "method": method} for method in others)
    return [
        scope["method"]
        for scope in scopes
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)
    ]


async def _nobody_left(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)
