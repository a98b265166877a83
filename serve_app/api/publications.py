"""``/api/publications``: what is published, in which versions, and the ways to change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from time import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from actors.offers import Published
from serve_app.bodies import Json
from serve_app.hosting import Publishing
from workflows.diffing import diff
from workflows.errors import Problem, PublicationNotFound, WorkflowInvalid
from workflows.lint import check
from workflows.loading import parse
from workflows.publications import History, drafted, history_json, version_json

_WHO = "api"


class Body(BaseModel):
    """What a request may say; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class PublishBody(Body):
    """A workflow to be published."""

    workflow: str = Field(description="The workflow file's content: YAML or JSON.")
    probe: bool = Field(default=True, description="Ask every model first whether it does what it has to.")
    who: str = Field(default=_WHO, max_length=200)
    note: str = Field(default="", max_length=2000)


class RollbackBody(Body):
    """Where to go back to."""

    to: int | None = Field(default=None, ge=1, description="Left out: the version that was active before.")
    who: str = Field(default=_WHO, max_length=200)


def api_publications_router(publishing: Publishing) -> APIRouter:  # long: one short route after the other
    """The routes in front of the publisher."""
    router = APIRouter(tags=["Publications"], prefix="/api/publications")

    @router.get("", response_model=None)
    async def list_publications() -> Response:
        """Every name under which something was ever published, with its versions."""
        draining = await publishing.draining()
        histories = await publishing.histories()
        return Json({"publications": [_told(history, draining) for history in histories]})

    @router.post("", response_model=None)
    async def publish(body: PublishBody) -> Response:
        """Publish a workflow: it is checked, probed, recorded, brought up and switched to; then this answers."""
        problems = check(body.workflow)
        if any(problem.severity == "error" for problem in problems):
            raise WorkflowInvalid("workflow", tuple(p for p in problems if p.severity == "error"))
        draft = drafted(parse(body.workflow), who=body.who, at=time(), note=body.note)
        published = await publishing.publish(draft, probe=body.probe)
        return Json(_outcome(published, (*problems, *published.warnings)))

    @router.get("/{name}", response_model=None)
    async def show_publications(name: str) -> Response:
        """One name's versions and when each of them was active, newest first."""
        return Json(_told(await _history(publishing, name), await publishing.draining()))

    @router.delete("/{name}", response_model=None)
    async def unpublish(name: str, who: Annotated[str, Query(max_length=200)] = _WHO) -> Response:
        """Have the name answer no more. Runs under way end well, and the versions stay in the journal."""
        if not await publishing.unpublish(name, who):
            raise PublicationNotFound(name)
        return Json({"virtual_model": name, "active": None})

    @router.post("/{name}/rollback", response_model=None)
    async def roll_back(name: str, body: RollbackBody | None = None) -> Response:
        """Have an earlier version answer again."""
        told = body or RollbackBody()
        return Json(_outcome(await publishing.rollback(name, told.to, told.who)))

    @router.get("/{name}/versions/{number}", response_model=None)
    async def show_version(name: str, number: int) -> Response:
        """One version, with its workflow file."""
        history = await _history(publishing, name)
        shown = version_json(history, number, _numbers(name, await publishing.draining()))
        return Json({**shown, "workflow": history.version(number).workflow})

    @router.get("/{name}/diff", response_model=None)
    async def compare(name: str, before: int, after: int) -> Response:
        """What differs between two versions: the keys that were added, removed and changed."""
        history = await _history(publishing, name)
        changes = diff(history.version(before).spec(), history.version(after).spec())
        return Json({"before": before, "after": after, "changes": [asdict(change) for change in changes]})

    return router


async def _history(publishing: Publishing, name: str) -> History:
    found = await publishing.histories(name)
    if not found:
        raise PublicationNotFound(name)
    return found[0]


def _told(history: History, draining: Sequence[tuple[str, int]]) -> dict[str, Any]:
    return history_json(history, _numbers(history.virtual_model, draining))


def _numbers(name: str, draining: Sequence[tuple[str, int]]) -> frozenset[int]:
    return frozenset(number for each, number in draining if each == name)


def _outcome(published: Published, problems: Sequence[Problem] = ()) -> dict[str, Any]:
    publication = published.publication
    return {
        "virtual_model": publication.virtual_model,
        "number": publication.number,
        "hash": publication.hash,
        "changed": published.changed,
        "probes": [asdict(result) for result in published.probes],
        "warnings": [asdict(problem) for problem in problems],
    }
