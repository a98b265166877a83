"""Ask a virtual model through its own HTTP endpoint, and watch its panel while it answers.

The question goes out as any client's would; what is shown of the panel comes from the run's event stream. The two
are independent, as they are for everybody: when the event stream fails the answer still comes.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass

import httpx
from rich.console import Console

from serve_app.cli.client import chat, connect, tail
from serve_app.cli.render.words import harmless
from serve_app.cli.stage import PanelStage
from workflows.errors import RunError
from workflows.spec import WorkflowSpec

_LAST_WORDS = 5.0
"""Seconds for which a run's last events are waited for after its answer."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of it: the run's id (empty when the server never named one), and the error in place of an answer."""

    run_id: str
    error: RunError | None = None


async def watch(
    base_url: str, api_key: str, spec: WorkflowSpec, prompt: str, *, answers: Console, progress: Console
) -> Watched:
    """Ask, print the answer on `answers` as it comes and the panels on `progress`, return what came of it."""
    async with connect(base_url, api_key) as client:
        watching = _Watching(client, PanelStage(spec, progress))
        try:
            error = await watching.listen(spec.name, prompt, answers)
        finally:
            await watching.close()
    if error is None and not watching.said:
        progress.print("The answer is empty.", style="degraded")
    return Watched(watching.run_id, error)


class _Watching:
    """One question under way: the answer in this task, the run's events in another."""

    def __init__(self, client: httpx.AsyncClient, stage: PanelStage) -> None:
        self.run_id = ""
        self.said = False
        self._client = client
        self._stage = stage
        self._follower: asyncio.Task[None] | None = None

    async def listen(self, model: str, prompt: str, answers: Console) -> RunError | None:
        """Print the answer as it comes; return the error that ended it."""
        self._stage.open()
        try:
            async with aclosing(chat(self._client, model, prompt, self._begun)) as answer:
                async for text in answer:
                    await self._stage.make_room()
                    answers.print(harmless(text), end="", markup=False, soft_wrap=True)
                    self.said = self.said or bool(text.strip())
        except RunError as error:
            return error
        finally:
            if self.said:
                answers.line()
        return None

    async def close(self) -> None:
        """Hear the run's last events, then stop drawing."""
        if self._follower is not None:
            await asyncio.wait({self._follower}, timeout=_LAST_WORDS)
            self._follower.cancel()
            with suppress(asyncio.CancelledError):
                await self._follower
        self._stage.close()

    def _begun(self, run_id: str) -> None:
        self.run_id = run_id
        self._follower = asyncio.create_task(self._follow(run_id))

    async def _follow(self, run_id: str) -> None:
        with suppress(RunError):
            async with aclosing(tail(self._client, run_id)) as events:
                async for event in events:
                    self._stage.see(event)
