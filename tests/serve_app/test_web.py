"""The whole application without a socket: keys, sizes, ids, errors, and the document that describes it."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx
import pytest

from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import KEY, MODEL, ScriptedHost, ScriptedRecords, plays, says, started
from workflows.answer import AnswerEvent, AnswerFailed, RunRequest
from workflows.errors import Failure

HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
CHAT = "/v1/chat/completions"


@pytest.fixture
def host() -> ScriptedHost:
    return ScriptedHost(says("Hi"))


@pytest.fixture
async def client(host: ScriptedHost) -> AsyncIterator[httpx.AsyncClient]:
    app = web_app(host, ScriptedRecords(), KEY, Limits(max_body_bytes=4000))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"authorization": f"Bearer {KEY}"},
    ) as client:
        yield client


def error_of(response: httpx.Response) -> dict[str, Any]:
    assert set(response.json()) == {"error"}
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def test_an_unstreamed_answer_has_the_runs_facts_in_its_headers(
    client: httpx.AsyncClient, host: ScriptedHost
) -> None:
    response = await client.post(CHAT, json=HELLO)
    assert response.status_code == 200
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["x-stellarator-run-id"] == host.runs[0].run_id
    assert response.headers["x-stellarator-panel"] == "ran"
    assert response.headers["x-stellarator-cost-usd"] == "0.012500"


async def test_a_stream_names_its_run_in_the_headers(client: httpx.AsyncClient, host: ScriptedHost) -> None:
    response = await client.post(CHAT, json={**HELLO, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-stellarator-run-id"] == host.runs[0].run_id
    assert response.text.endswith("data: [DONE]\n\n")


async def test_the_controls_reach_the_run(client: httpx.AsyncClient, host: ScriptedHost) -> None:
    await client.post(CHAT, json=HELLO, headers={"x-stellarator-fusion": "never", "x-stellarator-depth": "1"})
    assert (host.runs[0].panel, host.runs[0].depth) == ("never", 1)


@pytest.mark.parametrize("given", ["", "has space", "x" * 200, "a\tb"])
async def test_a_request_id_that_could_spoil_a_log_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/v1/models", headers={"x-request-id": given})
    assert response.headers["x-request-id"].startswith("req_")


async def test_a_request_that_has_an_id_keeps_it_and_is_not_told_it_twice(
    client: httpx.AsyncClient, host: ScriptedHost
) -> None:
    """Ray Serve gives every request an id and puts it on the response itself."""
    host.script = explodes
    response = await client.post(CHAT, json=HELLO, headers={"x-request-id": "serve-1"})
    assert "serve-1" in error_of(response)["message"]
    assert "x-request-id" not in response.headers


# --- the key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/api/runs", "/nowhere"])
@pytest.mark.parametrize("header", [{"authorization": "Bearer sk-guessed"}, {"x-api-key": "sk-guessed"}, {}])
async def test_without_the_key_there_is_a_401_that_does_not_echo(
    client: httpx.AsyncClient, path: str, header: dict[str, str]
) -> None:
    del client.headers["authorization"]
    response = await client.get(path, headers=header)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert error_of(response)["code"] == "invalid_api_key"
    assert "guessed" not in response.text
    assert response.headers["x-request-id"]


async def test_the_key_may_come_as_x_api_key(client: httpx.AsyncClient) -> None:
    del client.headers["authorization"]
    assert (await client.get("/v1/models", headers={"x-api-key": KEY})).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/docs"])
async def test_some_paths_need_no_key(client: httpx.AsyncClient, path: str) -> None:
    del client.headers["authorization"]
    assert (await client.get(path)).status_code == 200


async def test_free_paths_are_free_behind_a_route_prefix_and_nothing_else_is(host: ScriptedHost) -> None:
    app = web_app(host, ScriptedRecords(), KEY, Limits())
    transport = httpx.ASGITransport(app, root_path="/fusion")
    async with httpx.AsyncClient(transport=transport, base_url="http://test/fusion") as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/models")).status_code == 401


# --- sizes --------------------------------------------------------------------------------------------------


async def test_an_announced_large_body_is_a_413(client: httpx.AsyncClient, host: ScriptedHost) -> None:
    response = await client.post(CHAT, content=b" " * 5000, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert error_of(response)["code"] == "request_too_large"
    assert not host.runs


async def test_an_unannounced_large_body_is_a_413(client: httpx.AsyncClient, host: ScriptedHost) -> None:
    async def content() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 100

    response = await client.post(CHAT, content=content(), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert error_of(response)["code"] == "request_too_large"
    assert not host.runs


# --- what is wrong with a request ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "wizard", "content": "Hi"}]}, "messages.0.role"),
        ({"messages": [{"content": "Hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "tool", "content": "Hi"}]}, "messages.0.tool_call_id"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "lost"}}}, "tool_choice"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"temperature": "warm"}, "temperature"),
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities.1"),
    ],
)
async def test_a_wrong_field_is_named_in_the_clients_own_terms(
    client: httpx.AsyncClient, host: ScriptedHost, change: dict[str, Any], param: str
) -> None:
    response = await client.post(CHAT, json={**HELLO, **change})
    assert response.status_code == 400
    error = error_of(response)
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert error["message"].startswith(param)
    assert not host.runs


async def test_nan_is_no_number(client: httpx.AsyncClient) -> None:
    content = json.dumps({**HELLO, "temperature": float("nan")}).encode()
    response = await client.post(CHAT, content=content, headers={"content-type": "application/json"})
    assert (response.status_code, error_of(response)["param"]) == (400, "temperature")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 3000])
async def test_what_is_no_json_object_is_a_400(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post(CHAT, content=content, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"


async def test_a_missing_content_type_is_said(client: httpx.AsyncClient) -> None:
    response = await client.post(CHAT, content=b'{"model": "m"}')
    assert response.status_code == 400
    assert "Content-Type" in error_of(response)["message"]


@pytest.mark.parametrize("header", ["x-stellarator-fusion", "x-stellarator-depth"])
async def test_a_wrong_header_of_ours_is_named(client: httpx.AsyncClient, header: str) -> None:
    response = await client.post(CHAT, json=HELLO, headers={header: "perhaps"})
    assert (response.status_code, error_of(response)["param"]) == (400, header)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (CHAT, "POST"),
        ("/v1/models", "GET"),
        ("/v1/responses/resp_1", "DELETE, GET"),
        ("/v1/responses", "GET, POST"),
    ],
)
async def test_a_wrong_method_is_a_405_that_names_the_right_ones(
    client: httpx.AsyncClient, path: str, allowed: str
) -> None:
    response = await client.put(path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert error_of(response)["code"] == "method_not_allowed"


async def test_an_unknown_path_is_a_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/nothing")
    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_model_is_a_404(client: httpx.AsyncClient, stream: bool) -> None:
    response = await client.post(CHAT, json={**HELLO, "model": "gpt-5", "stream": stream})
    assert (response.status_code, error_of(response)["code"]) == (404, "model_not_found")


# --- what goes wrong in a run -------------------------------------------------------------------------------

BUSY = Failure("upstream_busy", "Slow down.", retryable=True, retry_after=3.0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_run_that_fails_early_has_a_status_of_its_own(
    client: httpx.AsyncClient, host: ScriptedHost, stream: bool
) -> None:
    host.script = plays(AnswerFailed(failure=BUSY))
    response = await client.post(CHAT, json={**HELLO, "stream": stream})
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert error_of(response)["message"] == "Slow down. Please try again in 3s."
    assert response.headers["x-stellarator-run-id"] == host.runs[0].run_id


async def explodes(run: RunRequest) -> AsyncGenerator[AnswerEvent, None]:
    yield started(run)
    raise RuntimeError("the prompt was: sk-secret")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_unforeseen_error_is_a_500_without_details(
    client: httpx.AsyncClient, host: ScriptedHost, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    host.script = explodes
    response = await client.post(CHAT, json={**HELLO, "stream": stream})
    assert response.status_code == 500
    assert response.headers["x-request-id"] in error_of(response)["message"]
    assert "secret" not in response.text + caplog.text
    assert caplog.text.count("RuntimeError") == 1


# --- the document -------------------------------------------------------------------------------------------


async def test_the_document_describes_every_route_and_the_key(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        CHAT,
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/responses",
        "/v1/responses/compact",
        "/v1/responses/input_tokens",
        "/v1/responses/{response_id}",
        "/v1/responses/{response_id}/cancel",
        "/v1/responses/{response_id}/input_items",
        "/v1/models",
        "/v1/models/{name}",
        "/api/models/{name}",
        "/api/runs",
        "/api/runs/{run_id}",
        "/api/runs/{run_id}/events",
        "/healthz",
    }
    assert not any(
        "422" in each["responses"] for path in document["paths"].values() for each in path.values()
    )
    create = document["paths"][CHAT]["post"]
    assert set(create["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert create["security"]
    assert "security" not in document["paths"]["/healthz"]["get"]
    completion = document["components"]["schemas"]["ChatCompletion"]
    assert set(completion["required"]) == set(completion["properties"])
