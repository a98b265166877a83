"""A model whose calls are measured as OpenTelemetry's GenAI conventions ask: duration, first chunk, tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic
from urllib.parse import urlsplit

from actors.models.base import ChatModel
from cluster import metrics, semconv
from cluster.instruments import CLIENT_DURATION, CLIENT_FIRST_CHUNK, CLIENT_TOKENS
from workflows.errors import StellaratorError
from workflows.messages import ChatRequest, Completion, StreamItem
from workflows.spec import ModelSpec


class Measured:
    """Records each call when it ends, however it ends. A call that nobody waited for has the error ``cancelled``."""

    def __init__(self, inner: ChatModel, spec: ModelSpec) -> None:
        self._inner = inner
        self._attributes = _operation(spec)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream as the model does."""
        began = monotonic()
        first: float | None = None
        completion: Completion | None = None
        error = "upstream_malformed"  # a stream that ends without a completion
        try:
            async with aclosing(self._inner.stream(request)) as items:
                async for item in items:
                    if first is None:
                        first = monotonic() - began
                    if isinstance(item, Completion):
                        completion, error = item, ""
                    yield item
        except (GeneratorExit, asyncio.CancelledError):
            error = "" if completion else "cancelled"
            raise
        except StellaratorError as failed:
            error = failed.code
            raise
        except BaseException:
            error = StellaratorError.code
            raise
        finally:
            self._ended(monotonic() - began, first, completion, error)

    def _ended(self, seconds: float, first: float | None, completion: Completion | None, error: str) -> None:
        attributes = dict(self._attributes)
        if error:
            attributes["error.type"] = error
        if completion and completion.model:
            attributes["gen_ai.response.model"] = completion.model
        metrics.record(CLIENT_DURATION, seconds, attributes)
        if first is not None:
            metrics.record(CLIENT_FIRST_CHUNK, first, attributes)
        if completion and not completion.usage.estimated:
            usage = completion.usage
            for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                metrics.record(CLIENT_TOKENS, tokens, {**attributes, "gen_ai.token.type": kind})


def _operation(spec: ModelSpec) -> dict[str, str]:
    address = urlsplit(spec.base_url or "")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": semconv.provider_name(spec.model),
        "gen_ai.request.model": spec.model,
    }
    if address.hostname:
        attributes["server.address"] = address.hostname
        attributes["server.port"] = str(address.port or (443 if address.scheme == "https" else 80))
    return attributes
