"""A door for the official SDK's Responses, with scripted virtual models behind it and what they did on record."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from openai import AsyncOpenAI

from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import (
    KEY,
    Script,
    ScriptedHost,
    ScriptedRecords,
    finished,
    serving,
    started,
)
from workflows.answer import AnswerEvent, AnswerFinished, RunRequest
from workflows.events import Event, RunFinished, RunStarted, StepFinished, StepStarted
from workflows.messages import Completion, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta
from workflows.relay import Relay


@dataclass
class Door:
    """A server with its host, and the SDK's client for it."""

    host: ScriptedHost
    client: AsyncOpenAI
    url: str


@asynccontextmanager
async def opened(
    script: Script, limits: Limits | None = None, ws: Literal["none", "websockets-sansio"] = "none"
) -> AsyncIterator[Door]:
    records = ScriptedRecords()
    host = ScriptedHost(recorded(script, records))
    async with (
        serving(web_app(host, records, KEY, limits or Limits()), ws) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        yield Door(host, client, url)


def recorded(script: Script, records: ScriptedRecords) -> Script:
    """The same answers as the driver relays them, with the events that it writes into the journal."""

    async def answer(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
        shared: Any = {"run_id": run.run_id, "at": 5.0}
        await records.add(
            RunStarted(
                id=f"{run.run_id}:started",
                **shared,
                virtual_model=run.virtual_model,
                protocol=run.protocol,
                request=run.request,
                door=dict(run.door),
            ),
            StepStarted(
                id=f"{run.run_id}:t",
                **shared,
                step_id="turn.1",
                parent_id="main",
                step_kind="turn",
                name="turn 1",
            ),
        )
        relay = Relay(run.run_id)
        async for told in script(run):
            event = told
            if isinstance(told, TextDelta | ReasoningDelta | ToolCallDelta):
                for delta in relay.feed(told):
                    yield delta
                continue
            if isinstance(told, AnswerFinished):
                completion = Completion(told.message, told.finish_reason, told.usage)
                list(relay.feed(completion))
                event = replace(told, message=relay.message)
                await records.add(*_ending(event, completion, shared))
            yield event

    return answer


CALLS = (ToolCall("call_1", "look", '{"q":1}'), ToolCall("call_2", "functions__exec", '{"input":"ls"}'))
TOOLS: Any = [
    {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False},
    {
        "type": "namespace",
        "name": "functions",
        "description": "Runs.",
        "tools": [{"type": "custom", "name": "exec"}],
    },
]


async def calls_then_answers(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    yield started(run)
    if run.request.messages[-1].role == "tool":
        yield TextDelta("Done")
        yield finished("Done")
        return
    yield ToolCallDelta(0, "call_1", "look", '{"q"')
    yield ToolCallDelta(0, arguments=":1}")
    yield ToolCallDelta(1, "call_2", "functions__exec", '{"input":"ls"}')
    yield finished("", *CALLS)


def _ending(event: AnswerFinished, completion: Completion, shared: dict[str, Any]) -> tuple[Event, ...]:
    run_id = shared["run_id"]
    return (
        StepFinished(id=f"{run_id}:te", **shared, step_id="turn.1", completion=completion),
        RunFinished(
            id=f"{run_id}:ended",
            **shared,
            finish_reason=event.finish_reason,
            answer=event.message.text,
            usage=event.usage,
            total_usage=event.total_usage,
            cost_usd=event.cost_usd,
            panel=event.panel,
        ),
    )


def calls_of(response: Any) -> list[str]:
    """The ids of the calls in the SDK's response."""
    return [item.call_id for item in response.output]


def outputs(calls: Sequence[str]) -> Any:
    """The results of the calls with these two ids."""
    look, run = calls
    return [
        {"type": "function_call_output", "call_id": look, "output": "found"},
        {
            "type": "custom_tool_call_output",
            "call_id": run,
            "output": [{"type": "input_text", "text": "all"}],
        },
    ]
