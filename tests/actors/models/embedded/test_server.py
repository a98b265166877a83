"""llama.cpp itself; with the real weights where they are already on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from actors.models.embedded import server as server_module
from actors.models.embedded.client import EmbeddedModel
from actors.models.embedded.server import EmbeddedServer
from actors.models.embedded.weights import SMOLLM2, weights_missing
from cluster.settings import Settings
from tests.actors.models.sums import drained, lawful
from workflows.analysis import schema
from workflows.errors import SetupInvalid
from workflows.messages import ChatRequest, Message, ResponseFormat, Sampling

HERE = Settings.from_env()
needs_weights = pytest.mark.skipif(
    weights_missing(HERE.home, HERE.embedded_weights),
    reason=f"the embedded model's weights ({SMOLLM2.requirement}) are not in {HERE.home}; `stellarator demo` fetches them",
)


def with_weights(path: Path, weights: Path) -> Settings:
    return Settings(home=path, database_url="sqlite://", embedded_weights=weights)


@pytest.mark.parametrize("content", [b"nonsense" * 100, b"GGUF" + bytes(1000)])
async def test_weights_that_are_none_are_a_problem_of_the_setup(tmp_path: Path, content: bytes) -> None:
    weights = tmp_path / "own.gguf"
    weights.write_bytes(content)
    server = EmbeddedServer(with_weights(tmp_path, weights))
    for _ in range(2):  # a failed start is not the last
        with pytest.raises(SetupInvalid, match="STELLARATOR_EMBEDDED_WEIGHTS"):
            await server.base_url()
    await server.close()


async def test_a_platform_without_llama_cpp_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_MODULE", "xllamacpp_of_another_platform")
    with pytest.raises(SetupInvalid, match="--provider"):
        await EmbeddedServer(with_weights(tmp_path, tmp_path / "none.gguf")).base_url()


async def test_closing_a_server_that_never_started_is_nothing(tmp_path: Path) -> None:
    await EmbeddedServer(with_weights(tmp_path, tmp_path / "none.gguf")).close()


@pytest.fixture
async def real() -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(HERE)
    yield server
    await server.close()


@needs_weights
async def test_the_model_answers_three_at_once_and_is_gone_when_closed(
    real: EmbeddedServer, pool: httpx.AsyncClient
) -> None:
    first, second = await asyncio.gather(real.base_url(), real.base_url())
    assert first == second
    model = EmbeddedModel(pool, real.base_url, "smollm2-135m-instruct")
    asked = ChatRequest((Message.of("user", "Name a colour."),), sampling=Sampling(max_tokens=8))
    answers = await asyncio.gather(*(drained(model.stream(asked)) for _ in range(3)))
    for items in answers:
        completion = lawful(items)
        assert completion.message.text
        assert completion.model == "smollm2-135m-instruct"
        assert 0 < completion.usage.output_tokens <= 8
    await real.close()
    with pytest.raises(httpx.TransportError):
        await pool.get(f"{first}/models")


@needs_weights
async def test_the_models_json_is_whole(real: EmbeddedServer, pool: httpx.AsyncClient) -> None:
    model = EmbeddedModel(pool, real.base_url, "smollm2-135m-instruct")
    wanted = ResponseFormat("json_schema", "analysis", schema(("A", "B")))
    asked = ChatRequest(
        (Message.of("user", "Answer A: yes. Answer B: no. Compare."),), response_format=wanted
    )
    completion = lawful(await drained(model.stream(asked)))
    assert completion.finish_reason == "stop"
    assert set(json.loads(completion.message.text)) == set(schema()["required"])


@needs_weights
async def test_a_prompt_of_any_length_and_script_fits(real: EmbeddedServer, pool: httpx.AsyncClient) -> None:
    model = EmbeddedModel(pool, real.base_url, "smollm2-135m-instruct")
    asked = ChatRequest((Message.of("user", "\u6d4b\u8bd5\u1200" * 3000),), sampling=Sampling(max_tokens=4))
    assert lawful(await drained(model.stream(asked))).usage.input_tokens < 2048
