"""What only a server can do: be shared by clusters, and be there without answering."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy.exc import SQLAlchemyError

from actors.journal import dialects
from actors.journal.sql import open_store
from actors.journal.store import RunQuery
from tests.postgres import Postgres, running_postgres
from tests.workflows.stories import dripping, fusion_run
from workflows.errors import JournalUnavailable

WRITERS = 4
EACH = 40


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A server that may fail."""
    with running_postgres() as server:
        yield server


@pytest.mark.parametrize("form", ["postgresql", "postgres", "postgresql+psycopg"])
def test_the_usual_forms_of_an_address_are_understood(url: str, form: str) -> None:
    open_store(url.replace("postgresql", form)).close()


def test_a_reader_that_goes_on_behind_what_it_saw_misses_nothing_of_any_writer(url: str) -> None:
    """The promise of `Recorded`, with a writer for each of several clusters."""
    stores = [open_store(url) for _ in range(WRITERS)]
    done = threading.Event()

    def write(writer: int) -> None:
        for n in range(EACH):
            # A repetition and a failure leave gaps in the numbers, which must not matter.
            stores[writer].append([dripping("run", writer * EACH + n), dripping("run", writer * EACH)])

    def read() -> list[str]:
        reader = open_store(url, read_only=True)
        seen, place = list[str](), 0
        while True:
            over = done.is_set()
            page = reader.events("run", after=place)
            seen += [recorded.event.id for recorded in page]
            place = page[-1].seq if page else place
            if over and not page:
                reader.close()
                return seen

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reading = pool.submit(read)
        list(pool.map(write, range(WRITERS)))
        done.set()
        seen = reading.result(60)
    assert sorted(seen) == sorted({dripping("run", n).id for n in range(WRITERS * EACH)})
    for store in stores:
        store.close()


def test_places_that_were_given_out_and_rolled_back_are_not_given_out_again(url: str) -> None:
    store = open_store(url)
    store.append([dripping("run", 0)])
    with psycopg.connect(url) as other:
        other.execute("SELECT nextval(pg_get_serial_sequence('events', 'seq'))")
        other.rollback()
    store.append([dripping("run", 1)])
    assert [recorded.seq for recorded in store.events("run")] == [1, 3]
    store.close()


def test_a_writer_that_falls_silent_in_its_turn_loses_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "IDLE_SECONDS", 1)
    silent, other = dialects.writing_engine(dialects.parse(url)), open_store(url)
    with silent.connect() as connection:
        transaction = connection.begin()
        other.append(fusion_run())  # waits for its turn, which comes when the silent one's ends
        with pytest.raises(SQLAlchemyError):
            transaction.commit()
    silent.dispose()
    assert len(other.events("run_1")) == len(fusion_run())
    other.close()


def test_a_server_that_does_not_answer_is_given_up(own: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "CONNECT_SECONDS", 2)
    store = open_store(own.new_database())
    monkeypatch.setattr(dialects, "ANSWER_SECONDS", 0.3)
    with own.paused():
        with pytest.raises(JournalUnavailable, match=r"no answer|timeout"):
            store.append(fusion_run())
        with pytest.raises(JournalUnavailable, match=r"no answer|timeout"):
            store.runs(RunQuery())
    monkeypatch.undo()
    store.append(fusion_run())
    assert len(store.events("run_1")) == len(fusion_run())
    store.close()


def test_a_server_that_was_restarted_is_found_again(own: Postgres) -> None:
    store = open_store(own.new_database())
    store.append(fusion_run())
    store.summary("run_1")
    own.kill()
    with pytest.raises(JournalUnavailable, match="does not work"):
        store.append(fusion_run("run_2"))
    own.start()
    assert len(store.events("run_1")) == len(fusion_run())
    store.append(fusion_run("run_2"))
    assert len(store.events("run_2")) == len(fusion_run())
    store.close()


def test_no_message_shows_the_password(own: Postgres) -> None:
    url = own.new_database().replace(own.password, "wrong-" + own.password)
    with pytest.raises(JournalUnavailable) as refused:
        open_store(url)
    assert own.password not in f"{refused.value} {refused.value.__cause__}"
