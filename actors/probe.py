"""Carry out a workflow's probes: all at once, on the lanes, where its calls will be made in earnest."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from actors.orders import CallOrder
from actors.panel_run import Lanes
from workflows.errors import ProbeFailed, StellaratorError
from workflows.flow import Failed
from workflows.probing import TIMEOUT_SECONDS, Probe, ProbeResult, complaint, probes, verdict
from workflows.spec import WorkflowSpec

_LEASE = TIMEOUT_SECONDS + 5.0
"""Nobody renews a probe's lease; it must outlast the call."""


async def probed(spec: WorkflowSpec, lanes: Lanes) -> tuple[ProbeResult, ...]:
    """What every model of a workflow did.

    Raises:
        ProbeFailed: one or more did not do what the workflow asks of them; names all of them.
    """
    run_id = f"probe_{uuid4().hex}"
    results = await asyncio.gather(*(_result(run_id, probe, spec, lanes) for probe in probes(spec)))
    if failed := tuple(complaint(result) for result in results if not result.ok):
        raise ProbeFailed(spec.name, failed)
    return tuple(results)


async def _result(run_id: str, probe: Probe, spec: WorkflowSpec, lanes: Lanes) -> ProbeResult:
    model = spec.models[probe.alias]
    try:
        pending = await lanes.order(CallOrder(run_id, probe.call, model, lease=_LEASE))
        outcome = await pending.result()
    except StellaratorError as error:
        outcome = Failed(probe.call.step_id, error.failure(), 0.0)
    return verdict(probe, model.model or probe.alias, outcome)
