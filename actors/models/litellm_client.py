"""Every provider that LiteLLM knows, through its SDK.

This module imports litellm, which costs seconds and 190 MB, so only `actors.models.factory` imports it, by name and late, in a process
that needs it. LiteLLM's retries are off (retrying is the engine's business, and would pay twice unseen), its logs are
silenced (they may hold prompts), and its errors are translated here, once: they do not survive pickle.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import litellm
from litellm import exceptions as theirs

from actors.models.openai_compatible.decode import Answer
from actors.models.openai_compatible.encode import messages, options
from actors.models.openai_compatible.faults import retry_after, safe
from workflows.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from workflows.messages import ChatRequest, StreamItem

litellm.suppress_debug_info = True
litellm.drop_params = True
litellm.telemetry = False
for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
    logging.getLogger(name).setLevel(logging.CRITICAL)

_KINDS: tuple[tuple[type[Exception], type[UpstreamError]], ...] = (
    (theirs.Timeout, UpstreamTimeout),
    (theirs.ServiceUnavailableError, UpstreamUnavailable),
    (theirs.InternalServerError, UpstreamUnavailable),
    (theirs.BadGatewayError, UpstreamUnavailable),
    (theirs.APIConnectionError, UpstreamUnavailable),
    (theirs.JSONSchemaValidationError, UpstreamMalformed),
    (theirs.APIResponseValidationError, UpstreamMalformed),
    (theirs.AuthenticationError, UpstreamRefused),
    (theirs.PermissionDeniedError, UpstreamRefused),
    (theirs.NotFoundError, UpstreamRefused),
    (theirs.BadRequestError, UpstreamRefused),
    (theirs.UnprocessableEntityError, UpstreamRefused),
)


class LiteLLMModel:
    """One model under LiteLLM's name, for example ``anthropic/claude-opus-4.8``."""

    def __init__(self, model: str, api_key: str | None = None, base_url: str | None = None) -> None:
        self._model = model
        self._access = {"api_key": api_key, "base_url": base_url}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream one answer."""
        answer = Answer(self._model, request)
        try:
            response: Any = await litellm.acompletion(**self._arguments(request))
            async with aclosing(response) as chunks:
                async for chunk in chunks:
                    for delta in answer.feed(chunk.model_dump()):
                        yield delta
            completion = answer.completion(done=True)
        except UpstreamError:
            raise
        except Exception as error:
            raise translated(self._model, error) from error
        yield completion

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": messages(request.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            "num_retries": 0,
            "max_retries": 0,
            **{name: value for name, value in self._access.items() if value},
            **options(request),
        }


def translated(model: str, error: Exception) -> UpstreamError:
    """LiteLLM's error in our tree: what it is, and a message without secrets."""
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) else None
    detail = safe(str(getattr(error, "message", "") or type(error).__name__))
    if isinstance(error, theirs.RateLimitError):
        response = getattr(error, "response", None)
        return UpstreamBusy(model, detail, status, retry_after(getattr(response, "headers", {}) or {}))
    for kind, ours in _KINDS:
        if isinstance(error, kind):
            return ours(model, detail, status)
    return UpstreamUnavailable(model, detail, status)
