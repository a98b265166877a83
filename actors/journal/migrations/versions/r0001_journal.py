"""The first journal: runs, events, contents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:  # long: the tables as they were then, one after the other
    """Make the tables as they were at this revision; later changes get revisions of their own."""
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "runs",
        sa.Column("number", serial, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.String, nullable=False, unique=True),
        sa.Column("virtual_model", sa.String, nullable=False),
        sa.Column("protocol", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Double),
        sa.Column("panel", sa.String),
        sa.Column("error_code", sa.String),
        sa.Column("error", sa.Text),
        sa.Column("trace_id", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("runs_by_model", "runs", ["virtual_model", "number"])
    op.create_index("runs_by_status", "runs", ["status", "number"])
    op.create_table(
        "events",
        sa.Column("seq", serial, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("v", sa.SmallInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("refs", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_run", "events", ["run_id", "seq"])
    op.create_table(
        "contents",
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
