"""From an understood request to the run that answers it: a new one, the one that its key names, or one that it repeats.

The same for every wire format:

- An `Idempotency-Key` names a run of the same door and virtual model for 24 hours. Who sends it again joins that run, or
  gets what it came to; with another request it is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from time import time

from fastapi import Request

from serve_app.hosting import Records
from workflows.answer import RunRequest
from workflows.errors import IdempotencyConflict, RequestInvalid
from workflows.fingerprint import fingerprint

KEY_HEADER = "idempotency-key"
KEY_SECONDS = 24 * 3600.0
LONGEST_KEY = 255


async def admitted(records: Records, run: RunRequest, request: Request) -> RunRequest:
    """The run for this request; its id, and whether it is over already, are noted for the response's headers.

    Raises:
        RequestInvalid: the key is empty or too long.
        IdempotencyConflict: the key came with another request before.
        JournalUnavailable: nobody knows whether it did.
    """
    key = request.headers.get(KEY_HEADER)
    if key is not None:
        run = await _keyed(records, replace(run, kept=True, fingerprint=fingerprint(run)), key, request)
    elif run.kept:
        run = replace(run, fingerprint=fingerprint(run))
    request.state.run_id = run.run_id
    return run


async def _keyed(records: Records, run: RunRequest, key: str, request: Request) -> RunRequest:
    """The run that the key names: its id follows from the key, so that there is one, whoever asks and where."""
    if not 0 < len(key) <= LONGEST_KEY:
        raise RequestInvalid(KEY_HEADER, f"must have 1 to {LONGEST_KEY} characters")
    generation = 0
    while True:
        run_id = _run_id(run, key, generation)
        found = await records.summary(run_id)
        if found is None:
            break
        if found.started_at >= time() - KEY_SECONDS:
            if found.fingerprint and found.fingerprint != run.fingerprint:
                raise IdempotencyConflict
            request.state.replayed = found.status == "ok"
            break
        generation += 1
    return replace(run, run_id=run_id)


def _run_id(run: RunRequest, key: str, generation: int) -> str:
    told = "\n".join((run.protocol, run.virtual_model, key, str(generation)))
    return f"run_{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
