"""Stored responses over HTTP: show, delete, cancel, and the items that one answers."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from serve_app.bodies import Json
from serve_app.hosting import Host, Limits, Records
from serve_app.ids import uuid7_hex
from serve_app.protocols.openai_responses import wire_out
from serve_app.protocols.openai_responses.background import background_stream
from serve_app.protocols.openai_responses.body import run_id_of
from serve_app.protocols.openai_responses.listed import Order, listed, page
from serve_app.protocols.openai_responses.stored import Stored, stored, stream_encoder
from workflows.errors import RequestInvalid
from workflows.events import AnswerWithdrawn

_ONE = "/v1/responses/{response_id}"


def stored_router(host: Host, records: Records, limits: Limits) -> APIRouter:
    """The routes of stored responses."""
    router = APIRouter(tags=["Responses"])

    @router.get(
        _ONE,
        response_model=None,
        responses={200: {"model": wire_out.Response, "content": {"text/event-stream": {}}}},
    )
    async def retrieve_response(
        response_id: str,
        request: Request,
        *,
        stream: bool = False,
        starting_after: Annotated[int, Query(ge=-1)] = -1,
    ) -> Response:
        """A stored response; `queued` or `in_progress` while its run is under way.

        One in the background can be streamed, as often as one likes and from behind any event on.
        """
        found = await stored(records, response_id)
        if not stream:
            return Json(found.response)
        _require_background(found, "stream")
        encoder = await stream_encoder(records, response_id, starting_after)
        return background_stream(host, run_id_of(response_id), encoder, request, limits)

    @router.delete(_ONE)
    async def delete_response(response_id: str) -> wire_out.DeletedResponse:
        """Forget a response. Its run stays in the journal for whoever runs this server."""
        await stored(records, response_id)
        run_id = run_id_of(response_id)
        run = await records.summary(run_id)
        if run is not None and run.kept:
            await host.stop(run_id)
        await records.append([_withdrawn(run_id)])
        return {"id": response_id, "object": "response", "deleted": True}

    @router.post(f"{_ONE}/cancel", response_model=None, responses={200: {"model": wire_out.Response}})
    async def cancel_response(response_id: str) -> Response:
        """Stop a response in the background; others end with their connection. One that is over stays as it is."""
        found = await stored(records, response_id)
        _require_background(found, "response_id")
        await host.stop(run_id_of(response_id))
        return Json((await stored(records, response_id)).response)

    @router.get(f"{_ONE}/input_items", response_model=None, responses={200: {"model": wire_out.ItemList}})
    async def list_input_items(
        response_id: str,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Order = "desc",
    ) -> Response:
        """The items that a response answers, with those of the responses before it."""
        items = listed((await stored(records, response_id)).items, response_id)
        return Json(page(items, after, limit, order))

    return router


def _withdrawn(run_id: str) -> AnswerWithdrawn:
    return AnswerWithdrawn(id=f"{run_id}:withdrawn:{uuid7_hex()}", run_id=run_id, at=time.time())


def _require_background(found: Stored, field: str) -> None:
    if not found.response["background"]:
        raise RequestInvalid(field, "only for a response with `background`; others end with their connection")
