"""The server, imported when it is started.

Ray takes seconds to import. A wrong option, a taken port or `up --help` should not wait for it, and whoever does
wait should see why; so this is deferred as the commands are (`serve_app.cli.lazy`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cluster.settings import Settings
from workflows.spec import WorkflowSpec

if TYPE_CHECKING:
    from serve_app.server import Running


def serving(
    settings: Settings,
    workflows: Sequence[WorkflowSpec],
    *,
    recorded: bool = False,
    everything: bool = False,
    on_stage: Callable[[str], None],
) -> AbstractContextManager[Running]:
    """`serve_app.server.serving`."""
    on_stage("Loading Ray")
    server = importlib.import_module("serve_app.server")
    running: AbstractContextManager[Running] = server.serving(
        settings, workflows, recorded=recorded, everything=everything, on_stage=on_stage
    )
    return running
