"""Model clients from a workflow's `models`: the provider's client, with the wrappers that every model gets.

Connections are shared by all models of a process; a factory lives on one event loop.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httpx

from actors.models.base import ChatModel
from actors.models.embedded.client import EmbeddedModel
from actors.models.measured import Measured
from actors.models.openai_compatible.client import OpenAICompatibleModel
from actors.models.openai_compatible.pool import connection_pool
from actors.models.pricing import prices
from actors.models.sampling import defaults
from actors.models.scripted.client import ScriptedModel
from actors.models.scripted.script import Script
from actors.models.wrappers import Priced, WithDefaults
from workflows.errors import SetupInvalid
from workflows.spec import ModelSpec, WorkflowSpec


class ModelFactory:
    """Makes and keeps the models of one process.

    Args:
        secrets: the value of an environment variable, for keys.
        embedded_url: where this node's embedded model is served.

    """

    def __init__(
        self, secrets: Callable[[str], str | None], embedded_url: Callable[[], Awaitable[str]]
    ) -> None:
        self._secrets = secrets
        self._embedded_url = embedded_url
        self._pool: httpx.AsyncClient | None = None
        self._clients: dict[str, ChatModel] = {}

    def model(self, spec: ModelSpec) -> ChatModel:
        """The model that a workflow describes.

        Raises:
            SetupInvalid: the key that the workflow names is not in the environment.

        """
        key = spec.model_dump_json()
        if key not in self._clients:
            priced = Priced(WithDefaults(self._bare(spec), defaults(spec)), prices(spec))
            self._clients[key] = Measured(priced, spec)
        return self._clients[key]

    async def aclose(self) -> None:
        """Close all connections."""
        self._clients.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def _bare(self, spec: ModelSpec) -> ChatModel:
        match spec.kind:
            case "scripted":
                return ScriptedModel(Script.read(spec.script or []), spec.model or "scripted")
            case "embedded":
                return EmbeddedModel(self._connections(), self._embedded_url, spec.model)
            case "openai_compatible":
                base_url = spec.base_url or ""
                return OpenAICompatibleModel(
                    self._connections(), base_url, spec.model, self._key(spec), spec.headers
                )
            case "litellm":
                return _litellm_model(spec.model, self._key(spec), spec.base_url)

    def _connections(self) -> httpx.AsyncClient:
        if self._pool is None:
            self._pool = connection_pool()
        return self._pool

    def _key(self, spec: ModelSpec) -> str | None:
        if spec.api_key_env is None:
            return None
        key = self._secrets(spec.api_key_env)
        if key is None:
            raise SetupInvalid(
                f"The workflow's model {spec.model} takes its key from the environment variable "
                f"{spec.api_key_env}, which is not set where the model is called."
            )
        return key


def load_for_main(workflow: WorkflowSpec) -> None:
    """Import what the main LLM's calls need, so that the first one does not stall an event loop for seconds."""
    voices = (workflow.main.model, *workflow.models[workflow.main.model].fallbacks)
    if any(workflow.models[alias].kind == "litellm" for alias in voices):
        load_litellm()


def load_litellm() -> None:
    """Import litellm now, so that the first call does not stall an event loop for seconds."""
    importlib.import_module(_LITELLM)


_LITELLM = "actors.models.litellm_client"


def _litellm_model(model: str, api_key: str | None, base_url: str | None) -> ChatModel:
    # By name and late: importing litellm costs seconds and 190 MB, which most processes must not pay.
    module: Any = importlib.import_module(_LITELLM)
    return cast("ChatModel", module.LiteLLMModel(model, api_key, base_url))
