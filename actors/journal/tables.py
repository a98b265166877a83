"""The journal's tables. `migrations` makes them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
)

SCHEMA = "0003"
"""The revision of `migrations` that these tables are; revisions count upwards, so the greater one is the newer."""

metadata = MetaData()

# SQLite numbers rows by itself only in a column that is called exactly INTEGER.
_serial = BigInteger().with_variant(Integer(), "sqlite")

runs = Table(
    "runs",
    metadata,
    # The order in which the journal got to know the runs: the order of lists, free of clocks.
    Column("number", _serial, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False, unique=True),
    Column("virtual_model", String, nullable=False),
    Column("protocol", String, nullable=False),
    Column("status", String, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double),
    Column("panel", String),
    Column("error_code", String),
    # JSON text of a `Failure`.
    Column("error", Text),
    Column("trace_id", String, nullable=False),
    Column("kept", Boolean, nullable=False, server_default=false()),
    Column("driver", String, nullable=False, server_default=""),
    Column("fingerprint", String, nullable=False, server_default=""),
    Column("resumptions", Integer, nullable=False, server_default="0"),
    Index("runs_by_model", "virtual_model", "number"),
    Index("runs_by_status", "status", "number"),
    Index("runs_by_fingerprint", "fingerprint", "number"),
    sqlite_autoincrement=True,
)
"""One row for each run, a projection of its events (`workflows.replay.summary_of`), kept in their transaction."""

drivers = Table(
    "drivers",
    metadata,
    Column("id", String, primary_key=True),
    # Unix time in seconds.
    Column("seen_at", Double, nullable=False),
)
"""Processes that answer runs, each with the time when it last said that it lives."""

events = Table(
    "events",
    metadata,
    Column("seq", _serial, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("run_id", String, ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False),
    Column("at", Double, nullable=False),
    Column("kind", String, nullable=False),
    Column("v", SmallInteger, nullable=False),
    # JSON text; what `refs` lists has been set aside and stands here as null.
    Column("body", Text, nullable=False),
    # JSON text: [[path, hash], ...] as `contents.pack` made it; null for small events.
    Column("refs", Text),
    Index("events_by_run", "run_id", "seq"),
    sqlite_autoincrement=True,
)

contents = Table(
    "contents",
    metadata,
    Column("hash", String, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    # Bytes before compression.
    Column("size", BigInteger, nullable=False),
)
"""Large parts of events, each stored once however many events say it."""

publications = Table(
    "publications",
    metadata,
    Column("virtual_model", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("hash", String, nullable=False),
    # The workflow as YAML.
    Column("workflow", Text, nullable=False),
    Column("who", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("note", Text, nullable=False),
    Index("publications_by_hash", "virtual_model", "hash", unique=True),
)
"""Every version of every virtual model; rows are added and never changed."""

activations = Table(
    "activations",
    metadata,
    Column("seq", _serial, primary_key=True, autoincrement=True),
    Column("virtual_model", String, nullable=False),
    # NULL: unpublished.
    Column("number", Integer),
    Column("at", Double, nullable=False),
    Column("who", String, nullable=False),
    Column("cause", String, nullable=False),
    ForeignKeyConstraint(["virtual_model", "number"], ["publications.virtual_model", "publications.number"]),
    Index("activations_by_model", "virtual_model", "seq"),
    sqlite_autoincrement=True,
)
"""Which version was active from when; the last row of a virtual model counts. Rows are added and never changed."""
