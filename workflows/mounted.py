"""Mounted tools: which flow carries out a call, by the tool's mode."""

from __future__ import annotations

from workflows.flow import Flow, ToolOutcome, ToolUse
from workflows.mounted_model import consult
from workflows.panel import convene
from workflows.spec import FusionToolSpec, WorkflowSpec


def carry_out(spec: WorkflowSpec, use: ToolUse, seed: int) -> Flow[ToolOutcome]:
    """Carry out one call of a mounted tool; `seed` is for whatever a panel shuffles."""
    tool = spec.tools[use.tool]
    if isinstance(tool, FusionToolSpec):
        return convene(spec, use, seed)
    return consult(tool, use)
