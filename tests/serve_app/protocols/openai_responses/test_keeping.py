"""What is kept of a request, sealed, and repeated in the response."""

import json

from hypothesis import given
from hypothesis import strategies as st

from serve_app.protocols.openai_responses.body import begun
from serve_app.protocols.openai_responses.seals import sealed, unsealed
from tests.serve_app.protocols.openai_responses.test_translate import (
    AGENTS,
    LOOK,
    PATCH,
    SEARCH,
    USER,
    WEB,
    body,
    run,
)
from tests.serve_app.response_shapes import assert_response


def test_compactions_are_asked_of_one_model_without_tools() -> None:
    trigger = run((), USER, {"type": "compaction_trigger"}, tools=[LOOK])
    assert (trigger.panel, trigger.request.tools) == ("never", ())
    assert "handover note" in trigger.request.last_user_text
    worded = {"role": "user", "content": "You are performing a CONTEXT CHECKPOINT COMPACTION. Create"}
    assert run((), USER, worded, tools=[LOOK]).panel == "never"
    assert run((), USER).panel is None


def test_what_is_kept_is_the_request_as_it_came_and_nothing_when_unwanted() -> None:
    sent = run((), USER, tools=[LOOK], metadata={"a": "b"}, text={"format": {"type": "json_object"}})
    assert json.loads(json.dumps(sent.door)) == {
        "items": [{"type": "message", **USER}],
        "body": {
            "model": "fusion-review",
            "tools": [LOOK],
            "metadata": {"a": "b"},
            "text": {"format": {"type": "json_object"}},
        },
    }
    assert run((), USER, store=False).door == {}


def test_the_response_repeats_what_is_in_effect() -> None:
    response = begun(
        body(
            "Hi",
            instructions="Be brief.",
            tools=[LOOK, PATCH, AGENTS, SEARCH, WEB],
            tool_choice={"type": "function", "name": "look"},
            text={"verbosity": "low", "format": {"type": "json_schema", "name": "P", "schema": {}}},
            metadata={"a": "b"},
            parallel_tool_calls=False,
            previous_response_id="resp_0",
            max_output_tokens=5,
        ),
        "run_1",
        7,
    )
    assert_response(dict(response))
    assert [tool["type"] for tool in response["tools"]] == ["function", "custom", "namespace", "tool_search"]
    assert (response["id"], response["created_at"], response["status"]) == ("resp_1", 7, "in_progress")


@given(st.text(st.characters(exclude_categories=())))
def test_seals_open_again_and_only_as_what_they_are(text: str) -> None:
    assert unsealed("summary", sealed("summary", text)) == text
    assert unsealed("thinking", sealed("summary", text)) is None
