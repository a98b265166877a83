"""Where words go: answers and views to stdout, everything said along the way to stderr.

Rich sends no control codes to what is no terminal, so a pipe gets plain text; it also obeys NO_COLOR and COLUMNS.
"""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.theme import Theme

THEME = Theme(
    {
        "ok": "green",
        "degraded": "yellow",
        "failed": "red",
        "cancelled": "magenta",
        "running": "cyan",
        "waiting": "dim",
        "skipped": "dim",
        "name": "bold",
        "quiet": "dim",
        "link": "cyan",
    }
)


def stdout() -> Console:
    """The console for what was asked for."""
    return Console(theme=THEME, highlight=False)


def stderr() -> Console:
    """The console for what is said along the way."""
    return Console(theme=THEME, highlight=False, stderr=True)


def emit_json(value: Any) -> None:
    """Print one JSON document on stdout, for programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
