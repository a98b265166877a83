"""The HTTP client and the live view, against the real doors on a loopback port."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from rich.console import Console

from serve_app.cli.client import chat, connect, tail
from serve_app.cli.console import THEME
from serve_app.cli.watch import watch
from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.cli import stories
from tests.serve_app.scripted_host import (
    KEY,
    Script,
    ScriptedHost,
    ScriptedRecords,
    plays,
    says,
    serving,
)
from workflows.answer import AnswerEvent, AnswerFailed, RunRequest
from workflows.errors import Failure, RunError
from workflows.events import Event
from workflows.messages import TextDelta

SAYS = says("Start ", "small.")


@asynccontextmanager
async def doors(script: Script, records: ScriptedRecords | None = None) -> AsyncIterator[str]:
    """The real doors in front of a scripted host; gives the base URL."""
    limits = Limits(commit_after=0.05)
    async with serving(web_app(ScriptedHost(script), records or ScriptedRecords(), KEY, limits)) as address:
        yield f"{address}/v1"


def telling(
    records: ScriptedRecords, story: list[Event], *, before_answer: int, answer: Script = SAYS
) -> Script:
    """A script whose run is told in `records` as `story`: so many events, then the answer, then the others."""

    async def script(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        events = [replace(event, run_id=run.run_id) for event in story]
        await records.add(*events[:before_answer])
        said = False
        async for event in answer(run):
            yield event
            if isinstance(event, TextDelta) and not said:
                said = True
                await records.add(*events[before_answer:])

    return script


class Screens:
    """What goes to stdout and what to stderr."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.answers = Console(file=io.StringIO(), width=80, theme=THEME, force_terminal=terminal)
        self.progress = Console(file=io.StringIO(), width=80, theme=THEME, force_terminal=terminal)

    @staticmethod
    def text(console: Console) -> str:
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()


async def test_the_answer_comes_in_pieces_and_the_run_is_named_first() -> None:
    heard: list[str] = []
    async with doors(says("Hello ", "world")) as url, connect(url, KEY) as client:
        heard += [text async for text in chat(client, "fusion-review", "Hi", heard.append)]
    run_id, *texts = heard
    assert run_id.startswith("run_")
    assert texts == ["Hello ", "world"]


@pytest.mark.parametrize(
    ("key", "model", "message"),
    [
        ("sk-wrong", "fusion-review", "The API key is missing or wrong"),
        (KEY, "nobody", "`nobody` does not exist"),
    ],
)
async def test_a_refusal_is_an_error_with_the_servers_words(key: str, model: str, message: str) -> None:
    async with doors(says("x")) as url, connect(url, key) as client:
        with pytest.raises(RunError, match=message):
            _ = [text async for text in chat(client, model, "Hi", lambda _: None)]


async def test_an_error_within_the_answer_ends_it() -> None:
    script = plays(TextDelta("Well, "), AnswerFailed(failure=Failure("upstream_busy", "rate limited")))
    async with doors(script) as url, connect(url, KEY) as client:
        answer = chat(client, "fusion-review", "Hi", lambda _: None)
        assert await anext(answer) == "Well, "
        with pytest.raises(RunError, match="rate limited"):
            await anext(answer)


async def test_a_server_that_is_not_there_is_told() -> None:
    async with connect("http://127.0.0.1:9/v1", KEY) as client:
        with pytest.raises(RunError, match="cannot be reached"):
            _ = [text async for text in chat(client, "fusion-review", "Hi", lambda _: None)]


async def test_a_runs_events_are_followed_to_its_end() -> None:
    records = ScriptedRecords(*stories.well()[:3])
    async with doors(says("x"), records) as url, connect(url, KEY) as client:
        seen: list[Event] = []
        async for event in tail(client, stories.RUN):
            seen.append(event)
            if len(seen) == 3:
                await records.add(*stories.well()[3:])
    assert seen == stories.well()


async def test_a_run_is_waited_for_that_is_not_stored_yet() -> None:
    records = ScriptedRecords()
    async with (
        doors(says("x"), records) as url,
        connect(url, KEY) as client,
        aclosing(tail(client, stories.RUN)) as events,
    ):
        first = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        await records.add(*stories.well())
        assert await first == stories.well()[0]


