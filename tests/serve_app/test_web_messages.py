"""Anthropic Messages in the whole application without a socket: keys, sizes, ids, errors, what clients send."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serve_app.dialect import speaks_anthropic
from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import KEY, MODEL, ScriptedHost, ScriptedRecords, plays, says
from tests.serve_app.sdk_shapes import assert_anthropic_error
from workflows.answer import AnswerFailed
from workflows.errors import Failure
from workflows.messages import TextDelta

HELLO = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture
def host() -> ScriptedHost:
    return ScriptedHost(says("Hi"))


@pytest.fixture
async def client(host: ScriptedHost) -> AsyncIterator[httpx.AsyncClient]:
    app = web_app(host, ScriptedRecords(), KEY, Limits(max_body_bytes=20_000))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers={"x-api-key": KEY}
    ) as client:
        yield client


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    """Status, type and message, after a look at the shape."""
    assert_anthropic_error(response.json())
    assert response.json()["request_id"] == response.headers["request-id"]
    error: dict[str, Any] = response.json()["error"]
    return response.status_code, error["type"], error["message"]


# --- which API a request speaks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "root", "version", "anthropic"),
    [
        (MESSAGES, "", False, True),
        (COUNT, "", False, True),
        ("/fusion/v1/messages", "/fusion", False, True),
        ("/v1/models", "", True, True),
        ("/", "", True, True),
        ("/v1/models", "", False, False),
        ("/v1/messagesque", "", False, False),
        ("/v1/chat/completions", "", False, False),
    ],
)
def test_the_path_or_the_version_header_tells(path: str, root: str, version: bool, anthropic: bool) -> None:
    headers = [(b"anthropic-version", b"2023-06-01")] if version else []
    scope = {"type": "http", "path": path, "root_path": root, "headers": headers}
    assert speaks_anthropic(scope) is anthropic


async def test_codex_gets_a_catalogue_in_place_of_a_list(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/models?client_version=0.169.0")
    assert response.json() == {"models": []}


async def test_every_response_has_its_id_under_both_names(client: httpx.AsyncClient) -> None:
    response = await client.post(MESSAGES, json=HELLO)
    assert response.headers["request-id"] == response.headers["x-request-id"]
    given = await client.post(MESSAGES, json=HELLO, headers={"x-request-id": "serve-1"})
    assert given.headers["request-id"] == "serve-1"
    assert "request-id" not in (await client.get("/v1/models")).headers


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"), [("POST", MESSAGES), ("POST", COUNT), ("GET", "/v1/models"), ("GET", "/nowhere")]
)
async def test_without_the_key_there_is_a_401_that_does_not_echo(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await client.request(method, path, headers={"x-api-key": "sk-guessed", **VERSION})
    status, kind, _ = error_of(response)
    assert (status, kind) == (401, "authentication_error")
    assert "guessed" not in response.text
    assert response.headers["x-should-retry"] == "false"


async def test_the_key_may_come_as_a_bearer_token(client: httpx.AsyncClient) -> None:
    del client.headers["x-api-key"]
    response = await client.post(MESSAGES, json=HELLO, headers={"authorization": f"Bearer {KEY}"})
    assert response.status_code == 200


async def test_a_large_body_is_a_413(client: httpx.AsyncClient) -> None:
    response = await client.post(
        MESSAGES, content=b" " * 30_000, headers={"content-type": "application/json"}
    )
    assert error_of(response)[:2] == (413, "request_too_large")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/api/hello", "/v1/organizations"])
async def test_an_unknown_path_is_a_404(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path, headers=VERSION)
    assert response.status_code == 404
    if method == "GET":
        assert error_of(response)[1] == "not_found_error"


async def test_a_wrong_method_is_a_405_that_names_the_right_one(client: httpx.AsyncClient) -> None:
    response = await client.get(MESSAGES)
    assert error_of(response)[:2] == (405, "invalid_request_error")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
async def test_an_unknown_model_is_a_404(client: httpx.AsyncClient, path: str) -> None:
    status, kind, message = error_of(await client.post(path, json={**HELLO, "model": "claude"}))
    assert (status, kind) == (404, "not_found_error")
    assert "claude" in message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]},
            "messages.0.content.0.source.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
            "messages.0.content.0.tool_use_id",
        ),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tool_choice": {"type": "sometimes"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "tool", "name": "lost"}}, "tool_choice"),
        ({"temperature": "warm"}, "temperature"),
        ({"stop_sequences": "END"}, "stop_sequences"),
    ],
)
async def test_a_wrong_field_is_named_in_the_clients_own_terms(
    client: httpx.AsyncClient, host: ScriptedHost, change: dict[str, Any], field: str
) -> None:
    status, kind, message = error_of(await client.post(MESSAGES, json={**HELLO, **change}))
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith(f"{field}: ")
    assert not host.runs


async def test_missing_max_tokens_are_named(client: httpx.AsyncClient) -> None:
    body = {name: value for name, value in HELLO.items() if name != "max_tokens"}
    assert error_of(await client.post(MESSAGES, json=body))[2] == "max_tokens: Field required"
    assert (await client.post(COUNT, json=body)).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
async def test_what_is_no_json_object_is_a_400(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post(MESSAGES, content=content, headers={"content-type": "application/json"})
    assert error_of(response)[:2] == (400, "invalid_request_error")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (Failure("upstream_busy", "Slow down.", retryable=True, retry_after=3.0), 429, "rate_limit_error"),
        (Failure("lane_lost", "Lost.", retryable=True), 529, "overloaded_error"),
        (Failure("overloaded", "Full.", retryable=True), 529, "overloaded_error"),
        (Failure("upstream_timeout", "Late.", retryable=True), 504, "timeout_error"),
        (Failure("upstream_refused", "The provider refused our key."), 502, "api_error"),
        (Failure("run_failed", "It broke."), 500, "api_error"),
    ],
)
async def test_a_run_that_fails_early_has_a_status_of_its_own(
    client: httpx.AsyncClient, host: ScriptedHost, *, failure: Failure, status: int, kind: str, stream: bool
) -> None:
    host.script = plays(AnswerFailed(failure=failure))
    response = await client.post(MESSAGES, json={**HELLO, "stream": stream})
    *what, message = error_of(response)
    assert (what, message.startswith(failure.message)) == ([status, kind], True)
    assert ("retry-after" in response.headers) is (status in {429, 529})
    assert ("x-should-retry" in response.headers) is not failure.retryable


async def test_a_run_that_fails_in_mid_stream_ends_with_an_error_event(
    client: httpx.AsyncClient, host: ScriptedHost
) -> None:
    host.script = plays(TextDelta("Hel"), AnswerFailed(failure=Failure("run_failed", "It broke.")))
    response = await client.post(MESSAGES, json={**HELLO, "stream": True})
    last = response.text.removesuffix("\n\n").split("\n\n")[-1]
    assert last == (
        'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"It broke."},'
        f'"request_id":"{response.headers["request-id"]}"}}'
    )
    assert "message_stop" not in response.text


# --- what clients send --------------------------------------------------------------------------------------

CACHED = {"cache_control": {"type": "ephemeral"}}
CLAUDE_CODE: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 32_000,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.f8c; cc_entrypoint=cli;"},
        {"type": "text", "text": "You are an agent.", **CACHED},
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system-reminder>x</system-reminder>"},
                {"type": "text", "text": "Hi"},
            ],
        },
        {"role": "system", "content": [{"type": "text", "text": "# Environment", **CACHED}]},
    ],
    "tools": [
        {"name": "Bash", "description": "Runs.", "input_schema": {"$schema": "x", "type": "object"}},
        {
            "name": "DeferredToolPlaceholder",
            "description": "",
            "input_schema": {"type": "object"},
            "defer_loading": True,
        },
    ],
    "metadata": {"user_id": '{"device_id":"' + "0" * 64 + '","account_uuid":"","session_id":"s"}'},
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "safeguards": [{"type": "dangerous_tool_use", "classifier_context": {}}],
}
"""What Claude Code 2.1.330 sends, shortened."""


async def test_claude_code_is_understood(client: httpx.AsyncClient, host: ScriptedHost) -> None:
    betas = {"anthropic-beta": "claude-code-20250219,mid-conversation-tool-changes-2026-07-01", **VERSION}
    response = await client.post(f"{MESSAGES}?beta=true", json=CLAUDE_CODE, headers=betas)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    request = host.runs[0].request
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "You are an agent."),
        ("user", "<system-reminder>x</system-reminder>Hi"),
        ("system", "# Environment"),
    ]
    assert [tool.name for tool in request.tools] == ["Bash"]
    assert request.sampling.reasoning_effort == "high"


async def test_a_title_request_is_one_for_json_without_tools(
    client: httpx.AsyncClient, host: ScriptedHost
) -> None:
    """That is how a run knows that it is a side request, which takes one model."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    title = {**HELLO, "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    await client.post(MESSAGES, json=title)
    assert host.runs[0].request.response_format
    assert host.runs[0].panel is None


async def test_the_controls_reach_the_run(client: httpx.AsyncClient, host: ScriptedHost) -> None:
    await client.post(MESSAGES, json=HELLO, headers={"x-stellarator-fusion": "always"})
    await client.post(MESSAGES, json={**HELLO, "tool_choice": {"type": "tool", "name": "problem_review"}})
    assert [(run.panel, run.panel_tool) for run in host.runs] == [
        ("always", ""),
        ("always", "problem_review"),
    ]
    response = await client.post(MESSAGES, json=HELLO, headers={"x-stellarator-fusion": "perhaps"})
    assert error_of(response)[2].startswith("x-stellarator-fusion: ")


async def test_the_document_describes_the_errors_of_this_api(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    create = document["paths"][MESSAGES]["post"]
    assert create["responses"]["4XX"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "AnthropicErrorEnvelope"
    )
    assert set(create["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    whole = document["components"]["schemas"]["WholeMessage"]
    assert set(whole["required"]) == set(whole["properties"])
