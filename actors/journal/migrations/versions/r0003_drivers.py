"""Who drives which run: columns for what a later life needs to find, and the table of living drivers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what was not known of runs before: nobody keeps them, nobody drives them."""
    op.add_column("runs", sa.Column("kept", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("runs", sa.Column("driver", sa.String, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("fingerprint", sa.String, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("resumptions", sa.Integer, nullable=False, server_default="0"))
    op.create_index("runs_by_fingerprint", "runs", ["fingerprint", "number"])
    op.create_table(
        "drivers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("seen_at", sa.Double, nullable=False),
    )
