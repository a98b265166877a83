"""Lanes as a coordinator sees them; the actors' ends are stood in for, since what is tested is their absence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError

from actors.runs import lanes
from actors.runs.lanes import RemoteLanes
from workflows.errors import ClusterError


class Supervisor:
    """Answers with one lane, or as a dead actor does."""

    def __init__(self) -> None:
        self.away = False
        self.lanes = SimpleNamespace(remote=self._lanes)

    async def _lanes(self, kind: str, _create: bool) -> dict[str, Any]:
        if self.away:
            raise ActorUnavailableError("away", None)
        return {"lane-a-0": SimpleNamespace(held=SimpleNamespace(remote=_held))} if kind == "light" else {}


async def _held(run_id: str) -> tuple[str, ...]:
    return (f"{run_id}/step",)


async def test_lanes_that_are_known_are_used_while_the_supervisor_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "FRESH_SECONDS", 0.0)
    supervisor = Supervisor()
    seen = RemoteLanes(supervisor)
    assert await seen.rejoin("one") == {"one/step"}
    supervisor.away = True
    assert await seen.rejoin("two") == {"two/step"}


async def test_a_coordinator_that_knows_no_lanes_yet_does_not_take_a_call_for_lost_while_the_supervisor_is_away() -> (
    None
):
    supervisor = Supervisor()
    supervisor.away = True
    with pytest.raises(ClusterError):
        await RemoteLanes(supervisor).rejoin("one")
