"""Every provider that LiteLLM knows, through its SDK.

This module imports litellm, which costs seconds and 190 MB, so only `actors.models.factory` imports it, by name and
late, in a process that needs it. The environment must keep litellm off the network by then: `cluster.settings` puts
``LITELLM_LOCAL_*`` into that of every Ray process.

LiteLLM's retries are off (retrying is the engine's business, and would pay twice unseen), its logs are silenced (they
may hold prompts), and its errors are translated here, once: they do not survive pickle.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import litellm
from litellm import exceptions as theirs

from actors.models.openai_compatible.decode import Answer
from actors.models.openai_compatible.encode import left_out, messages, options
from actors.models.openai_compatible.faults import detail_of, of_status, retry_after
from workflows.errors import (
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from workflows.messages import ChatRequest, StreamItem

litellm.suppress_debug_info = True
litellm.drop_params = True
for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai"):
    logging.getLogger(name).setLevel(logging.CRITICAL + 1)

READ_SECONDS = 3600.0
"""LiteLLM gives up after ten minutes if nothing is said; the call's own timeout is shorter and somebody else's."""

_MESSAGE = re.compile(
    r"(?:(?:litellm\.)?\w*(?:Error|Timeout)(?: Error)?: )*(?:\w+Exception(?: \w+)? - )?"  # LiteLLM's own words
    r"(?P<open>b')?(?P<told>.*?)(?(open)')",  # the provider's; some come as the repr of bytes
    re.DOTALL,
)


class LiteLLMModel:
    """One model under LiteLLM's name, for example ``anthropic/claude-opus-4.8``.

    Args:
        model: LiteLLM's name.
        api_key: None leaves it to the environment variable that LiteLLM knows for the provider.
        base_url: None is the provider's own.
    """

    def __init__(self, model: str, api_key: str | None = None, base_url: str | None = None) -> None:
        self._model = model
        self._key = api_key
        self._access = {"api_key": api_key, "base_url": base_url}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        """Stream one answer."""
        answer = Answer(self._model, request, (*left_out(request), *self._unsupported(options(request))))
        try:
            response: Any = await litellm.acompletion(**self._arguments(request))
            if response is None:
                raise self._unprocessable()  # noqa: TRY301  # in place of the error that LiteLLM swallowed
            async with aclosing(response) as chunks:
                async for chunk in chunks:
                    for delta in answer.feed(chunk.model_dump()):
                        yield delta
            completion = answer.completion(done=True)
        except UpstreamError:
            raise
        except Exception as error:
            raise translated(self._model, error, self._key) from error
        yield completion

    def _unsupported(self, told: Iterable[str]) -> tuple[str, ...]:
        """The parameters that LiteLLM will drop (`drop_params`); those that are not OpenAI's it passes on."""
        supported: list[str] | None = litellm.get_supported_openai_params(self._model)
        if supported is None:
            return ()
        theirs_to_drop = {*litellm.constants.OPENAI_CHAT_COMPLETION_PARAMS} - {*supported}
        return tuple(name for name in told if name in theirs_to_drop)

    def _unprocessable(self) -> UpstreamRefused:
        """After a 422 LiteLLM leaves parameters out and asks again; if that fails, too, it returns without a word."""
        return UpstreamRefused(
            self._model, "the provider cannot process this request", HTTPStatus.UNPROCESSABLE_ENTITY
        )

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": messages(request.messages, self._model),
            "stream": True,
            "stream_options": {"include_usage": True},
            "num_retries": 0,
            "max_retries": 0,
            "timeout": READ_SECONDS,
            # Tools would else make it import its proxy server, which needs packages that we do not have.
            "_skip_mcp_handler": True,
            **{name: value for name, value in self._access.items() if value},
            **options(request),
        }


def translated(model: str, error: Exception, secret: str | None = None) -> UpstreamError:
    """LiteLLM's error in our tree: what it is, by its status, and a message without the key."""
    found = _MESSAGE.fullmatch(str(getattr(error, "message", "")))
    detail = detail_of(found["told"].encode("utf-8", "replace"), secret) if found else ""
    detail = detail or f"LiteLLM failed ({type(error).__name__})"
    if isinstance(error, theirs.JSONSchemaValidationError | theirs.APIResponseValidationError):
        return UpstreamMalformed(model, detail)
    if isinstance(error, theirs.Timeout):
        return UpstreamTimeout(model, detail)
    status = _status(error)
    if status is None:
        return UpstreamUnavailable(model, detail)
    return of_status(model, status, detail, _wait(error))


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error, or of the one that it broke on while handling."""
    statuses = (getattr(each, "status_code", None) for each in _chain(error))
    return next(
        (status for status in statuses if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST), None
    )


def _wait(error: BaseException) -> float | None:
    """The provider's Retry-After; LiteLLM keeps its headers beside a made-up response."""
    for each in _chain(error):
        for headers in (
            getattr(each, "litellm_response_headers", None),
            getattr(getattr(each, "response", None), "headers", None),
        ):
            if headers and (wait := retry_after(headers)) is not None:
                return wait
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
