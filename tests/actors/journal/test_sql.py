"""The store over a real database."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from actors.journal import dialects
from actors.journal.sql import SqlStore, open_store
from actors.journal.store import RunQuery
from actors.journal.tables import contents, runs
from tests.actors.journal.databases import locked
from tests.workflows import stories
from tests.workflows.stories import BEGAN, MODEL_TIMEOUT, dripping, fusion_run
from workflows.errors import JournalUnavailable, SetupInvalid
from workflows.events import Event, RunCancelled, RunFailed, RunStarted, StepStarted
from workflows.messages import ChatRequest, Message
from workflows.replay import RunSummary, summary_of


def all_of(store: SqlStore, run_id: str) -> list[Event]:
    return [recorded.event for recorded in store.events(run_id)]


def told_of(run_id: str, events: list[Event]) -> list[Event]:
    """The events as those of that run, which no other test has."""
    return [replace(event, run_id=run_id, id=f"{run_id}/{event.id}") for event in events]


def agree(one: RunSummary, other: RunSummary) -> bool:
    """Equal, with costs up to rounding: sums over batches add up in another order."""
    costs = (one.cost_usd, other.cost_usd)
    same_cost = costs == (None, None) or (None not in costs and costs[0] == pytest.approx(costs[1]))
    return same_cost and replace(one, cost_usd=None) == replace(other, cost_usd=None)


def test_events_come_back_as_they_were_and_in_order(store: SqlStore) -> None:
    store.append(fusion_run("run_1"))
    store.append(fusion_run("run_2"))
    assert all_of(store, "run_1") == fusion_run("run_1")
    assert all_of(store, "run_2") == fusion_run("run_2")
    assert all_of(store, "run_3") == []


@settings(deadline=None)
@given(st.lists(stories.events, min_size=1, max_size=5))
def test_any_event_comes_back_as_it_was(lasting_store: SqlStore, events: list[Event]) -> None:
    run_id = uuid4().hex
    told = told_of(run_id, events)
    lasting_store.append(told)
    assert all_of(lasting_store, run_id) == told


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.lists(stories.events, max_size=4))
def test_however_events_are_cut_into_batches_the_list_agrees_with_the_fold(
    lasting_store: SqlStore, random: Random, more: list[Event]
) -> None:
    run_id = uuid4().hex
    story = told_of(run_id, [*fusion_run(), *more])
    if random.random() < 0.5:
        story = [event for event in story if event.kind != "run_finished"]
    left = [*story, *random.choices(story, k=5)]
    while left:
        size = random.randint(1, len(left))
        lasting_store.append(left[:size])
        left = left[size:]
    found = lasting_store.summary(run_id)
    assert found is not None
    assert agree(found, summary_of(story))


def test_an_event_that_is_appended_again_is_stored_once(store: SqlStore) -> None:
    store.append(fusion_run())
    store.append([*fusion_run(), *fusion_run()])
    assert all_of(store, "run_1") == fusion_run()
    assert store.summary("run_1") == summary_of(fusion_run())


def test_places_grow_and_reading_goes_on_behind_one(store: SqlStore) -> None:
    store.append([])
    store.append([dripping("run_1", n) for n in range(10)])
    seen = store.events("run_1", limit=4)
    assert [r.seq for r in seen] == [1, 2, 3, 4]
    rest = store.events("run_1", after=seen[-1].seq)
    assert [r.event for r in (*seen, *rest)] == [dripping("run_1", n) for n in range(10)]
    assert rest[-1].seq == 10


def test_a_batch_larger_than_one_statement_may_name_is_stored_whole(store: SqlStore) -> None:
    batch: list[Event] = [dripping(f"run_{n % 3}", n) for n in range(2500)]
    store.append(batch)
    store.append(batch)
    assert [len(store.events(f"run_{n}")) for n in range(3)] == [834, 833, 833]


def test_what_was_said_before_is_stored_once_however_often_it_is_sent(store: SqlStore) -> None:
    said = [Message.of("user", f"{n} {'long text ' * 200}") for n in range(20)]
    batch: list[Event] = [
        StepStarted(
            id=f"turn {n}",
            run_id="run_1",
            at=BEGAN + n,
            step_id=f"turn.{n}",
            parent_id="main",
            step_kind="turn",
            name="turn",
            request=ChatRequest(tuple(said[: n + 1])),
        )
        for n in range(20)
    ]
    store.append(batch)
    with store._reader.begin() as connection:
        count, stored, whole = connection.execute(
            select(func.count(), func.sum(func.length(contents.c.data)), func.sum(contents.c.size))
        ).one()
    assert count == 20
    assert whole > 20 * 2000
    assert stored < whole / 10
    assert all_of(store, "run_1") == batch


def test_a_text_that_looks_like_a_reference_is_a_text(store: SqlStore) -> None:
    tricky = '[[["request","messages",0],"' + "0" * 64 + '"]]'
    store.append(fusion_run(text=tricky + "x" * 2000))
    assert all_of(store, "run_1") == fusion_run(text=tricky + "x" * 2000)


def test_a_missing_content_is_said_and_not_made_up(store: SqlStore) -> None:
    store.append(fusion_run(text="x" * 2000))
    with store._writer.begin() as connection:
        connection.execute(contents.delete())
    with pytest.raises(JournalUnavailable, match="cannot be read"):
        store.events("run_1")


def test_a_run_that_is_deleted_takes_its_events_with_it(store: SqlStore) -> None:
    store.append(fusion_run())
    with store._writer.begin() as connection:
        connection.execute(runs.delete())
    assert store.events("run_1") == ()


class TestRuns:
    """The list of runs."""

    @pytest.fixture(autouse=True)
    def _four_runs(self, store: SqlStore) -> None:
        def begun(number: int, model: str) -> RunStarted:
            return RunStarted(
                id=f"{number}:started",
                run_id=f"run_{number}",
                at=BEGAN + number,
                virtual_model=model,
                protocol="openai_chat",
                request=ChatRequest(()),
            )

        store.append(
            [
                begun(1, "fusion-review"),
                begun(2, "research"),
                begun(3, "fusion-review"),
                begun(4, "research"),
                RunFailed(id="1:ended", run_id="run_1", at=BEGAN + 9, failure=MODEL_TIMEOUT),
                RunCancelled(id="2:ended", run_id="run_2", at=BEGAN + 9, reason="client"),
            ]
        )

    def ids(self, store: SqlStore, query: RunQuery) -> list[str]:
        return [run.run_id for run in store.runs(query)]

    def test_newest_first(self, store: SqlStore) -> None:
        assert self.ids(store, RunQuery()) == ["run_4", "run_3", "run_2", "run_1"]

    def test_of_one_virtual_model(self, store: SqlStore) -> None:
        assert self.ids(store, RunQuery(virtual_model="research")) == ["run_4", "run_2"]

    def test_with_one_status(self, store: SqlStore) -> None:
        assert self.ids(store, RunQuery(status="running")) == ["run_4", "run_3"]
        (failed,) = store.runs(RunQuery(status="failed"))
        assert failed.error == MODEL_TIMEOUT
        assert failed.seconds == 8.0

    def test_since_a_time(self, store: SqlStore) -> None:
        assert self.ids(store, RunQuery(since=BEGAN + 3)) == ["run_4", "run_3"]

    def test_a_page_at_a_time(self, store: SqlStore) -> None:
        assert self.ids(store, RunQuery(limit=3)) == ["run_4", "run_3", "run_2"]
        assert self.ids(store, RunQuery(limit=3, before="run_2")) == ["run_1"]
        assert self.ids(store, RunQuery(before="run_1")) == []
        assert self.ids(store, RunQuery(before="unknown")) == []

    def test_an_unknown_run_has_no_line(self, store: SqlStore) -> None:
        assert store.summary("unknown") is None


class TestReadOnly:
    """A journal opened by who only looks."""

    def test_it_sees_what_is_written_meanwhile(self, store: SqlStore, url: str) -> None:
        reader = open_store(url, read_only=True)
        store.append(fusion_run())
        assert [recorded.event for recorded in reader.events("run_1")] == fusion_run()
        reader.close()

    def test_it_cannot_write(self, store: SqlStore, url: str) -> None:
        reader = open_store(url, read_only=True)
        with pytest.raises(JournalUnavailable, match="does not work"):
            reader.append(fusion_run())
        reader.close()
        assert store.runs(RunQuery()) == ()

    def test_it_makes_nothing(self, url: str, tmp_path: Path) -> None:
        for _ in range(2):
            with pytest.raises(SetupInvalid, match="no journal"):
                open_store(url, read_only=True)
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_database_holds_no_journal(self, tmp_path: Path) -> None:
        (tmp_path / "empty.db").touch()
        with pytest.raises(SetupInvalid, match="no journal yet"):
            open_store(f"sqlite:///{tmp_path}/empty.db", read_only=True)


class TestOpening:
    """Addresses, files and their errors."""

    def test_only_its_owner_can_read_the_file(self, file_url: str, tmp_path: Path) -> None:
        store = open_store(file_url)
        store.append(fusion_run())
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
        store.close()
        assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "journal.db",
            "mysql://host/db",
            "sqlite://",
            "sqlite:///:memory:",
            "postgresql+asyncpg://host/db",
        ],
    )
    def test_an_address_that_cannot_hold_a_journal_is_refused(self, address: str) -> None:
        with pytest.raises(SetupInvalid, match=r"sqlite|postgresql://"):
            open_store(address)

    def test_the_address_is_not_in_the_message_as_it_may_hold_a_password(self) -> None:
        with pytest.raises(SetupInvalid) as refused:
            open_store("mysql://me:hunter2@host/db")
        assert "hunter2" not in str(refused.value)

    def test_a_folder_that_cannot_be_made_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SetupInvalid, match="cannot be made"):
            open_store(f"sqlite:///{tmp_path}/file/journal.db")

    def test_a_file_that_is_no_database_is_an_unavailable_journal(self, tmp_path: Path) -> None:
        (tmp_path / "journal.db").write_bytes(b"not a database at all" * 100)
        with pytest.raises(JournalUnavailable, match="not a database"):
            open_store(f"sqlite:///{tmp_path}/journal.db")

    def test_a_database_that_another_process_keeps_locked_is_an_unavailable_journal(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dialects, "LOCK_SECONDS", 0.05)
        store = open_store(url)
        with locked(url), pytest.raises(JournalUnavailable, match=r"lock.* \(another .*\)"):
            store.append(fusion_run())
        store.append(fusion_run())
        store.close()


def test_no_content_is_in_an_error(store: SqlStore) -> None:
    with store._writer.begin() as connection:
        connection.exec_driver_sql("DROP TABLE contents")
    with pytest.raises(JournalUnavailable) as refused:
        store.append(fusion_run(text="the patient's name " * 200))
    shown = f"{refused.value} {refused.value.__cause__}"
    assert "patient" not in shown


def test_the_list_has_a_column_for_every_field_of_a_summary() -> None:
    assert {field.name for field in fields(RunSummary)} <= set(runs.c.keys())


def test_the_stories_of_several_runs_are_told_at_once(store: SqlStore) -> None:
    one, two = fusion_run("run_1"), fusion_run("run_2")
    for first, second in zip(one, two, strict=True):
        store.append([first, second])
    told = store.stories(["run_2", "unknown", "run_1"])
    assert told == {"run_1": tuple(one), "run_2": tuple(two)}
    assert store.stories([]) == {}


def test_how_many_runs_finished_is_told_at_once_and_nothing_of_the_others(store: SqlStore) -> None:
    for run_id in ("run_1", "run_2", "run_3"):
        store.append(fusion_run(run_id))
    store.append([RunFailed(id="run_4:ended", run_id="run_4", at=BEGAN, failure=MODEL_TIMEOUT)])
    found = store.finished(["run_1", "run_3", "run_4", "run_5", *map(str, range(2000))])
    assert sorted(event.run_id for event in found) == ["run_1", "run_3"]
    assert fusion_run("run_1")[-1] in found
    assert store.finished([]) == ()
