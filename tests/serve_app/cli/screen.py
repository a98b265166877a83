"""Renderables as the text of a screen of a fixed width."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

from serve_app.cli.console import THEME


def drawn(renderable: RenderableType, width: int = 80) -> list[str]:
    """The lines of a plain screen (as in a pipe), without the white space at their ends."""
    out = io.StringIO()
    Console(file=out, width=width, theme=THEME, highlight=False).print(renderable)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def coloured(renderable: RenderableType, width: int = 80) -> str:
    """What a terminal is sent."""
    out = io.StringIO()
    Console(file=out, width=width, theme=THEME, highlight=False, force_terminal=True).print(renderable)
    return out.getvalue()
