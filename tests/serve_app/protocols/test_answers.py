from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from serve_app.errors import AnswerError
from serve_app.protocols.answers import succeeding, whole
from tests.serve_app.scripted_host import finished
from workflows.answer import AnswerEvent, AnswerFailed
from workflows.errors import Failure
from workflows.messages import TextDelta

HI = TextDelta("Hi")


async def stream(*events: AnswerEvent) -> AsyncGenerator[AnswerEvent, None]:
    for event in events:
        yield event


async def test_a_complete_answer_passes_unchanged() -> None:
    assert [event async for event in succeeding(stream(HI, finished("Hi")))] == [HI, finished("Hi")]
    assert await whole(stream(HI, finished("Hi"))) == finished("Hi")


async def test_a_failure_is_raised_after_what_came_before_it() -> None:
    failure = Failure("upstream_busy", "Busy.", retryable=True, retry_after=3.0)
    answer = succeeding(stream(HI, AnswerFailed(failure=failure)))
    assert await anext(answer) == HI
    with pytest.raises(AnswerError) as caught:
        await anext(answer)
    assert caught.value.failure() == failure


async def test_an_answer_without_an_end_is_no_answer() -> None:
    with pytest.raises(AnswerError, match="ended before it was complete"):
        await whole(stream(HI))


async def test_closing_the_reader_closes_the_source() -> None:
    closed = False

    async def source() -> AsyncGenerator[AnswerEvent, None]:
        nonlocal closed
        try:
            yield HI
            yield HI
        finally:
            closed = True

    async with aclosing(succeeding(source())) as answer:
        await anext(answer)
    assert closed
