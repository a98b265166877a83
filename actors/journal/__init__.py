"""The journal: the durable record of runs. Open it with `open_store`; in the cluster it is a `JournalActor`."""

from actors.journal.sql import open_store

__all__ = ["open_store"]
