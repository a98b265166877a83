"""How one client is pointed at the server, as a value: `agents` and `sdks` make it, the command shows or writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from serve_app.cli.clients.files import ConfigFile
from serve_app.cli.render.connection import Key


@dataclass(frozen=True, slots=True)
class Target:
    """What a client is pointed at.

    Attributes:
        root: where the server answers, without ``/v1``.
        key: where its key is.
        model: the virtual model to talk to.
        models: all of them, `model` among them, for clients that let people choose.
    """

    root: str
    key: Key
    model: str
    models: tuple[str, ...]

    @property
    def base_url(self) -> str:
        """The address that clients of OpenAI's APIs want."""
        return f"{self.root}/v1"


@dataclass(frozen=True, slots=True)
class Code:
    """A program to paste, for an SDK."""

    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that one client needs.

    Attributes:
        file: its configuration file, when it has one.
        environment: variables by name; the values are shell words, double-quoted when they are written.
        setup: shell lines to be run once.
        start: the command that starts it; empty for an SDK.
        ask: the command that answers one prompt, which comes behind it.
        code: for an SDK.
        notes: what else to know, in sentences.
    """

    file: ConfigFile | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    code: Code | None = None
    notes: tuple[str, ...] = ()

    @property
    def exports(self) -> tuple[str, ...]:
        """The environment as lines of a shell."""
        return tuple(f'export {name}="{value}"' for name, value in self.environment.items())
