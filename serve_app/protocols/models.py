"""``GET /v1/models``: the virtual models as clients of OpenAI's APIs list them."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from typing_extensions import TypedDict

from serve_app.hosting import Host, PublishedModel
from workflows.errors import UnknownVirtualModel


class Model(TypedDict):
    """A virtual model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(TypedDict):
    """Every virtual model."""

    object: Literal["list"]
    data: list[Model]


def models_router(host: Host) -> APIRouter:
    """The list of models and one of them."""
    router = APIRouter(tags=["Models"])

    @router.get("/v1/models")
    async def list_models() -> ModelList:
        """Every published virtual model."""
        return {"object": "list", "data": [_model(published) for published in host.names()]}

    # A path parameter: a client's wrong name may well have a slash in it.
    @router.get("/v1/models/{name:path}")
    async def retrieve_model(name: str) -> Model:
        """One published virtual model."""
        models = {published.name: published for published in host.names()}
        if name not in models:
            raise UnknownVirtualModel(name, tuple(models))
        return _model(models[name])

    return router


def _model(published: PublishedModel) -> Model:
    return {
        "id": published.name,
        "object": "model",
        "created": published.created,
        "owned_by": "stellarator",
    }
