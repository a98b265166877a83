"""Stored responses over HTTP: show, delete, cancel, and the items that one answers."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from serve_app.bodies import Json
from serve_app.hosting import Records
from serve_app.ids import uuid7_hex
from serve_app.protocols.openai_responses import wire_out
from serve_app.protocols.openai_responses.body import run_id_of
from serve_app.protocols.openai_responses.listed import listed
from serve_app.protocols.openai_responses.stored import stored
from workflows.errors import RequestInvalid
from workflows.events import AnswerWithdrawn

_ONE = "/v1/responses/{response_id}"


def stored_router(records: Records) -> APIRouter:
    """The routes of stored responses."""
    router = APIRouter(tags=["Responses"])

    @router.get(_ONE, response_model=None, responses={200: {"model": wire_out.Response}})
    async def retrieve_response(response_id: str, *, stream: bool = False) -> Response:
        """A stored response; `in_progress` while its run is under way."""
        if stream:
            raise RequestInvalid("stream", "a stored response cannot be streamed; leave it out")
        return Json((await stored(records, response_id)).response)

    @router.delete(_ONE)
    async def delete_response(response_id: str) -> wire_out.DeletedResponse:
        """Forget a response. Its run stays in the journal for whoever runs this server."""
        await stored(records, response_id)
        run_id = run_id_of(response_id)
        gone = AnswerWithdrawn(id=f"{run_id}:withdrawn:{uuid7_hex()}", run_id=run_id, at=time.time())
        await records.append([gone])
        return {"id": response_id, "object": "response", "deleted": True}

    @router.post(f"{_ONE}/cancel", response_model=None, responses={200: {"model": wire_out.Response}})
    async def cancel_response(response_id: str) -> Response:
        """Only responses in the background can be cancelled; others end with their connection."""
        await stored(records, response_id)
        raise RequestInvalid("response_id", "only a response with `background` can be cancelled")

    @router.get(f"{_ONE}/input_items", response_model=None, responses={200: {"model": wire_out.ItemList}})
    async def list_input_items(
        response_id: str,
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Response:
        """The items that a response answers, with those of the responses before it."""
        items: list[dict[str, Any]] = listed((await stored(records, response_id)).items, response_id)
        if order == "desc":
            items.reverse()
        places = [place for place, item in enumerate(items) if item["id"] == after]
        if after and not places:
            raise RequestInvalid("after", f"Item with id '{after}' not found.")
        rest = items[places[0] + 1 :] if places else items
        page: wire_out.ItemList = {
            "object": "list",
            "data": rest[:limit],
            "first_id": rest[0]["id"] if rest else "",
            "last_id": rest[:limit][-1]["id"] if rest else "",
            "has_more": len(rest) > limit,
        }
        return Json(page)

    return router
