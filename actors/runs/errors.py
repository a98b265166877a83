"""Translate Ray's errors into ours, once, where they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    OwnerDiedError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from workflows.errors import ClusterError, StellaratorError

_GONE = (ActorDiedError, ActorUnavailableError, OwnerDiedError, WorkerCrashedError)


@asynccontextmanager
async def translated(lost: type[ClusterError]) -> AsyncIterator[None]:
    """Turn a dead process into `lost`, an error of our tree that crossed Ray into itself, the rest into `ClusterError`."""
    try:
        yield
    except TaskCancelledError as error:
        raise asyncio.CancelledError from error
    except _GONE as error:
        raise lost from error
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, StellaratorError):
            raise cause from None
        raise ClusterError(f"internal error ({type(cause).__name__})") from error
    except RayError as error:
        raise ClusterError(f"Ray: {type(error).__name__}") from error
