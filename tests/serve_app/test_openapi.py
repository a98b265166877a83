"""Our OpenAPI document and the application keep each other's word: schemathesis calls what the document allows.

Every answer must have a documented status, content type and shape, and none may be a server's error. That requests
are refused which the document cannot tell from good ones (a `tool_choice` that names no tool) is as it should be.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.responses_door import recorded
from tests.serve_app.scripted_host import KEY, MODEL, ScriptedHost, ScriptedRecords, says
from tests.workflows.stories import fusion_run
from workflows.answer import RunRequest
from workflows.messages import ChatRequest, Message

EXAMPLES = 12
KEPT = {
    "model": {"model": MODEL, "input": "Hi"},
    "items": [{"type": "message", "role": "user", "content": "Hi"}],
}
RUN, RESPONSE = "run_1", "resp_0123"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


def records() -> ScriptedRecords:
    """A run with a panel, and a stored response."""
    kept = ScriptedRecords(*fusion_run(RUN))
    run = RunRequest(
        run_id="run_0123",
        virtual_model=MODEL,
        protocol="openai_responses",
        request=ChatRequest((Message.of("user", "Hi"),)),
        door={"body": {"model": MODEL}, "items": KEPT["items"]},
    )

    async def answer() -> None:
        async for _ in recorded(says("Hello"), kept)(run):
            pass

    asyncio.run(answer())
    return kept


APP = web_app(ScriptedHost(says("Hello", reasoning="Hmm")), records(), KEY, Limits())
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)
OPERATIONS: dict[str, Any] = {
    found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)
}
NAMED = {"name": MODEL, "run_id": RUN, "response_id": RESPONSE}


@pytest.mark.parametrize("label", OPERATIONS)
def test_whatever_the_document_allows_is_answered_as_it_says(label: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=OPERATIONS[label].as_strategy(), is_known=st.booleans())
    def answered(case: Any, is_known: bool) -> None:
        if isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = MODEL
        for name in case.path_parameters or {}:
            case.path_parameters[name] = NAMED[name] if is_known else "nobody_knows_me"
        case.call_and_validate(headers={"authorization": f"Bearer {KEY}"}, checks=CHECKS)

    answered()


def test_every_operation_is_described_and_says_what_comes_back() -> None:
    for path, operations in APP.openapi()["paths"].items():
        for method, told in operations.items():
            content = told["responses"]["200"]["content"]
            assert told["description"], (method, path)
            assert content["application/json"]["schema"] or "text/event-stream" in content, (method, path)
