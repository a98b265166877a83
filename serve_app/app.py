"""Build the Serve application: the import path in deploy/serve.yaml, and what `stellarator up` runs.

Without ``from __future__ import annotations``: Serve reads the type of `build`'s argument as an object.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field
from ray.serve import Application

from cluster.guard import check_packages
from serve_app.gateway import gateway
from serve_app.virtual_model import dedicated_model
from workflows import catalog
from workflows.loading import load
from workflows.spec import WorkflowSpec


class AppArgs(BaseModel):
    """The arguments under `args` in a Serve config."""

    model_config = ConfigDict(extra="forbid")

    workflows: list[str] = Field(min_length=1, description="Names of shipped templates, or paths of files.")


def build(args: AppArgs) -> Application:
    """Build the application from a Serve config's arguments."""
    check_packages()
    return application([workflow(source) for source in args.workflows])


def workflow(source: str) -> WorkflowSpec:
    """A shipped template by its name, or a workflow file by its path."""
    return catalog.template(source) if source in catalog.names() else load(source)


def application(specs: Sequence[WorkflowSpec]) -> Application:
    """One gateway in front of these virtual models, each in replicas of its own unless it says `shared`."""
    dedicated = {
        spec.name: dedicated_model.options(name=spec.name).bind(spec)
        for spec in specs
        if spec.deployment == "dedicated"
    }
    return gateway.bind(list(specs), dedicated)
