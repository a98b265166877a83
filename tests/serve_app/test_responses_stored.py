"""Stored responses, as the official SDK sees them."""

from typing import Any

import openai
import pytest

from tests.serve_app.response_shapes import assert_item_list, assert_response
from tests.serve_app.responses_door import TOOLS, calls_of, calls_then_answers, opened, outputs
from tests.serve_app.scripted_host import MODEL, says
from workflows.messages import Message


async def test_a_conversation_goes_on_by_the_id_of_its_last_response() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        first = await responses.create(model=MODEL, input="Hi", tools=TOOLS, instructions="Be brief.")
        second = await responses.create(
            model=MODEL, input=outputs(calls_of(first)), tools=TOOLS, previous_response_id=first.id
        )
        await responses.create(model=MODEL, input="Thanks", previous_response_id=second.id)
    assert second.previous_response_id == first.id
    told = door.host.runs[2].request.messages
    assert [message.role for message in told] == ["user", "assistant", "tool", "tool", "assistant", "user"]
    assert told[4:] == (Message.of("assistant", "Done"), Message.of("user", "Thanks"))


async def test_a_stored_response_is_shown_as_it_was_given_and_forgotten_when_asked_to() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        raw = await responses.with_raw_response.create(
            model=MODEL, input="Hi", tools=TOOLS, metadata={"a": "b"}, instructions="Be brief."
        )
        given = raw.http_response.json()
        again = (await responses.with_raw_response.retrieve(given["id"])).http_response.json()
        times = {"created_at", "completed_at"}
        assert {k: v for k, v in again.items() if k not in times} == {
            k: v for k, v in given.items() if k not in times
        }
        assert_response(again)
        with pytest.raises(openai.BadRequestError, match="background"):
            await responses.cancel(given["id"])
        await responses.delete(given["id"])
        for gone in (responses.retrieve, responses.delete, responses.cancel, responses.input_items.list):
            with pytest.raises(openai.NotFoundError) as caught:
                await gone(given["id"])
            assert caught.value.code == "response_not_found"


async def test_what_is_not_to_be_stored_is_not_found() -> None:
    async with opened(says("Hi")) as door:
        responses = door.client.responses
        answer = await responses.create(model=MODEL, input="Hi", store=False)
        with pytest.raises(openai.NotFoundError):
            await responses.retrieve(answer.id)
        with pytest.raises(openai.BadRequestError) as caught:
            await responses.create(model=MODEL, input="Hi", previous_response_id=answer.id)
        # Another door's run is nobody's response.
        chat = await door.client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}]
        )
        with pytest.raises(openai.NotFoundError):
            await responses.retrieve(chat.id.replace("chatcmpl-", "resp_"))
    assert caught.value.param == "previous_response_id"


async def test_input_items_are_listed_in_pages() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        first = await responses.create(model=MODEL, input="Hi", tools=TOOLS)
        second = await responses.create(
            model=MODEL, input=outputs(calls_of(first)), tools=TOOLS, previous_response_id=first.id
        )
        raw = await responses.input_items.with_raw_response.list(second.id, limit=2, order="asc")
        assert_item_list(raw.http_response.json())
        listed = [item.type async for item in responses.input_items.list(second.id, limit=2, order="asc")]
        newest = await responses.input_items.list(second.id, limit=1)
    expected = [
        "message",
        "function_call",
        "custom_tool_call",
        "function_call_output",
        "custom_tool_call_output",
    ]
    assert listed == expected
    assert [item.type for item in newest.data] == expected[-1:]
    assert newest.has_more


async def test_earlier_items_may_be_referred_to_by_their_ids() -> None:
    async with opened(calls_then_answers) as door:
        responses = door.client.responses
        first = await responses.create(model=MODEL, input="Hi", tools=TOOLS)
        referred: Any = [{"type": "item_reference", "id": item.id} for item in first.output]
        sent: Any = [{"role": "user", "content": "Hi"}, *referred, *outputs(calls_of(first))]
        await responses.create(model=MODEL, input=sent, tools=TOOLS)
        with pytest.raises(openai.BadRequestError, match="not found"):
            await responses.create(model=MODEL, input=[{"type": "item_reference", "id": "msg_0_0"}])
    assert len(door.host.runs[1].request.messages[1].tool_calls) == 2
