"""The embedded model's weights, fetched with a bar before anything is started that needs them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from actors.models.embedded.weights import SMOLLM2, ensure_weights, weights_missing
from cluster.settings import Settings
from workflows.spec import WorkflowSpec


def needs_weights(specs: Sequence[WorkflowSpec]) -> bool:
    """Whether one of the workflows names an embedded model."""
    return any(model.kind == "embedded" for spec in specs for model in spec.models.values())


def fetch_weights(specs: Sequence[WorkflowSpec], settings: Settings, console: Console) -> None:
    """Fetch what is missing; nothing when these workflows need no weights or the weights are here.

    Raises:
        SetupInvalid: they cannot be had; says what to do.
    """
    given = settings.embedded_weights
    if not needs_weights(specs) or not weights_missing(settings.home, given):
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Fetching the demo model, once", total=SMOLLM2.size)
        ensure_weights(settings.home, given, lambda done, _total: progress.update(task, completed=done))
