"""What a person sees while something is under way: the steps of starting up, then the panels at work.

Everything here goes to stderr, so that the answer alone is on stdout. In a pipe nothing moves: each thing is
printed once, when it is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, time

from rich.console import Console, RenderableType
from rich.live import Live
from rich.status import Status
from rich.text import Text

from serve_app.cli.render.panel import panels, settled
from serve_app.cli.render.words import seconds
from workflows.events import Event
from workflows.replay import RunView, run_view
from workflows.spec import WorkflowSpec

_LAG = 2.0
"""Seconds for which an answer's first words wait for the panel's last events, which come another way."""


class Stages:
    """Names what is being done, with a spinner, and says afterwards how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._text = ""
        self._began = 0.0

    def __call__(self, text: str) -> None:
        """The next stage begins; the one before it is over."""
        self.done()
        self._text, self._began = text, monotonic()
        self._status = self._console.status(Text(f"{text} …"))
        self._status.start()

    def done(self) -> None:
        """The stage is over."""
        if self._stop():
            took = seconds(monotonic() - self._began)
            self._console.print(Text.assemble(("✓", "ok"), f" {self._text} ", (took, "quiet")))

    def _stop(self) -> bool:
        status, self._status = self._status, None
        if status is not None:
            status.stop()
        return status is not None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Leave no spinner behind, however it ends; a stage that an error cut short is not called done."""
        try:
            yield
        except BaseException:
            self._stop()
            raise
        self.done()


class PanelStage:
    """Draws the panels of one run while they work, and leaves each behind when it is done."""

    def __init__(self, spec: WorkflowSpec, console: Console) -> None:
        self._spec = spec
        self._console = console
        self._events: list[Event] = []
        self._left: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._live: Live | None = None

    def see(self, event: Event) -> None:
        """Something happened in the run; a panel that begins raises the curtain again."""
        self._events.append(event)
        self._changed.set()
        if self._live is None and not settled(self._view()):
            self._console.line()
            self.open()

    def open(self) -> None:
        """Begin to draw."""
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    async def make_room(self) -> None:
        """Stop drawing, for words are about to be printed: first let the panels come to their end."""
        if self._live is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAG):
                while not settled(self._view()):
                    self._changed.clear()
                    await self._changed.wait()
        self.close()

    def close(self) -> None:
        """Stop drawing; what was drawn of panels stays."""
        live, self._live = self._live, None
        if live is None:
            return
        live.stop()
        view = self._view()
        new = frozenset(step.step_id for step in view.steps if step.kind == "tool") - self._left
        if new:
            self._console.print(self._draw(), "", sep="\n")
            self._left |= new

    def _view(self) -> RunView:
        return run_view(self._events)

    def _draw(self) -> RenderableType:
        return panels(self._view(), self._spec, time(), without=self._left)
