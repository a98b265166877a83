"""What was published under a model name: immutable versions, and which of them was active when.

A `Publication` is written once. What goes live is said by `Activation`s, so a rollback is one more of these and
never an edit. `History` is the fold of both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from workflows.errors import PublicationNotFound
from workflows.loading import content_hash, dump, parse
from workflows.spec import WorkflowSpec

Cause = Literal["publish", "rollback", "unpublish"]
State: TypeAlias = Literal["active", "draining", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One immutable version of a virtual model.

    Attributes:
        virtual_model: the model name that clients call.
        number: 1, 2, ...; 0 for a workflow that is served without being recorded.
        hash: `workflows.loading.content_hash` of the workflow.
        workflow: the workflow as YAML, as `workflows.loading.dump` writes it.
        who: whoever published it, as they named themselves.
        at: Unix time in seconds.
        note: what they said about it.
    """

    virtual_model: str
    number: int
    hash: str
    workflow: str
    who: str = ""
    at: float = 0.0
    note: str = ""

    def spec(self) -> WorkflowSpec:
        """The workflow; raises `WorkflowInvalid` when this version of Stellarator does not understand it."""
        return parse(self.workflow, f"{self.virtual_model}, version {self.number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """From this moment (Unix time in seconds) the name answered with that version; None: with none."""

    virtual_model: str
    number: int | None
    at: float
    who: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class History:
    """Everything that was published under one name; both in the order in which it happened."""

    virtual_model: str
    publications: tuple[Publication, ...] = ()
    activations: tuple[Activation, ...] = ()

    @property
    def active(self) -> Publication | None:
        """The version that the name answers with."""
        number = self.activations[-1].number if self.activations else None
        return None if number is None else self.version(number)

    @property
    def active_since(self) -> float:
        """When the present state of affairs began, Unix time in seconds; 0 when nothing ever was active."""
        return self.activations[-1].at if self.activations else 0.0

    def version(self, number: int) -> Publication:
        """One version; raises `PublicationNotFound`."""
        for publication in self.publications:
            if publication.number == number:
                return publication
        raise PublicationNotFound(self.virtual_model, number, tuple(p.number for p in self.publications))

    def before(self) -> Publication:
        """The version that was active before the present one, or last; raises `PublicationNotFound`."""
        now = self.activations[-1].number if self.activations else None
        for activation in reversed(self.activations):
            if activation.number not in (None, now):
                return self.version(activation.number or 0)
        raise PublicationNotFound(self.virtual_model, None, tuple(p.number for p in self.publications))


def drafted(spec: WorkflowSpec, *, who: str = "", at: float = 0.0, note: str = "") -> Publication:
    """A workflow as a publication that has no number yet."""
    return Publication(
        virtual_model=spec.name,
        number=0,
        hash=content_hash(spec),
        workflow=dump(spec),
        who=who,
        at=at,
        note=note,
    )


def version_json(history: History, number: int, draining: Collection[int] = ()) -> dict[str, Any]:
    """One version as people and programs are shown it; without the workflow. Raises `PublicationNotFound`."""
    version = asdict(history.version(number))
    del version["workflow"]
    return version | {"state": _state(history, number, draining)}


def history_json(history: History, draining: Collection[int] = ()) -> dict[str, Any]:
    """Everything about one name, newest first; without the workflows."""
    active = history.active
    numbers = sorted((publication.number for publication in history.publications), reverse=True)
    return {
        "virtual_model": history.virtual_model,
        "active": active.number if active else None,
        "active_since": history.active_since if active else None,
        "versions": [version_json(history, number, draining) for number in numbers],
        "activations": [
            {"number": each.number, "at": each.at, "who": each.who, "cause": each.cause}
            for each in reversed(history.activations)
        ],
    }


def _state(history: History, number: int, draining: Collection[int]) -> State:
    if history.active is not None and history.active.number == number:
        return "active"
    return "draining" if number in draining else "retired"
