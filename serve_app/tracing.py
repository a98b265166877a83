"""The SERVER span of a request that runs a virtual model, around everything that happens to it here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors import spans
from cluster import semconv
from serve_app.dialect import path_of
from serve_app.trace_links import trace_headers

TRACED = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
"""Where runs are asked for. Nothing else has a span: whoever looks at runs is not part of them."""

_SWITCHED = 101

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


class Traced:
    """Puts a request under a span of its own, which continues the client's trace, and names the trace in the response.

    What is behind it reads the span's context where the client's was, in the request's `traceparent` header. A
    malformed one is no error but, as W3C asks, as if it had not been sent.

    Args:
        app: what is wrapped.
        jaeger_url: of Jaeger's page, to name the trace's address too; empty: only the id.
        paths: of the requests that are traced, exactly.
    """

    def __init__(self, app: ASGIApp, jaeger_url: str = "", paths: Collection[str] = TRACED) -> None:
        self._app = app
        self._jaeger_url = jaeger_url
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or path_of(scope) not in self._paths:
            await self._app(scope, receive, send)
            return
        span = spans.server(scope["method"], path_of(scope), client_context(Headers(scope=scope)))
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in trace_headers(spans.trace_id(span), self._jaeger_url).items():
                    headers[name] = value
            await send(message)

        try:
            await self._app(_under(scope, spans.carrier(span)), receive, send_named)
        except Exception:
            status = semconv.HTTP_ERROR
            raise
        finally:
            spans.end_server(span, status)


@contextmanager
def message_span(path: str, context: str) -> Iterator[str]:
    """The same for a request that comes as a message of a WebSocket: each has a span, of the GET that opened it.

    Yields the context for what is done in it; `context` is that of the client.
    """
    span = spans.server("GET", path, context)
    status = 0
    try:
        yield spans.carrier(span)
        status = _SWITCHED
    except Exception:
        status = semconv.HTTP_ERROR
        raise
    finally:
        spans.end_server(span, status)


def client_context(headers: Mapping[str, str]) -> str:
    """The W3C context that a request came with, as `telemetry.carrier` writes it; empty without a sensible one."""
    traceparent, tracestate = headers.get("traceparent", ""), headers.get("tracestate", "")
    if not _TRACEPARENT.fullmatch(traceparent):
        return ""
    return f"{traceparent} {tracestate}" if _TRACESTATE.fullmatch(tracestate) else traceparent


def _under(scope: Scope, context: str) -> Scope:
    """The request as one that was sent with this context."""
    traceparent, _, tracestate = context.partition(" ")
    ours = {b"traceparent": traceparent.encode(), b"tracestate": tracestate.encode()}
    others = [(name, value) for name, value in scope["headers"] if name not in ours]
    return {**scope, "headers": [*others, *((name, value) for name, value in ours.items() if value)]}