async def test_the_answer_goes_to_one_console_and_the_panel_to_the_other() -> None:
    records, screens = ScriptedRecords(), Screens()
    story = stories.well()
    script = telling(records, story, before_answer=len(story) - 1)
    async with doors(script, records) as url:
        seen = await watch(url, KEY, stories.SPEC, "Hi", answers=screens.answers, progress=screens.progress)
    assert seen.error is None
    assert seen.run_id.startswith("run_")
    assert screens.text(screens.answers) == "Start small.\n"
    panel = screens.text(screens.progress)
    assert panel.count("problem_review") == 1
    assert len(re.findall("answered", panel)) == 4
    assert "\x1b" not in panel


async def test_the_panel_is_complete_although_the_answer_overtakes_its_last_events() -> None:
    records, screens = ScriptedRecords(), Screens()
    script = telling(records, stories.well(), before_answer=len(stories.opening()))
    async with doors(script, records) as url:
        await watch(url, KEY, stories.SPEC, "Hi", answers=screens.answers, progress=screens.progress)
    assert screens.text(screens.progress).count("answered") == 4


async def test_a_terminal_sees_the_panel_move_and_then_stay() -> None:
    records, screens = ScriptedRecords(), Screens(terminal=True)
    story = stories.well()
    script = telling(records, story, before_answer=len(story) - 1)
    async with doors(script, records) as url:
        await watch(url, KEY, stories.SPEC, "Hi", answers=screens.answers, progress=screens.progress)
    moved = screens.text(screens.progress)
    assert "\x1b[?25l" in moved  # the cursor is hidden while it moves ...
    assert moved.rstrip().endswith("╯\x1b[0m")
    assert moved.rindex("\x1b[?25h") < moved.rindex("╭")  # ... and back before the last picture


async def test_an_error_is_returned_with_the_runs_id() -> None:
    records, screens = ScriptedRecords(), Screens()
    fails = plays(TextDelta("Well, "), AnswerFailed(failure=Failure("upstream_busy", "rate limited")))
    script = telling(records, stories.failed(), before_answer=3, answer=fails)
    async with doors(script, records) as url:
        seen = await watch(url, KEY, stories.SPEC, "Hi", answers=screens.answers, progress=screens.progress)
    assert "rate limited" in str(seen.error)
    assert seen.run_id.startswith("run_")
    assert screens.text(screens.answers) == "Well, \n"


async def test_an_answers_control_codes_do_not_reach_the_terminal() -> None:
    records, screens = ScriptedRecords(), Screens()
    script = telling(records, stories.well(), before_answer=2, answer=says("\x1b[2J[bold]x[/bold]"))
    async with doors(script, records) as url:
        await watch(url, KEY, stories.SPEC, "Hi", answers=screens.answers, progress=screens.progress)
    assert screens.text(screens.answers) == "[2J[bold]x[/bold]\n"


async def test_an_empty_answer_is_told_and_prints_nothing() -> None:
    records, screens = ScriptedRecords(), Screens()
    script = telling(records, stories.well(), before_answer=len(stories.well()), answer=says(""))
    async with doors(script, records) as url:
        seen = await watch(url, KEY, stories.SPEC, "Hi", answers=screens.answers, progress=screens.progress)
    assert seen.error is None
    assert screens.text(screens.answers).strip() == ""
    assert screens.text(screens.progress).endswith("The answer is empty.\n")


async def test_a_failure_before_the_first_word_leaves_no_empty_answer() -> None:
    records, screens = ScriptedRecords(), Screens()
    fails = plays(AnswerFailed(failure=Failure("upstream_busy", "rate limited")))
    script = telling(records, stories.failed(), before_answer=3, answer=fails)
    async with doors(script, records) as url:
        seen = await watch(url, KEY, stories.SPEC, "Hi", answers=screens.answers, progress=screens.progress)
    assert "rate limited" in str(seen.error)
    assert screens.text(screens.answers) == ""
    assert "empty" not in screens.text(screens.progress)
