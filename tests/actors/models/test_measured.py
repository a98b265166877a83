"""Each call is measured once, however it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing

import pytest

from actors.models.measured import Measured
from cluster import metrics
from cluster.instruments import CLIENT_DURATION, CLIENT_FIRST_CHUNK, CLIENT_TOKENS, Instrument
from workflows.errors import UpstreamBusy
from workflows.messages import ChatRequest, Completion, Message, StreamItem, TextDelta, Usage
from workflows.spec import ModelSpec

ASKED = ChatRequest((Message.of("user", "Hi"),))
SPEC = ModelSpec(model="openai/tiny", base_url="http://127.0.0.1:9100/v1")


class Taken:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[tuple[Instrument, float, Mapping[str, str]]] = []

    def record(self, instrument: Instrument, value: float, attributes: Mapping[str, str]) -> None:
        self.values.append((instrument, value, attributes))

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def of(self, instrument: Instrument) -> list[tuple[float, Mapping[str, str]]]:
        return [(value, told) for each, value, told in self.values if each is instrument]


@pytest.fixture
def taken() -> Iterator[Taken]:
    sink = Taken()
    metrics.use(sink)
    yield sink
    metrics.shutdown()


class Model:
    """Says a word, then what it was told to."""

    def __init__(self, end: Completion | Exception) -> None:
        self._end = end

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        assert request is ASKED
        yield TextDelta("yes")
        if isinstance(self._end, Exception):
            raise self._end
        yield self._end


def answered(*, estimated: bool = False) -> Completion:
    usage = Usage(10, 3, estimated=estimated)
    return Completion(Message.of("assistant", "yes"), "stop", usage, "tiny-2026", None)


async def drained(end: Completion | Exception) -> None:
    async with aclosing(Measured(Model(end), SPEC).stream(ASKED)) as items:
        async for _ in items:
            pass


async def test_an_answer_has_a_duration_a_first_chunk_and_its_tokens(taken: Taken) -> None:
    await drained(answered())
    ((seconds, told),) = taken.of(CLIENT_DURATION)
    assert seconds > 0
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "openai/tiny",
        "gen_ai.response.model": "tiny-2026",
        "server.address": "127.0.0.1",
        "server.port": "9100",
    }
    ((first, _),) = taken.of(CLIENT_FIRST_CHUNK)
    assert 0 < first <= seconds
    assert [(v, t["gen_ai.token.type"]) for v, t in taken.of(CLIENT_TOKENS)] == [(10, "input"), (3, "output")]


async def test_an_error_is_told_by_its_code_and_goes_on(taken: Taken) -> None:
    with pytest.raises(UpstreamBusy):
        await drained(UpstreamBusy("tiny", "full"))
    ((_, told),) = taken.of(CLIENT_DURATION)
    assert told["error.type"] == "upstream_busy"
    assert taken.of(CLIENT_TOKENS) == []


async def test_a_call_that_nobody_waits_for_any_more_is_cancelled(taken: Taken) -> None:
    async with aclosing(Measured(Model(answered()), SPEC).stream(ASKED)) as items:
        await anext(items)
    ((_, told),) = taken.of(CLIENT_DURATION)
    assert told["error.type"] == "cancelled"


async def test_estimated_tokens_are_not_reported_as_usage(taken: Taken) -> None:
    await drained(answered(estimated=True))
    assert taken.of(CLIENT_TOKENS) == []
    assert len(taken.of(CLIENT_DURATION)) == 1
