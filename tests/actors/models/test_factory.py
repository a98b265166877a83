from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from actors.models.factory import ModelFactory
from actors.models.scripted.server import serving
from tests.actors.models.conftest import Serve
from tests.actors.models.sums import drained, lawful
from workflows.errors import SetupInvalid, WorkflowInvalid
from workflows.messages import ChatRequest, Message, Sampling, Usage
from workflows.spec import ModelSpec, PriceSpec

HELLO = ChatRequest((Message.of("user", "Hello"),))


async def nowhere() -> str:
    raise AssertionError("nobody asks for the embedded model here")


def factory(**secrets: str) -> ModelFactory:
    return ModelFactory(secrets.get, nowhere)


async def test_a_model_of_a_workflow_gets_its_key_headers_parameters_and_price(serve: Serve) -> None:
    asked: list[tuple[Any, Any]] = []

    async def handler(http: web.Request) -> web.StreamResponse:
        asked.append((http.headers.copy(), await http.json()))
        usage = {"prompt_tokens": 1000, "completion_tokens": 1000}
        chunk = {"choices": [{"delta": {"content": "yes"}, "finish_reason": "stop"}], "usage": usage}
        return web.Response(body=b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n")

    models = factory(MY_KEY="secret")
    spec = ModelSpec(
        model="served",
        base_url=await serve(handler),
        api_key_env="MY_KEY",
        headers={"x-team": "blue"},
        temperature=0.2,
        max_tokens=50,
        price=PriceSpec(input=1.0, output=2.0),
    )
    try:
        wanted = ChatRequest(HELLO.messages, sampling=Sampling(max_tokens=7))
        completion = lawful(await drained(models.model(spec).stream(wanted)))
    finally:
        await models.aclose()
    headers, told = asked[0]
    assert (headers["authorization"], headers["x-team"]) == ("Bearer secret", "blue")
    assert (told["model"], told["temperature"], told["max_tokens"]) == ("served", 0.2, 7)
    assert completion.usage == Usage(1000, 1000)
    assert completion.cost_usd == pytest.approx(0.003)


def test_a_key_that_is_not_there_is_named_with_the_way_out() -> None:
    spec = ModelSpec(model="m", base_url="http://127.0.0.1:1", api_key_env="MY_KEY")
    with pytest.raises(SetupInvalid, match="MY_KEY"):
        factory().model(spec)


async def test_all_models_of_a_process_share_its_connections() -> None:
    async with serving([{"answer": "yes"}]) as upstream:
        models = factory()
        for name in ("a", "b", "a"):
            spec = ModelSpec(model=name, base_url=upstream.base_url)
            lawful(await drained(models.model(spec).stream(HELLO)))
        await models.aclose()
        assert len({seen.caller for seen in upstream.seen}) == 1


def test_the_same_model_is_made_once() -> None:
    models = factory()
    assert models.model(ModelSpec(provider="scripted", script=[{"answer": "x"}])) is models.model(
        ModelSpec(provider="scripted", script=[{"answer": "x"}])
    )


async def test_a_script_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text("- answer: from a file\n")
    spec = ModelSpec(provider="scripted", script=str(file))
    completion = lawful(await drained(factory().model(spec).stream(HELLO)))
    assert completion.message.text == "from a file"
    assert completion.cost_usd == 0.0


@pytest.mark.parametrize(
    "script", ["/nowhere/script.yaml", [{"answer": "x", "fail": {"status": 500}}], [{"anser": "x"}]]
)
def test_a_script_that_cannot_be_used_is_a_problem_of_the_workflow(script: Any) -> None:
    with pytest.raises(WorkflowInvalid):
        factory().model(ModelSpec(provider="scripted", script=script))


async def test_a_closed_factory_can_be_used_again() -> None:
    async with serving([{"answer": "yes"}]) as upstream:
        models, spec = factory(), ModelSpec(model="m", base_url=upstream.base_url)
        for _ in range(2):
            lawful(await drained(models.model(spec).stream(HELLO)))
            await models.aclose()


def test_openai_compatible_models_do_not_import_litellm() -> None:
    code = (
        "import sys; from actors.models.factory import ModelFactory; from workflows.spec import ModelSpec\n"
        "async def nowhere(): ...\n"
        "ModelFactory(lambda _: None, nowhere).model(ModelSpec(model='m', base_url='http://127.0.0.1:1'))\n"
        "assert not {'litellm', 'ray', 'xllamacpp'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # our own interpreter
