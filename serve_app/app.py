"""Build the Serve application: the import path in deploy/serve.yaml, and what `stellarator up` runs.

Without ``from __future__ import annotations``: Serve reads the type of `build`'s argument as an object.
"""

from time import time

from pydantic import BaseModel, ConfigDict, Field
from ray.serve import Application

from actors.offers import Offer
from cluster.guard import check_packages
from serve_app.gateway import gateway
from workflows import catalog
from workflows.loading import load
from workflows.spec import WorkflowSpec


class AppArgs(BaseModel):
    """The arguments under `args` in a Serve config."""

    model_config = ConfigDict(extra="forbid")

    workflows: list[str] = Field(min_length=1, description="Names of shipped templates, or paths of files.")


def build(args: AppArgs) -> Application:
    """Build the application from a Serve config's arguments; its workflows are published when it starts."""
    check_packages()
    workflows = tuple(workflow(source) for source in args.workflows)
    return application(Offer(workflows=workflows, at=time(), everything=True, who="Serve config"))


def workflow(source: str) -> WorkflowSpec:
    """A shipped template by its name, or a workflow file by its path."""
    return catalog.template(source) if source in catalog.names() else load(source)


def application(offer: Offer) -> Application:
    """The gateway, in front of what is offered and of everything that is published while it runs."""
    return gateway.bind(offer)
