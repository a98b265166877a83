"""What is removed, what stays, and what it frees."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.journal import pruning
from actors.journal.actor import JournalActor
from actors.journal.limits import Plan, Retention, parse_age, parse_size
from actors.journal.sql import SqlStore
from actors.journal.store import RunQuery
from tests.workflows.stories import BEGAN, fusion_run
from workflows.errors import UsageError
from workflows.events import Event

DAY = 86400.0
SHARED = "what every conversation begins with " * 100


def told(run_id: str, day: float, text: str = SHARED, *, over: bool = True) -> list[Event]:
    """A run that began on that day."""
    story = [replace(event, at=event.at + day * DAY) for event in fusion_run(run_id, text=text)]
    return story if over else story[:-1]


def left(store: SqlStore) -> list[str]:
    return [summary.run_id for summary in store.runs(RunQuery())]


def prune(store: SqlStore, retention: Retention, day: float) -> Plan:
    plan = store.retention.plan(retention, BEGAN + day * DAY)
    for steps in (store.retention.remove_runs(plan), store.retention.remove_contents(plan)):
        assert all(count >= 0 for count in steps)
    return plan


def test_old_runs_go_with_what_only_they_refer_to(store: SqlStore) -> None:
    own = "only said once " * 200
    store.append([*told("old", 0, own), *told("new", 20), *told("shares", 1)])
    plan = prune(store, Retention(older_than=10 * DAY), 21)
    assert set(plan.runs) == {"old", "shares"}
    assert left(store) == ["new"]
    assert [r.event for r in store.events("new")] == told("new", 20)
    assert prune(store, Retention(), 21).freed == 0
    store.append(told("old", 22, own))
    assert [r.event for r in store.events("old")] == told("old", 22, own)


def test_the_oldest_go_until_the_rest_fits_and_a_plan_says_what_it_frees(store: SqlStore) -> None:
    for day in range(6):
        store.append(told(f"run_{day}", day, f"{day} said " * 1000))
    everything = store.retention.plan(Retention(), BEGAN)
    plan = prune(store, Retention(max_size=everything.size // 2), 0)
    assert plan.size <= everything.size // 2
    assert plan.size + plan.freed == everything.size
    assert left(store) == [f"run_{day}" for day in reversed(range(6 - plan.kept, 6))]
    assert store.retention.plan(Retention(), BEGAN).size == plan.size


def test_a_run_that_is_under_way_stays_however_old(store: SqlStore) -> None:
    store.append([*told("running", 0, over=False), *told("over", 0)])
    prune(store, Retention(older_than=DAY, max_size=1), 100)
    assert left(store) == ["running"]
    assert [r.event for r in store.events("running")] == told("running", 0, over=False)


def test_what_is_referred_to_again_since_the_plan_stays(store: SqlStore) -> None:
    store.append(told("old", 0))
    plan = store.retention.plan(Retention(older_than=DAY), BEGAN + 2 * DAY)
    store.append(told("again", 2))
    list(store.retention.remove_runs(plan))
    list(store.retention.remove_contents(plan))
    assert [r.event for r in store.events("again")] == told("again", 2)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=6))
def test_whatever_goes_what_stays_can_be_read_and_nothing_useless_stays(
    lasting_store: SqlStore, stories: list[tuple[int, int, bool]]
) -> None:
    store = lasting_store
    prune(store, Retention(max_size=0), 0)

    for number, (day, text, over) in enumerate(stories):
        run_id = f"{uuid4().hex}-{number}"
        store.append(told(run_id, day, f"{text} and {SHARED}", over=over))
    prune(store, Retention(older_than=2 * DAY), 5)
    for run_id in left(store):
        assert store.events(run_id)
    assert prune(store, Retention(), 5).freed == 0


def test_ages_and_sizes_are_read() -> None:
    assert (parse_age("36h"), parse_age("30d"), parse_age("2w")) == (129600.0, 30 * DAY, 14 * DAY)
    assert (parse_size("500MB"), parse_size("2 gb"), parse_size("1.5kB")) == (5 * 10**8, 2 * 10**9, 1500)
    for wrong in ("", "30", "d", "-1d", "30 parsecs"):
        with pytest.raises(UsageError):
            parse_age(wrong)


async def test_a_journal_in_use_prunes_itself(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(pruning, "PAUSE_SECONDS", 0.05)
    actor = JournalActor(url, capture_content=True, retention="30d 1GB")
    await actor.append(told("old", 0))
    await actor.append(told("running", 0, over=False))
    async with asyncio.timeout(30):
        while await actor.events("old"):  # noqa: ASYNC110  # it prunes by itself, and tells nobody
            await asyncio.sleep(0.02)
    assert len(await actor.events("running")) == len(told("running", 0)) - 1
    await actor.close()
