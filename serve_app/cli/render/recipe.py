"""How a client is pointed at the server: what to write where, and what to type. Pure.

To be printed with ``soft_wrap=True``: all of it is there to be pasted, so no line may be broken.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.syntax import Syntax
from rich.text import Text

from serve_app.cli.clients.recipe import Recipe
from serve_app.cli.render.connection import QUESTION


def how_to_connect(recipe: Recipe, *, written: bool) -> Text:
    """The recipe in sections, those that there are; without its file's text when that is `written` already."""
    told = Text()
    for title, language, text in _sections(recipe, written=written):
        told.append(f"{title}\n", style="name")
        told.append_text(Syntax("", language, theme="ansi_dark").highlight(text.rstrip()))
        told.append("\n")
    for note in recipe.notes:
        told.append(f"{note}\n", style="quiet")
    told.rstrip()
    return told


def _sections(recipe: Recipe, *, written: bool) -> Iterator[tuple[str, str, str]]:
    """Title, language and text of each."""
    if recipe.file and not written:
        yield f"{recipe.file.path}  (--write puts it there)", recipe.file.format, recipe.file.text
    if recipe.exports:
        yield "Environment", "bash", "\n".join(recipe.exports)
    if recipe.setup:
        yield "Once", "bash", "\n".join(recipe.setup)
    if recipe.start:
        yield "Start it", "bash", shlex.join(recipe.start)
    if recipe.ask:
        yield "One answer", "bash", shlex.join((*recipe.ask, QUESTION))
    if recipe.code:
        yield "Program", recipe.code.language, recipe.code.text
