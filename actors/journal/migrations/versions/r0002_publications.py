"""Publications: immutable versions of virtual models, and which was active when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the two tables."""
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "publications",
        sa.Column("virtual_model", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("publications_by_hash", "publications", ["virtual_model", "hash"], unique=True)
    op.create_table(
        "activations",
        sa.Column("seq", serial, primary_key=True, autoincrement=True),
        sa.Column("virtual_model", sa.String, nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.ForeignKeyConstraint(
            ["virtual_model", "number"], ["publications.virtual_model", "publications.number"]
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("activations_by_model", "activations", ["virtual_model", "seq"])
