"""The scripted model in process and over HTTP: one language, one behaviour."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.models.openai_compatible.client import OpenAICompatibleModel
from actors.models.openai_compatible.pool import connection_pool
from actors.models.scripted.client import ScriptedModel
from actors.models.scripted.script import Script
from actors.models.scripted.server import running, serving
from tests.actors.models.sums import drained, lawful
from workflows.errors import UpstreamBusy, UpstreamError
from workflows.messages import ChatRequest, Completion, Message, Text, Tool, ToolResult

ASKED = ChatRequest(
    (
        Message.of("system", "You judge risks."),
        Message.of("user", "Review the plan"),
        Message("tool", (ToolResult("a", (Text("the notes"),)),)),
    ),
    (Tool("problem_review", "", {"type": "object"}),),
)


async def outcome(stream: Any) -> Completion | UpstreamError:
    try:
        return lawful(await drained(stream))
    except UpstreamError as error:
        return error


@pytest.mark.parametrize(
    "rule",
    [
        {"answer": "It is sound.", "chunks": 3, "reasoning": "hm"},
        {"json": {"consensus": ["a"], "confidence": 0.5}},
        {"echo": True},
        {"match": {"contains": "notes", "has_tool": "problem_review"}, "answer": "seen"},
        {"tool_calls": [{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": "not json"}]},
        {"answer": "x", "usage": {"input": 12, "output": 34}},
        {"fail": {"status": 429, "message": "slow down", "retry_after": 2}},
        {"fail": {"status": 401}},
        {"answer": ""},
        {"answer": "half an answer", "chunks": 2, "disconnect": True},
        {"match": {"model": "another"}, "answer": "x"},
    ],
)
async def test_the_model_in_process_and_the_upstream_play_a_rule_alike(
    pool: httpx.AsyncClient, rule: dict[str, Any]
) -> None:
    here = await outcome(ScriptedModel(Script.read([rule]), "m").stream(ASKED))
    async with serving([rule]) as upstream:
        there = await outcome(OpenAICompatibleModel(pool, upstream.base_url, "m").stream(ASKED))
    assert type(here) is type(there)
    if isinstance(here, Completion) and isinstance(there, Completion):
        assert here.message.text == there.message.text
        assert here.message.tool_calls == there.message.tool_calls
        assert (here.finish_reason, here.usage, here.model) == (there.finish_reason, there.usage, there.model)
    elif isinstance(here, UpstreamBusy) and isinstance(there, UpstreamBusy):
        assert (here.status, here.detail, here.retry_after) == (there.status, there.detail, there.retry_after)


async def test_an_unstreamed_answer_has_the_shape_of_one() -> None:
    async with serving([{"answer": "whole"}]) as upstream, httpx.AsyncClient() as http:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi there"}]}
        told = (await http.post(f"{upstream.base_url}/chat/completions", json=body)).json()
    assert told["choices"][0]["message"] == {"role": "assistant", "content": "whole"}
    assert told["usage"] == {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b"{}", b'{"model": "m", "messages": 3}'])
async def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    async with serving([{"answer": "x"}]) as upstream, httpx.AsyncClient() as http:
        response = await http.post(f"{upstream.base_url}/chat/completions", content=body)
    assert response.status_code == 400
    assert upstream.seen == []


def test_the_upstream_on_a_thread_keeps_a_log_that_anybody_can_read() -> None:
    with running([{"answer": "yes"}, {"hang": True}]) as upstream, httpx.Client() as http:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        http.post(f"{upstream.base_url}/chat/completions", json=body, headers={"authorization": "Bearer x"})
        (seen,) = http.get(upstream.base_url.removesuffix("v1") + "log").json()
    assert (seen["model"], seen["last_message"], seen["authorization"]) == ("m", "Hi", True)
    assert seen["outcome"] == "answered"
    assert seen["started"] <= seen["ended"]


async def test_a_thousand_calls_sleep_at_once() -> None:
    async with serving([{"answer": "yes", "delay": 1.0}]) as upstream, connection_pool() as pool:
        model = OpenAICompatibleModel(pool, upstream.base_url, "m")
        async with asyncio.timeout(60):
            await asyncio.gather(*(drained(model.stream(ASKED)) for _ in range(1000)))
    assert len(upstream.seen) == 1000
    assert {seen.outcome for seen in upstream.seen} == {"answered"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_says_where_it_is_and_stops_when_told(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("- match: {contains: Hi}\n  answer: Hello\n- hang: true\n")
    command = [sys.executable, "-m", "actors.models.scripted.server", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # our own interpreter
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
            told = httpx.post(f"{base_url}/chat/completions", json=body).json()
            assert told["choices"][0]["message"]["content"] == "Hello"
            process.send_signal(number)
            assert process.wait(20) == 0
        finally:
            process.kill()
