"""Which schema the journal's database has: made or brought up to date at start, refused when it is newer than us."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from actors.journal.tables import SCHEMA
from workflows.errors import SetupInvalid

MIGRATIONS = Path(__file__).parent / "migrations"
_NEWER = (
    "The journal was written by a newer Stellarator (its schema is {found}, this version knows {known}). "
    "Upgrade Stellarator, or point it to another journal."
)
_OLDER = (
    "The journal was written by an older Stellarator (its schema is {found}, this version needs {known}). "
    "Run `stellarator up` or `stellarator demo` once; it brings the journal up to date."
)


def migrate(engine: Engine) -> None:
    """Bring the database to our schema, in one transaction; whoever else starts now waits for its turn.

    Raises:
        SetupInvalid: a newer version made it.
    """
    with engine.begin() as connection:
        found = revision(connection)
        if found > SCHEMA:
            raise SetupInvalid(_NEWER.format(found=found, known=SCHEMA))
        if found < SCHEMA:
            _upgrade(connection)


def require(engine: Engine) -> None:
    """Refuse a database that does not have our schema, and change nothing.

    Raises:
        SetupInvalid: it is newer or older, or holds no journal.
    """
    with engine.begin() as connection:
        found = revision(connection)
    if not found:
        raise SetupInvalid("The database holds no journal yet; the first run makes it.")
    if found != SCHEMA:
        template = _NEWER if found > SCHEMA else _OLDER
        raise SetupInvalid(template.format(found=found, known=SCHEMA))


def revision(connection: Connection) -> str:
    """The database's schema; empty for a database without a journal."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""


def _upgrade(connection: Connection) -> None:
    """Run the missing migrations, in the connection's transaction."""
    from alembic import command, config  # noqa: PLC0415  # 0.3 s that only who changes a schema should pay

    settings = config.Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
