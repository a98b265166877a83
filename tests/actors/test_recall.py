"""What earlier runs hid is found again, and what can be remembered is not asked for."""

from __future__ import annotations

from collections.abc import Sequence

from actors.recall import Recall
from workflows.events import RunFinished
from workflows.messages import ChatRequest, Message, Text, ToolResult, Usage
from workflows.splicing import HiddenTurns, given_id

RUNS = tuple(f"run_{number:032x}" for number in range(4))


def hidden(text: str = "") -> HiddenTurns:
    return HiddenTurns((Message("assistant", (Text(text),)),), {"given": "own"})


def naming(*run_ids: str) -> ChatRequest:
    """A conversation with a result for each of these runs."""
    results = (ToolResult(given_id(run_id, 1), ()) for run_id in run_ids)
    return ChatRequest(tuple(Message("tool", (result,)) for result in results))


class Endings:
    """A journal that knows these runs, and says what it was asked."""

    def __init__(self, *run_ids: str) -> None:
        self._known = run_ids
        self.asked: list[list[str]] = []

    async def finished(self, run_ids: Sequence[str]) -> tuple[RunFinished, ...]:
        self.asked.append(list(run_ids))
        return tuple(
            RunFinished(
                id=run_id,
                run_id=run_id,
                at=0.0,
                finish_reason="tool_calls",
                answer="",
                usage=Usage(),
                total_usage=Usage(),
                cost_usd=None,
                panel="ran",
                hidden=hidden(),
            )
            for run_id in run_ids
            if run_id in self._known
        )


async def test_a_conversation_that_names_no_run_asks_nobody() -> None:
    journal = Endings()
    assert await Recall(journal).of(ChatRequest((Message.of("user", "Hi"),))) == {}
    assert journal.asked == []


async def test_the_journal_is_asked_once_for_all_runs_that_are_not_remembered() -> None:
    journal = Endings(*RUNS)
    recall = Recall(journal)
    recall.keep(RUNS[0], hidden())
    assert set(await recall.of(naming(*RUNS[:3]))) == set(RUNS[:3])
    assert set(await recall.of(naming(*RUNS))) == set(RUNS)
    assert journal.asked == [list(RUNS[1:3]), [RUNS[3]]]


async def test_a_run_that_is_gone_is_no_error() -> None:
    assert await Recall(Endings()).of(naming(RUNS[0])) == {}


async def test_memory_is_bounded_and_forgets_what_was_not_used_for_longest() -> None:
    journal = Endings()
    recall = Recall(journal, max_characters=3000)
    for run_id in RUNS[:2]:
        recall.keep(run_id, hidden("x" * 900))
    assert set(await recall.of(naming(RUNS[0]))) == {RUNS[0]}
    recall.keep(RUNS[2], hidden("x" * 900))
    assert set(await recall.of(naming(*RUNS[:3]))) == {RUNS[0], RUNS[2]}
    recall.keep(RUNS[3], hidden("x" * 9000))
    assert await recall.of(naming(*RUNS)) == {}
