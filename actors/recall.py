"""What earlier runs hid from their clients, found again when a client comes back (`workflows.splicing`).

The runs that this process answered itself are remembered for a while, so an agent's next request seldom has to ask the
journal. Without contents in the journal (`capture_content`) this memory is all there is: another replica, or this one
after a restart, then answers from the client's own conversation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

from workflows.events import RunFinished
from workflows.messages import ChatRequest, Reasoning, Text, ToolCall, ToolResult
from workflows.splicing import HiddenTurns, runs_named

MAX_CHARACTERS = 8_000_000
"""How much is remembered in one process: some hundred runs with a panel, tens of thousands without."""

_OVERHEAD = 500
"""Characters that a run counts for besides its own."""


class Endings(Protocol):
    """A journal, as far as it knows how runs finished."""

    async def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        """How these runs finished; nothing of a run that did not. Raises `JournalUnavailable`."""


class Recall:
    """One process' memory of hidden turns, in front of the journal's; what was not used for longest goes first."""

    def __init__(self, journal: Endings, max_characters: int = MAX_CHARACTERS) -> None:
        self._journal = journal
        self._left = max_characters
        self._known: OrderedDict[str, HiddenTurns] = OrderedDict()

    def keep(self, run_id: str, hidden: HiddenTurns) -> None:
        """Remember what a run hid."""
        if run_id in self._known:
            self._known.move_to_end(run_id)
            return
        self._known[run_id] = hidden
        self._left -= _size(hidden)
        while self._left < 0 and self._known:
            _, oldest = self._known.popitem(last=False)
            self._left += _size(oldest)

    async def of(self, request: ChatRequest) -> Mapping[str, HiddenTurns]:
        """What the runs in this conversation hid, by run id; nothing of runs that nobody remembers.

        Raises:
            JournalUnavailable: nobody knows whether there is something, so going on might pay twice for a panel
                whose result is there.
        """
        named = runs_named(request)
        found = {run_id: self._known[run_id] for run_id in named if run_id in self._known}
        if missing := [run_id for run_id in named if run_id not in found]:
            endings = await self._journal.finished(missing)
            found |= {ending.run_id: ending.hidden for ending in endings if ending.hidden}
        for run_id, hidden in found.items():
            self.keep(run_id, hidden)
        return found


def _size(hidden: HiddenTurns) -> int:
    """About how many characters it holds."""
    parts = (part for message in hidden.turns for part in message.parts)
    return _OVERHEAD + len(hidden.said) + sum(_characters(part) for part in parts)


def _characters(part: object) -> int:
    match part:
        case Text(text) | Reasoning(text):
            return len(text)
        case ToolCall(arguments=arguments):
            return len(arguments)
        case ToolResult(content=content):
            return sum(map(_characters, content))
        case _:
            return len(str(part))
