import asyncio
import json

import pytest

from serve_app.cli.main import run
from serve_app.cli.status import OTHER_KEY, Health, health_of
from serve_app.hosting import Limits
from serve_app.web import web_app
from tests.serve_app.scripted_host import KEY, ScriptedHost, ScriptedRecords, says, serving


async def test_a_server_that_is_well_tells_its_models() -> None:
    app = web_app(ScriptedHost(says("x")), ScriptedRecords(), KEY, Limits())
    async with serving(app) as address:
        assert await asyncio.to_thread(health_of, address, KEY) == Health("ok", ("fusion-review",))
        for other in ("sk-wrong", ""):
            refused = await asyncio.to_thread(health_of, address, other)
            assert refused == Health(OTHER_KEY)


def test_a_server_that_does_not_answer_is_not_well() -> None:
    assert health_of("http://127.0.0.1:9", KEY).word == "does not answer (ConnectError)"


@pytest.mark.usefixtures("home")
def test_nothing_running_is_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status"]) == 1
    assert "Nothing is running" in capsys.readouterr().err
    assert run(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"running": False, "health": "down"}


@pytest.mark.usefixtures("home")
def test_stopping_nothing_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"]) == 0
    assert "Nothing is running" in capsys.readouterr().err
