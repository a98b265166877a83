"""Commands whose modules are imported when they are called.

`stellarator lint` must not pay for Ray, and `--help` must not pay for anything. Typer builds every command at
start, so the root group is given `Deferred` commands: a name and a help line, which become the real command as
soon as arguments are to be parsed for it (to run it, to show its own help or to complete its arguments).
The module is found by its name through importlib: an import statement inside a function would hide the same
dependency from readers and from import-linter's graph of what a module needs at import time.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the command table.

    Attributes:
        module: where the command's Typer app lives.
        help: its line in ``--help``.
        panel: the heading below which it stands there.
        app: the Typer app's name in the module.
    """

    module: str
    help: str
    panel: str
    app: str = "app"


class Deferred(TyperCommand):
    """Stands for a command in its group until arguments are parsed for it."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help, rich_help_panel=entry.panel)
        self.entry = entry

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the real command, which from here on is the one that is used."""
        app: Typer = getattr(importlib.import_module(self.entry.module), self.entry.app)
        return get_command(app).make_context(info_name, args, parent=parent, **extra)


def lazy_group(table: Mapping[str, Entry]) -> type[TyperGroup]:
    """A Typer group class (``Typer(cls=...)``) with the table's commands, in the table's order."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, entry in table.items():
                self.add_command(Deferred(name, entry))

    return LazyGroup
