"""From an understood request to the run that answers it: a new one, the one that its key names, or one that it repeats.

The same for every wire format:

- An `Idempotency-Key` names a run of the same door and virtual model for 24 hours. Who sends it again joins that run, or
  gets what it came to; with another request it is refused.
- Clients repeat what failed (Codex up to 30 times), and each try could be a panel. So a request that asks for a panel exactly
  what a run asked in the last minutes that failed, was cancelled or was lost goes on with that run: what is finished is not
  paid again. One whose like is still under way waits for that, but only with evidence that it is a second try: to
  ask the same twice at once, or again after an answer, is a wish for two answers.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from time import time

from fastapi import Request

from serve_app.hosting import Host, Records
from workflows.answer import RunRequest
from workflows.errors import IdempotencyConflict, RequestInvalid
from workflows.fingerprint import fingerprint
from workflows.fusion import mounted_tools
from workflows.loading import content_hash
from workflows.spec import WorkflowSpec

KEY_HEADER = "idempotency-key"
KEY_SECONDS = 24 * 3600.0
LONGEST_KEY = 255

RETRY_HEADER = "x-stainless-retry-count"
TURN_HEADER = "x-codex-turn-metadata"
RETRY_SECONDS = 600.0
"""How far back a run may lie that a request repeats."""
WAIT_SECONDS = 30.0
"""How long a second try waits for the first to end."""
LOOK_SECONDS = 0.25


async def admitted(host: Host, records: Records, run: RunRequest, request: Request) -> RunRequest:
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
    else:
        run = await _repeated(records, run, host.workflow(run.virtual_model), request)
    request.state.run_id = run.run_id
    return run


async def _repeated(
    records: Records, run: RunRequest, workflow: WorkflowSpec, request: Request
) -> RunRequest:
    """The run that this one repeats, when it may be gone on with; only where a panel may be paid is that looked up."""
    if not mounted_tools(workflow, run):
        return run
    asked = f"{fingerprint(run)}:{content_hash(workflow)}"
    run = replace(run, fingerprint=asked)
    has_waited, until = False, time() + WAIT_SECONDS
    while True:
        known, taken = await records.retake(asked, run.virtual_model, time() - RETRY_SECONDS)
        if known is not None and taken:
            return replace(run, run_id=known.run_id, resumed=True)
        if known is not None and known.status == "ok" and has_waited:
            request.state.replayed = True
            return replace(run, run_id=known.run_id, kept=True)
        if known is None or known.status != "running" or not _is_second_try(request) or time() > until:
            return run
        has_waited = True
        await asyncio.sleep(LOOK_SECONDS)


def _is_second_try(request: Request) -> bool:
    """Whether the client says so: the SDKs count their tries, Codex names the turn that a request belongs to."""
    count = request.headers.get(RETRY_HEADER, "0")
    return TURN_HEADER in request.headers or (count.isdecimal() and int(count) > 0)


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
