"""``GET /v1/models``: the virtual models, as clients of OpenAI's or of Anthropic's API list them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter, Request
from typing_extensions import TypedDict

from serve_app.dialect import speaks_anthropic
from serve_app.hosting import Host, PublishedModel
from workflows.errors import UnknownVirtualModel

CODEX_VERSION = "client_version"
"""The query parameter by which Codex asks for its catalogue in place of a list; it complains about a list."""


class Version(TypedDict):
    """Which publication answers; OpenAI's SDKs carry it through."""

    version: int
    hash: str


class Model(TypedDict):
    """A virtual model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    stellarator: Version


class ModelList(TypedDict):
    """Every virtual model."""

    object: Literal["list"]
    data: list[Model]


class CodexCatalog(TypedDict):
    """What Codex knows of models beside their names; it has defaults for one that is not in here."""

    models: list[dict[str, str]]


class AnthropicModel(TypedDict):
    """A virtual model in the shape of Anthropic's API. What is null depends on the models behind it."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"]
    line: None
    capabilities: None
    max_input_tokens: None
    max_tokens: None
    deprecated_at: None
    retires_at: None


class AnthropicModelList(TypedDict):
    """Every virtual model, on one page."""

    data: list[AnthropicModel]
    first_id: str | None
    last_id: str | None
    has_more: Literal[False]


def models_router(host: Host) -> APIRouter:
    """The list of models and one of them."""
    router = APIRouter(tags=["Models"])

    @router.get("/v1/models")
    async def list_models(request: Request) -> ModelList | AnthropicModelList | CodexCatalog:
        """Every published virtual model; in Anthropic's shape when `anthropic-version` is sent."""
        if CODEX_VERSION in request.query_params:
            return {"models": []}
        published = host.names()
        if speaks_anthropic(request.scope):
            return _anthropic_list(published)
        return {"object": "list", "data": [_model(each) for each in published]}

    # A path parameter: a client's wrong name may well have a slash in it.
    @router.get("/v1/models/{name:path}")
    async def retrieve_model(name: str, request: Request) -> Model | AnthropicModel:
        """One published virtual model; in Anthropic's shape when `anthropic-version` is sent."""
        models = {published.name: published for published in host.names()}
        if name not in models:
            raise UnknownVirtualModel(name, tuple(models))
        if speaks_anthropic(request.scope):
            return _anthropic_model(models[name])
        return _model(models[name])

    return router


def _model(published: PublishedModel) -> Model:
    return {
        "id": published.name,
        "object": "model",
        "created": published.created,
        "owned_by": "stellarator",
        "stellarator": {"version": published.version, "hash": published.hash},
    }


def _anthropic_list(published: tuple[PublishedModel, ...]) -> AnthropicModelList:
    names = [each.name for each in published]
    return {
        "data": [_anthropic_model(each) for each in published],
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
        "has_more": False,
    }


def _anthropic_model(published: PublishedModel) -> AnthropicModel:
    return {
        "type": "model",
        "id": published.name,
        "display_name": published.name,
        "created_at": datetime.fromtimestamp(published.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "line": None,
        "capabilities": None,
        "max_input_tokens": None,
        "max_tokens": None,
        "deprecated_at": None,
        "retires_at": None,
    }
