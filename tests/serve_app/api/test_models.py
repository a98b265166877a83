import json

import httpx

from serve_app.api.models import describe
from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import KEY, MODEL, SPEC, ScriptedHost, ScriptedRecords, says


def test_a_description_names_tools_branches_and_models() -> None:
    described = describe(SPEC)
    tool = described["tools"]["problem_review"]
    assert described["main"] == {"model": "main", "tools": ["problem_review"]}
    assert [branch["name"] for branch in tool["branches"]] == ["risks"]
    assert tool["collect"]["deadline"] == 150.0
    assert described["models"]["critic"]["provider"] == "openai_compatible"


def test_a_description_holds_no_secret() -> None:
    """The workflow under test has the word in every place that may hold one."""
    assert "hush" not in json.dumps(describe(SPEC)).lower()


async def test_it_is_served_and_an_unknown_name_is_a_404() -> None:
    app = web_app(ScriptedHost(says("Hi")), ScriptedRecords(), KEY, Limits())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers={"x-api-key": KEY}
    ) as client:
        shown = (await client.get(f"/api/models/{MODEL}")).json()
        assert shown == {**describe(SPEC), "version": 0, "hash": ""}
        unknown = await client.get("/api/models/gpt-5")
    assert unknown.status_code == 404
    assert unknown.json()["error"]["code"] == "model_not_found"
