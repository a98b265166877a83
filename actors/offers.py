"""What passes between those who publish, the publisher, and the gateways: frozen, picklable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from workflows.failure import Problem
from workflows.probing import ProbeResult
from workflows.publications import Publication
from workflows.spec import WorkflowSpec

Key: TypeAlias = tuple[str, int]
"""A virtual model's name and the number of its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a server was told to serve when it was started, or its configuration was applied.

    Attributes:
        workflows: to be published; whoever published under one of these names after `at` has the last word.
        at: Unix time in seconds at which this was said.
        recorded: whether they become publications in the journal, or are served for as long as this server lives.
        everything: whether everything else that is active in the journal is served, too.
        who: whoever said it.
    """

    workflows: tuple[WorkflowSpec, ...] = ()
    at: float
    recorded: bool = True
    everything: bool = False
    who: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A virtual model that could not be brought up, and why."""

    virtual_model: str
    message: str


@dataclass(frozen=True, slots=True)
class Offering:
    """One version that answers now. `app` is the Serve application that it lives in; empty for a shared one."""

    publication: Publication
    spec: WorkflowSpec
    since: float
    app: str = ""

    @property
    def key(self) -> Key:
        """Which version it is."""
        return self.publication.virtual_model, self.publication.number


@dataclass(frozen=True, slots=True)
class Roll:
    """Everything that answers now. `tick` grows with every change, also over a restart of the publisher."""

    tick: int
    live: tuple[Offering, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What came of publishing.

    Attributes:
        publication: the version that answers now.
        changed: False when it was active already.
        probes: what its models did when they were asked; empty without a probe.
        warnings: what does not go together with the other virtual models that answer.
    """

    publication: Publication
    changed: bool
    probes: tuple[ProbeResult, ...] = ()
    warnings: tuple[Problem, ...] = ()


def app_name(publication: Publication) -> str:
    """The Serve application of a dedicated version."""
    return f"{publication.virtual_model}@{publication.number}"
