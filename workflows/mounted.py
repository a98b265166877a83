"""Mounted tools: which flow carries out a call, by the tool's mode."""

from __future__ import annotations

from workflows.flow import Flow, ToolOutcome, ToolUse
from workflows.mounted_model import consult
from workflows.panel import convene
from workflows.spec import FusionToolSpec, WorkflowSpec
from workflows.tariff import Facts, Tariff


def carry_out(spec: WorkflowSpec, use: ToolUse, seed: int, facts: Facts | None = None) -> Flow[ToolOutcome]:
    """Carry out one call of a mounted tool.

    Args:
        spec: the workflow.
        use: the call, with what it may take of the run's limits.
        seed: for whatever a panel shuffles.
        facts: prices and sizes of the workflow's models, where they are known.

    """
    tool = spec.tools[use.tool]
    if isinstance(tool, FusionToolSpec):
        return convene(spec, use, seed, facts)
    return consult(tool, use, Tariff(spec.models, facts or {}))
